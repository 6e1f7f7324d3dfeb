-- A worker's heartbeat. Makes the streams' consumer groups, and the pool ready
-- once the caller has restored what its store knows, which only counts while
-- the lease for it (restore_lease) is still the caller's; the lease ends.
--
-- KEYS: ready schema alive run livekit ended reports restoring
-- ARGV: run_id group alive_s restorer
--   alive_s    how long the heartbeat counts, seconds
--   restorer   the worker that has restored the pool, or "" (heartbeat alone)
-- returns   "ready", "restoring", or "newer" (the data is of a newer layout
--           than this worker knows: it must not work on it)

--@include time
--@include pool
--@include run

if not schema_is_known(KEYS[2]) then
    return 'newer'
end

redis.call('SET', KEYS[2], SCHEMA)
running_since(KEYS[4], ARGV[1], now_ms())

for _, stream in ipairs({KEYS[5], KEYS[6], KEYS[7]}) do
    -- BUSYGROUP says that it is there.
    redis.pcall('XGROUP', 'CREATE', stream, ARGV[2], '0', 'MKSTREAM')
end

redis.call('SET', KEYS[3], '1', 'EX', ARGV[3])
if ARGV[4] ~= '' and redis.call('GET', KEYS[8]) == ARGV[4] then
    redis.call('SET', KEYS[1], '1')
    redis.call('DEL', KEYS[8])
end

return redis.call('EXISTS', KEYS[1]) == 1 and 'ready' or 'restoring'
