-- Signs of life of waiting users, many in one call: the edge sends it for the
-- users of its open streams. A user who does not wait is left alone.
--
-- KEYS: user ...
-- ARGV: silent_ms alive ...
--   silent_ms   a claim passes over users silent for this long
--   alive       for each user "1" (a stream is open) or "0" (the last closed)
-- returns   how many of them wait (integer)
--
-- Changes no version: being alive is not a change of state.

--@include time

local silent_ms = tonumber(ARGV[1])
local now = now_ms()
local waiting = 0

for i, user in ipairs(KEYS) do
    -- One key that holds no user must not stop the others.
    if redis.pcall('HGET', user, 'state') == 'waiting' then
        waiting = waiting + 1
        if ARGV[i + 1] == '1' then
            redis.call('HSET', user, 'seen', now)
        else
            redis.call('HSET', user, 'seen', now - silent_ms - 1)
        end
    end
end

return waiting
