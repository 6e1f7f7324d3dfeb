-- Which worker restores a pool: one at a time, for as long as it renews its
-- lease. A lease that is gone is not renewed: it was over, or Redis was emptied
-- and what had been restored is gone with it.
--
-- KEYS: ready restoring
-- ARGV: name lease_ms renew
--   renew   "1" when the caller holds the lease, as far as it knows
-- returns   "ready" (nothing is to be restored), "mine" (taken or renewed),
--           "other" (another worker is at it), or "lost" (renew, and nobody is)

if redis.call('EXISTS', KEYS[1]) == 1 then
    return 'ready'
end

local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then
    return 'other'
end

if not holder and ARGV[3] == '1' then
    return 'lost'
end

redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 'mine'
