-- Signs of life of waiting users, many in one call: the edge sends it for the
-- users of its open streams. A user who does not wait is left alone.
--
-- KEYS: user ...
-- ARGV: alive ...
--   alive   for each user "1" (a stream is open) or "0" (the last one closed)
-- returns   how many of them wait (integer)
--
-- Changes no version: being alive is not a change of state.

--@include time

-- A claim passes over users silent for this long (conf/worker.conf).
local SILENT_MS = 15000

local now = now_ms()
local waiting = 0

for i, user in ipairs(KEYS) do
    if redis.call('HGET', user, 'state') == 'waiting' then
        waiting = waiting + 1
        if ARGV[i] == '1' then
            redis.call('HSET', user, 'seen', now)
        else
            redis.call('HSET', user, 'seen', now - SILENT_MS - 1)
        end
    end
end

return waiting
