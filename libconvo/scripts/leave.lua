-- waiting -> idle, or matched, live -> idle for both sides and settled. The
-- ticket stays in the list, void. Of an idle user the version rises: Redis may
-- have lost that they wait, and an edge which has told them so puts back whom
-- it knows by a version above Redis's (recall), but not who has left since.
-- Whom Redis has as idle while the pool is closed may be anything in the store,
-- and a version above the store's would hide that: they are to ask again.
--
-- The caller of a user in a session must name its keys, and does not know them
-- at first: it calls with the key {pool}:none in their place, is answered
-- "again" with the view, and calls with the keys of that session.
--
-- KEYS: user queue stats session user_a user_b sessions closing ended
--       history_a history_b probes dirty ready schema revoked
-- ARGV: points sid room sign_in issued_s
--   sid, room           of the session that KEYS name, or ""
--   sign_in, issued_s   of the caller's token: see lib/revoked.lua
-- returns   view with status "ok" or "again"; "revoked" alone when the sign-in
--           has been ended; "restoring" alone for an idle user of a pool that
--           is not ready: nothing was changed

--@include time
--@include user
--@include view
--@include pool
--@include expect
--@include revoked
--@include session

local keys = {user = KEYS[1], queue = KEYS[2], stats = KEYS[3],
    session = KEYS[4], user_a = KEYS[5], user_b = KEYS[6],
    sessions = KEYS[7], closing = KEYS[8], ended = KEYS[9],
    history_a = KEYS[10], history_b = KEYS[11], probes = KEYS[12],
    dirty = KEYS[13]}
local points, sid, room = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local now = now_ms()

if is_revoked(KEYS[16], sub_of(keys.user), ARGV[4], ARGV[5]) then
    return {'revoked'}
end

local user = load_user(keys.user)

if user.state == 'waiting' then
    expect({zset = {keys.dirty}, hash = {keys.stats}})
    change_user(keys.user, keys.dirty, user, now, {state = 'idle'}, WAIT_FIELDS)
    return view('ok', keys, now, points)
end

if user.state == 'idle' then
    if not pool_is_open(KEYS[14], KEYS[15]) then
        return {'restoring'}
    end
    expect({zset = {keys.dirty}, hash = {keys.stats}})
    change_user(keys.user, keys.dirty, user, now, {}, {})
    return view('ok', keys, now, points)
end

if user.sid ~= sid then
    return view('again', keys, now, points)
end

leave_session(keys, user, sid, room, now)
return view('ok', keys, now, points)
