-- One of a session reports the other, once: the two are never paired again,
-- and the report goes to the store. Taken while the session lasts and until 24
-- hours after its end.
--
-- The caller must name the keys of both users, and does not know the other: it
-- calls with {pool}:none for both keys and with "" for a and b, is answered
-- "again" with the two, and calls with them.
--
-- KEYS: session blocked_a blocked_b reports revoked
-- ARGV: sub sid reason a b sign_in issued_s
--   sub    who reports;  a, b   the users that KEYS name, or ""
--   sign_in, issued_s   of the reporter's token: see lib/revoked.lua
-- returns   list: "ok"; "repeated" (they have reported it before: nothing was
--           changed); "again", a, b; "revoked" (the reporter's sign-in has been
--           ended); "not_found" (no such session, or it is not theirs, or it
--           has ended for too long)

--@include time
--@include expect
--@include revoked

-- A report is taken for so long after the end, and kept by the store.
local TAKEN_MS = 24 * 3600 * 1000
local KEPT_S = 90 * 86400

local sub, a, b = ARGV[1], ARGV[4], ARGV[5]
local now = now_ms()

if is_revoked(KEYS[5], sub, ARGV[6], ARGV[7]) then
    return {'revoked'}
end

expect({hash = {KEYS[1]}, set = {KEYS[2], KEYS[3]}, stream = {KEYS[4]}})

local fields = redis.call('HMGET', KEYS[1], 'state', 'a', 'b', 'ended',
    'reported_a', 'reported_b')
local session = {state = fields[1], a = fields[2], b = fields[3],
    ended = tonumber(fields[4] or nil),
    reported_a = fields[5], reported_b = fields[6]}
local side = sub == session.a and 'a' or sub == session.b and 'b'

if not session.state or not side or not session.a or not session.b
    or session.ended and now >= session.ended + TAKEN_MS then
    return {'not_found'}
end

if session['reported_' .. side] then
    return {'repeated'}
end

if a ~= session.a or b ~= session.b then
    return {'again', session.a, session.b}
end

local at = math.floor(now / 1000)
redis.call('SADD', KEYS[2], b)
redis.call('SADD', KEYS[3], a)
redis.call('HSET', KEYS[1], 'reported_' .. side, now)
redis.call('XADD', KEYS[4], '*', 'sessionId', ARGV[2], 'reporter', sub,
    'reported', side == 'a' and b or a, 'reason', ARGV[3], 'at', at,
    'expiresAt', at + KEPT_S)

return {'ok'}
