-- What the store knows of a user, for a Redis that has lost its data. Nothing
-- newer is overwritten, and nobody who waits or is in a session. The user is
-- idle; who was waiting is recalled by the edge that told them so.
--
-- KEYS: user blocked
-- ARGV: version points spent window_end_s last_session_s banned_until_s
--       blocked_sub ...
--   "0" for what the user does not have
-- returns   1, or 0 when Redis knows better: nothing but blocks was changed
--           (integer)

--@include time
--@include user
--@include expect

local now = now_ms()
local version, points = tonumber(ARGV[1]), tonumber(ARGV[2])
local spent, window_end = tonumber(ARGV[3]), tonumber(ARGV[4]) * 1000
local banned_until = tonumber(ARGV[6]) * 1000

expect({hash = {KEYS[1]}, set = {KEYS[2]}})

for i = 7, #ARGV do
    redis.call('SADD', KEYS[2], ARGV[i])
end

local user = load_user(KEYS[1])
if (tonumber(user.version) or 0) >= version or user.state ~= 'idle' then
    return 0
end

local fields = {'version', version, 'state', 'idle'}

local function add(name, value, is_there)
    if is_there then
        fields[#fields + 1] = name
        fields[#fields + 1] = value
    end
end

add('points', points, points > 0)
add('spent', spent, window_end > now)
add('window_end', window_end, window_end > now)
add('last_session_s', ARGV[5], ARGV[5] ~= '0')
add('banned_until', banned_until, banned_until > now)

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('PEXPIRE', KEYS[1], user_ttl(banned_until, now))
redis.call('PUBLISH', KEYS[1], version)

return 1
