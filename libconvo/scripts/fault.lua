-- Counts a fault of a ticket itself (never one of an upstream). The ticket
-- goes back to the front; at the last try it becomes a dead letter and its
-- user idle, told "failed". A ticket that is none at all is dead at once.
--
-- KEYS: user queue claims claim dead stats
-- ARGV: claim_id ticket reason max_tries
--   KEYS[1] is {pool}:none when the ticket names no user
-- returns   "retry", "dead", "void" (the user does not wait with it), or
--           "lost" (it is not in this claim)

--@include time
--@include user
--@include claim

-- Dead letters kept; the oldest go first.
local DEAD_MAX = 10000

local ticket = ARGV[2]
local now = now_ms()

if not take_from_claim(KEYS[3], KEYS[4], ARGV[1], ticket) then
    return 'lost'
end

local function bury()
    redis.call('LPUSH', KEYS[5], cjson.encode({
        ticket = ticket, reason = ARGV[3], at = math.floor(now / 1000),
    }))
    redis.call('LTRIM', KEYS[5], 0, DEAD_MAX - 1)
    redis.call('HINCRBY', KEYS[6], 'dead', 1)
    return 'dead'
end

if not string.match(ticket, '^%d+%.%d+:.') then
    return bury()
end

local user = load_user(KEYS[1])
if user.state ~= 'waiting' or user.ticket ~= ticket then
    return 'void'
end

local tries = (tonumber(user.tries) or 0) + 1
if tries >= tonumber(ARGV[4]) then
    fail_user(KEYS[1], user, now)
    return bury()
end

redis.call('HSET', KEYS[1], 'tries', tries)
redis.call('LPUSH', KEYS[2], ticket)
return 'retry'
