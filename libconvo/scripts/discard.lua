-- Takes members out of a sorted set that are none of ours: put there by hand,
-- or so damaged that no script can work on what they name.
--
-- KEYS: set
-- ARGV: member ...
-- returns   how many were removed (integer)

return redis.call('ZREM', KEYS[1], unpack(ARGV))
