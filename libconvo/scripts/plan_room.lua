-- Notes rooms that are about to be created, to be deleted unless commit takes
-- them out: a worker that dies in between leaves no room behind.
--
-- KEYS: closing
-- ARGV: delay_ms room ...
-- returns   how many were noted (integer)

--@include time

local due = now_ms() + tonumber(ARGV[1])
for i = 2, #ARGV do
    redis.call('ZADD', KEYS[1], due, ARGV[i])
end

return #ARGV - 1
