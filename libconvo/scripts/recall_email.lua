-- Whether a user's e-mail address is verified, as their ID token has said.
--
-- KEYS: verified
-- ARGV:
-- returns   1 or 0 (integer)

return redis.call('EXISTS', KEYS[1])
