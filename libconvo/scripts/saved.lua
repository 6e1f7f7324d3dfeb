-- The store has a user's record of this version. A user who has changed since
-- is written again, at once.
--
-- KEYS: user dirty
-- ARGV: sub version
--   version   "0" for a user whom Redis does not know any more
-- returns   1, or 0 when the user has changed since (integer)

--@include time

local version = redis.call('HGET', KEYS[1], 'version') or '0'

if version == ARGV[2] then
    redis.call('ZREM', KEYS[2], ARGV[1])
    return 1
end

redis.call('ZADD', KEYS[2], now_ms(), ARGV[1])
return 0
