-- A room that LiveKit has: without a session that goes on, and without a note
-- that it is about to be used or deleted, it is to be deleted.
--
-- KEYS: session closing
-- ARGV: room
-- returns   1 when it is now to be deleted, else 0 (integer)

--@include time

-- A key that holds no session is none.
local state = redis.pcall('HGET', KEYS[1], 'state')

if state == 'matched' or state == 'live'
    or redis.call('ZSCORE', KEYS[2], ARGV[1]) then
    return 0
end

redis.call('ZADD', KEYS[2], now_ms(), ARGV[1])
return 1
