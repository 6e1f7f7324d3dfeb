-- Taking a ticket out of its claim; a claim without tickets is over.

local function take_from_claim(claims, claim, id, ticket)
    if redis.call('ZREM', claim, ticket) == 0 then
        return false
    end
    if redis.call('EXISTS', claim) == 0 then
        redis.call('ZREM', claims, id)
    end
    return true
end
