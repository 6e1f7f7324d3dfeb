-- LiveKit gave no answer when it was asked about a session, or it says that the
-- room is there. Since when there has been no answer is kept: a room that is
-- gone when LiveKit is back went then, see fail_session.
--
-- KEYS: session
-- ARGV: at_ms
--   at_ms   when it was asked; "0": the room is there
-- returns   1 when that is news, else 0 (integer)

--@include time

-- A key that holds no session is none.
local state = redis.pcall('HGET', KEYS[1], 'state')

if state ~= 'matched' and state ~= 'live' then
    return 0
end

if ARGV[1] == '0' then
    return redis.call('HDEL', KEYS[1], 'missed')
end

return redis.call('HSETNX', KEYS[1], 'missed',
    math.min(tonumber(ARGV[1]), now_ms()))
