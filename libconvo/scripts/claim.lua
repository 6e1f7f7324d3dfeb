-- Moves tickets from the head of the queue to a claim with a lease: a fresh
-- one, or one that the caller holds, whose lease then begins again. The users
-- stay "waiting" in every eye.
--
-- An even number is taken, at least two, or none. A worker whose last batch
-- had a ticket that could not be paired (silent, blocked) asks for an odd
-- number too: else a pair right behind such a ticket would wait for it.
--
-- KEYS: queue claims claim ready schema
-- ARGV: claim_id max odd lease_ms
--   odd   "1" when an odd number may be taken
-- returns   the tickets in their order, or an empty list

--@include time
--@include pool

if not pool_is_open(KEYS[4], KEYS[5]) then
    return {}
end

local count = math.min(tonumber(ARGV[2]), redis.call('LLEN', KEYS[1]))
if ARGV[3] ~= '1' then
    count = count - count % 2
end
if count < 2 then
    return {}
end

-- What may fail comes first: a script that fails takes nothing back.
local held = redis.call('ZCARD', KEYS[3])
redis.call('ZADD', KEYS[2], now_ms() + tonumber(ARGV[4]), ARGV[1])

local tickets = redis.call('LPOP', KEYS[1], count)
for i, ticket in ipairs(tickets) do
    redis.call('ZADD', KEYS[3], held + i, ticket)
end

return tickets
