-- Entries of a stream have been handled and go.
--
-- KEYS: stream
-- ARGV: group id ...
-- returns   how many were removed (integer)

local ids = {unpack(ARGV, 2)}
redis.call('XACK', KEYS[1], ARGV[1], unpack(ids))
return redis.call('XDEL', KEYS[1], unpack(ids))
