-- Takes tickets out of a claim: back to the front of the queue in their order,
-- or away, when they are void.
--
-- KEYS: queue claims claim
-- ARGV: claim_id mode ticket ...
--   mode   "back" or "forget" the named tickets; "expired": all of them go
--          back, if the lease is over
-- returns   how many were taken out (integer)

--@include time
--@include claim
--@include expect

expect({list = {KEYS[1]}, zset = {KEYS[2], KEYS[3]}})

local id, mode = ARGV[1], ARGV[2]
local tickets = {}

if mode == 'expired' then
    local lease = tonumber(redis.call('ZSCORE', KEYS[2], id) or nil)
    if not lease or lease > now_ms() then
        return 0
    end
    tickets = redis.call('ZRANGE', KEYS[3], 0, -1)
    redis.call('ZREM', KEYS[2], id)
else
    for i = 3, #ARGV do
        tickets[#tickets + 1] = ARGV[i]
    end
end

local taken = 0
for i = #tickets, 1, -1 do
    if take_from_claim(KEYS[2], KEYS[3], id, tickets[i]) then
        taken = taken + 1
        if mode ~= 'forget' then
            redis.call('LPUSH', KEYS[1], tickets[i])
        end
    end
end

return taken
