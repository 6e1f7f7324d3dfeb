-- Counts a fault of a ticket itself (never one of an upstream). The ticket
-- goes back to the front; at the last try it becomes a dead letter and its
-- user idle, told "failed". A ticket that is none at all, or whose user's key
-- holds no user, is dead at once.
--
-- KEYS: user queue claims claim dead stats dirty
-- ARGV: claim_id ticket reason max_tries
--   KEYS[1] is {pool}:none when the ticket names no user
-- returns   "retry", "dead", "void" (the user does not wait with it), or
--           "lost" (it is not in this claim)

--@include time
--@include user
--@include claim
--@include expect
--@include stats
--@include base64
--@include dead_kinds
--@include dead

local ticket = ARGV[2]
local now = now_ms()

expect({list = {KEYS[2]}, zset = {KEYS[3], KEYS[4], KEYS[7]},
    stream = {KEYS[5]}, hash = {KEYS[6]}})

if not take_from_claim(KEYS[3], KEYS[4], ARGV[1], ticket) then
    return 'lost'
end

local function bury()
    bury_letter(KEYS[5], KEYS[6], now, 'queue', ticket, ARGV[3])
    return 'dead'
end

local held = redis.call('TYPE', KEYS[1]).ok
if not string.match(ticket, '^%d+%.%d+:.')
    or held ~= 'hash' and held ~= 'none' then
    return bury()
end

local user = load_user(KEYS[1])
if user.state ~= 'waiting' or user.ticket ~= ticket then
    return 'void'
end

local tries = (tonumber(user.tries) or 0) + 1
if tries >= tonumber(ARGV[4]) then
    fail_user(KEYS[1], KEYS[7], user, now)
    return bury()
end

redis.call('HSET', KEYS[1], 'tries', tries)
redis.call('LPUSH', KEYS[2], ticket)
return 'retry'
