-- Whether a user's e-mail address is verified, as their last ID token has said.
--
-- KEYS: verified
-- ARGV:
-- returns   1 or 0 (integer)

local last = redis.call('GET', KEYS[1])
return last and string.match(last, '^%d+:1$') and 1 or 0
