-- Forgets the workers of a stream's group that have long been silent and hold
-- no entry: each start of a worker is a new consumer.
--
-- KEYS: stream
-- ARGV: group idle_ms
-- returns   how many were forgotten (integer)

local forgotten = 0
local consumers = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])

-- An error says that there is no stream or no group yet.
if consumers.err then
    return 0
end

for _, flat in ipairs(consumers) do
    local consumer = {}
    for i = 1, #flat, 2 do
        consumer[flat[i]] = flat[i + 1]
    end
    if consumer.pending == 0 and consumer.idle > tonumber(ARGV[2]) then
        redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
        forgotten = forgotten + 1
    end
end

return forgotten
