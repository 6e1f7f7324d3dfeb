-- Bans a user until a time, or lifts the ban. A banned user waits no longer
-- and is in no session: waiting -> idle, told "failed"; matched, live -> idle
-- for both sides, as if the banned one had left. join refuses them until then.
-- Repeated, it changes nothing.
--
-- As with leave, the caller must name the keys of the user's session, and does
-- not know them at first: it calls with {pool}:none in their place, is answered
-- "again" with the session, and calls with the keys of that.
--
-- KEYS: user ready schema session user_a user_b sessions closing ended
--       history_a history_b probes dirty
-- ARGV: until_ms sid room
--   until_ms    "0" lifts the ban; at most 15 digits
--   sid, room   of the session that KEYS name, or ""
-- returns   list: "ok"; "again", sid, side, peer; "restoring" (the pool is not
--           served, and the user not known yet: nothing was changed)

--@include time
--@include pool
--@include user
--@include expect
--@include session

local keys = {user = KEYS[1], session = KEYS[4], user_a = KEYS[5],
    user_b = KEYS[6], sessions = KEYS[7], closing = KEYS[8], ended = KEYS[9],
    history_a = KEYS[10], history_b = KEYS[11], probes = KEYS[12],
    dirty = KEYS[13]}
local till, sid, room = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local now = now_ms()

expect({hash = {keys.user}, zset = {keys.dirty}})

local user = load_user(keys.user)

if not schema_is_known(KEYS[3])
    or redis.call('EXISTS', KEYS[2]) == 0 and not user.version then
    return {'restoring'}
end

if till == 0 then
    if user.banned_until then
        user.banned_until = nil
        change_user(keys.user, keys.dirty, user, now, {}, {'banned_until'})
    end
    return {'ok'}
end

if user.state == 'matched' or user.state == 'live' then
    if user.sid ~= sid then
        return {'again', user.sid, user.side, user.peer}
    end
    leave_session(keys, user, sid, room, now)
    user = load_user(keys.user)
end

if user.state == 'waiting' then
    fail_user(keys.user, keys.dirty, user, now)
    user = load_user(keys.user)
end

if tonumber(user.banned_until) ~= till then
    change_user(keys.user, keys.dirty, user, now, {banned_until = till}, {})
end

return {'ok'}
