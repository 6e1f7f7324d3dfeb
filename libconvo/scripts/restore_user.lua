-- What the store knows of a user, for a Redis that has lost its data. Nothing
-- newer is overwritten, and nobody who waits or is in a session.
--
-- The user is idle. Who was not, as the store has it, is told "failed", by a
-- version above the store's, which is to learn it; that one is kept as "lost",
-- so that an edge which told them "waiting" still puts them back (recall).
--
-- KEYS: user blocked dirty
-- ARGV: version state points spent window_end_s last_session_s banned_until_s
--       blocked_sub ...
--   "0" for what the user does not have
-- returns   1, or 0 when Redis knows better: nothing but blocks was changed
--           (integer)

--@include time
--@include user
--@include expect

local now = now_ms()
local version, points = tonumber(ARGV[1]), tonumber(ARGV[3])
local spent, window_end = tonumber(ARGV[4]), tonumber(ARGV[5]) * 1000
local banned_until = tonumber(ARGV[7]) * 1000

expect({hash = {KEYS[1]}, set = {KEYS[2]}, zset = {KEYS[3]}})

for i = 8, #ARGV do
    redis.call('SADD', KEYS[2], ARGV[i])
end

local user = load_user(KEYS[1])
if (tonumber(user.version) or 0) >= version or user.state ~= 'idle' then
    return 0
end

local fields = {'state', 'idle'}

local function add(name, value, is_there)
    if is_there then
        fields[#fields + 1] = name
        fields[#fields + 1] = value
    end
end

add('points', points, points > 0)
add('spent', spent, window_end > now)
add('window_end', window_end, window_end > now)
add('last_session_s', ARGV[6], ARGV[6] ~= '0')
add('banned_until', banned_until, banned_until > now)

if ARGV[2] ~= 'idle' then
    add('lost', version, true)
    add('last_sid', '', true)
    add('last_reason', 'failed', true)
    add('last_duration', 0, true)
    add('last_points', 0, true)
    version = version + 1
    redis.call('ZADD', KEYS[3], now, sub_of(KEYS[1]))
end
add('version', version, true)

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('PEXPIRE', KEYS[1], user_ttl(banned_until, now))
redis.call('PUBLISH', KEYS[1], version)

return 1
