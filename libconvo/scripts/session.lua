-- The user's document as it is. Reading it is a sign of life of a waiting
-- user; it changes no version.
--
-- KEYS: user queue stats
-- ARGV: points
-- returns   view with status "ok"

--@include time
--@include user
--@include view

local now = now_ms()

if redis.call('HGET', KEYS[1], 'state') == 'waiting' then
    redis.call('HSET', KEYS[1], 'seen', now)
end

return view('ok', {user = KEYS[1], queue = KEYS[2], stats = KEYS[3]}, now,
    tonumber(ARGV[1]))
