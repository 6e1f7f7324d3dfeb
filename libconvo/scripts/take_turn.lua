-- Which of many workers does a thing that is to be done once in a while: the
-- first that asks, and then nobody until the interval is over.
--
-- KEYS: turn
-- ARGV: name interval_ms
--   name   of the worker, for whoever looks
-- returns   1, or 0 when it is not the caller's turn (integer)

local taken = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2])
return taken and 1 or 0
