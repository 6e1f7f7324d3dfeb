-- Which worker restores a pool: one at a time, for as long as it renews its
-- lease. A pool is to be restored while it is closed, and once more for each
-- process of Redis that comes: it may have been started with older data; and
-- again some time after either (open_pool). A lease that is gone is not
-- renewed: it was over, or Redis was emptied and what had been restored is gone
-- with it.
--
-- KEYS: ready restoring run
-- ARGV: name lease_ms renew run_id
--   renew   "1" when the caller holds the lease, as far as it knows; "end" when
--           it gives that back
--   run_id  of the Redis process (INFO server)
-- returns   "ready" (nothing is to be restored now), "mine" (taken or renewed),
--           or "open" (the same, and the pool is served meanwhile), "again"
--           (the same, and it is that other time), "other" (another worker is
--           at it), "lost" (renew, and nobody is), or "ended" (it is not the
--           caller's any more)

--@include time
--@include run

if ARGV[3] == 'end' then
    if redis.call('GET', KEYS[2]) == ARGV[1] then
        redis.call('DEL', KEYS[2])
    end
    return 'ended'
end

local is_open = redis.call('EXISTS', KEYS[1]) == 1
local is_again = is_open and is_due_again(KEYS[3], ARGV[4], now_ms())

-- A heartbeat comes first: it may have to close the pool.
if is_open and not is_again and (is_restored(KEYS[3], ARGV[4])
    or not has_beaten(KEYS[3], ARGV[1], ARGV[4])) then
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
return is_again and 'again' or is_open and 'open' or 'mine'
