-- waiting -> idle of a user who has been silent for too long. Nobody is
-- dropped soon after Redis was restarted: the edges need time to come back.
-- The ticket stays where it is, void.
--
-- KEYS: user run dirty
-- ARGV: ticket run_id drop_after_ms grace_ms
--   run_id   of the Redis process as the caller sees it (INFO server)
-- returns   "dropped", "kept", or "void" (no longer waiting with this ticket)

--@include time
--@include user
--@include run
--@include expect

local now = now_ms()
local user = load_user(KEYS[1])

if user.state ~= 'waiting' or user.ticket ~= ARGV[1] then
    return 'void'
end

local silent = now - (tonumber(user.seen) or 0)
if silent < tonumber(ARGV[3])
    or now - running_since(KEYS[2], ARGV[2], now) < tonumber(ARGV[4]) then
    return 'kept'
end

expect({zset = {KEYS[3]}})
change_user(KEYS[1], KEYS[3], user, now, {state = 'idle'}, WAIT_FIELDS)
return 'dropped'
