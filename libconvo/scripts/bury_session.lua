-- Ends a session that is so damaged that it cannot end by itself: it becomes a
-- dead letter, its room is to go, and whoever of its users is still in it is
-- idle, told "failed", with nothing charged.
--
-- KEYS: session user_a user_b sessions closing probes dead stats dirty
-- ARGV: sid room reason
--   KEYS[2] and KEYS[3] are {pool}:none when the users are not known
-- returns   how many of its users were in it (integer)

--@include time
--@include user
--@include expect
--@include session
--@include stats
--@include base64
--@include dead_kinds
--@include dead

local keys = {session = KEYS[1], user_a = KEYS[2], user_b = KEYS[3],
    sessions = KEYS[4], closing = KEYS[5], probes = KEYS[6],
    dirty = KEYS[9]}
local sid, room, reason = ARGV[1], ARGV[2], ARGV[3]
local now = now_ms()

expect({zset = {KEYS[4], KEYS[5], KEYS[6], KEYS[9]}, stream = {KEYS[7]},
    hash = {KEYS[8]}})

local freed = free_users(keys, sid, now)

-- What is no session at all is left for who looks into the letter.
if redis.call('TYPE', keys.session).ok == 'hash' then
    redis.call('HSET', keys.session, 'state', 'ended', 'ended', now)
    redis.call('PEXPIRE', keys.session, ENDED_TTL_MS)
end

redis.call('ZREM', keys.sessions, sid)
redis.call('ZREM', keys.probes, sid)
redis.call('ZADD', keys.closing, now, room)
bury_letter(KEYS[7], KEYS[8], now, 'sessions', sid, reason)

return freed
