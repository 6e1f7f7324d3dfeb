-- A user's ID token has said whether their e-mail address is verified, for the
-- places that use access tokens, which do not say it. An older token than the
-- last one says nothing any more.
--
-- KEYS: verified
-- ARGV: is_verified issued_s kept_ms
--   is_verified   "1" or "0"
--   issued_s      when the token was issued
--   kept_ms       for how long it counts
-- returns   1, or 0 when a newer token has spoken (integer)

local last = redis.call('GET', KEYS[1])
local last_s = last and tonumber(string.match(last, '^(%d+):'))

if last_s and last_s > tonumber(ARGV[2]) then
    return 0
end

redis.call('SET', KEYS[1], ARGV[2] .. ':' .. ARGV[1], 'PX', ARGV[3])
return 1
