-- Counters and moving averages of a pool. A field that holds no number begins
-- anew: what only measures must not stop what it measures.

-- Weight of the newest value in a moving average.
local WEIGHT = 0.1

local function count(stats, name)
    if type(redis.pcall('HINCRBY', stats, name, 1)) ~= 'number' then
        redis.call('HSET', stats, name, 1)
    end
end

local function average(stats, name, value)
    local old = tonumber(redis.call('HGET', stats, name) or nil)
    local new = old and old + WEIGHT * (value - old) or value
    redis.call('HSET', stats, name, math.floor(new))
end
