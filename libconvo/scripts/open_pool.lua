-- A worker's heartbeat. Makes the streams' consumer groups, and the pool ready
-- once the caller has restored what its store knows, which only counts while
-- the lease for it (restore_lease) is still the caller's; the lease ends. The
-- store is then to be read once more, unless it just was.
--
-- Each heartbeat makes the worker's beat greater. One below that which it has
-- been told is proof that Redis has lost data (an older snapshot, a replica
-- that lagged): the pool is closed until it has been restored, unless it has
-- been.
--
-- KEYS: ready schema alive run livekit ended reports restoring
-- ARGV: run_id group alive_s restorer name seen late_ms
--   alive_s    how long the heartbeat counts, seconds
--   restorer   the worker that has restored the pool, or "" (heartbeat)
--   name       whose heartbeat it is
--   seen       the beat that it was told last, or "0"
--   late_ms    what was being written to the store has come after so long
-- returns   list: "ready", "restoring", "lost" (it was closed now), or "newer"
--           (the data is of a newer layout than this worker knows: it must not
--           work on it); the beat, 0 when it was no heartbeat

--@include time
--@include pool
--@include run

if not schema_is_known(KEYS[2]) then
    return {'newer', 0}
end

local now = now_ms()

redis.call('SET', KEYS[2], SCHEMA)
running_since(KEYS[4], ARGV[1], now)

local beat, is_lost = 0, false
if ARGV[4] == '' then
    is_lost = beat_of(KEYS[4], ARGV[5]) < tonumber(ARGV[6])
        and redis.call('EXISTS', KEYS[1]) == 1
        and not is_restored(KEYS[4], ARGV[1])
    beat = next_beat(KEYS[4], ARGV[5], now)
end
if is_lost then
    redis.call('DEL', KEYS[1], KEYS[8])
end

for _, stream in ipairs({KEYS[5], KEYS[6], KEYS[7]}) do
    -- BUSYGROUP says that it is there.
    redis.pcall('XGROUP', 'CREATE', stream, ARGV[2], '0', 'MKSTREAM')
end

redis.call('SET', KEYS[3], '1', 'EX', ARGV[3])
if ARGV[4] ~= '' and redis.call('GET', KEYS[8]) == ARGV[4] then
    local was_again = redis.call('EXISTS', KEYS[1]) == 1
        and is_due_again(KEYS[4], ARGV[1], now)
    redis.call('SET', KEYS[1], '1')
    redis.call('DEL', KEYS[8])
    restored_for(KEYS[4], ARGV[1],
        not was_again and now + tonumber(ARGV[7]) or nil)
end

if is_lost then
    return {'lost', beat}
end
return {redis.call('EXISTS', KEYS[1]) == 1 and 'ready' or 'restoring', beat}
