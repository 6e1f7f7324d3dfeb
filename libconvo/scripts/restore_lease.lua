-- Which worker restores a pool: one at a time, for as long as it renews its
-- lease.
--
-- KEYS: ready restoring
-- ARGV: name lease_ms
-- returns   "ready" (nothing is to be restored), "mine" (taken or renewed), or
--           "other" (another worker is at it)

if redis.call('EXISTS', KEYS[1]) == 1 then
    return 'ready'
end

local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then
    return 'other'
end

redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return 'mine'
