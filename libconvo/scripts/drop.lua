-- Dead letters that nobody needs any more go.
--
-- KEYS: dead
-- ARGV: id ...
-- returns   how many there were (integer)

return redis.call('XDEL', KEYS[1], unpack(ARGV))
