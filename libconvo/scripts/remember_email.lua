-- A user's ID token has said whether their e-mail address is verified, for the
-- places that use access tokens, which do not say it.
--
-- KEYS: verified
-- ARGV: kept_ms
--   kept_ms   for how long it counts; 0: it is not verified
-- returns   1, or 0 when nothing was there to forget (integer)

if tonumber(ARGV[1]) == 0 then
    return redis.call('DEL', KEYS[1])
end

redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 1
