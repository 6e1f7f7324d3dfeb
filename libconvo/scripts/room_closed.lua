-- A room is known to be gone.
--
-- KEYS: closing
-- ARGV: room
-- returns   1, or 0 when it was not noted (integer)

return redis.call('ZREM', KEYS[1], ARGV[1])
