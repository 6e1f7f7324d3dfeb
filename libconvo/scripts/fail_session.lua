-- The room is gone though the session was not over: it ends now, for both. If
-- somebody had gone before, they left then; if its deadline has passed, that
-- was its end; if LiveKit has not answered for a while, it went with that.
--
-- KEYS: session user_a user_b sessions closing ended history_a history_b
--       probes dirty
-- ARGV: sid room at_ms how
--   how   "told": at_ms is when it went, by LiveKit's clock; "found": at_ms is
--         when it was seen to be gone, and LiveKit may have been away before
-- returns   "failed", "left", "time_up", "ended" (also when there is no such
--           session), or "broken" (look will be told so, too)

--@include time
--@include user
--@include expect
--@include session

local keys = {session = KEYS[1], user_a = KEYS[2], user_b = KEYS[3],
    sessions = KEYS[4], closing = KEYS[5], ended = KEYS[6],
    history_a = KEYS[7], history_b = KEYS[8], probes = KEYS[9],
    dirty = KEYS[10]}
local sid, room = ARGV[1], ARGV[2]
local now = now_ms()
local session = load_session(keys)

if session.state == 'broken' then
    redis.call('ZADD', keys.sessions, now, sid)
    return 'broken'
end

if not goes_on(session) then
    return 'ended'
end

local side, gone = first_gone(session)
if session.state == 'live' and side then
    end_session(keys, session, sid, room, now, gone, reasons_when_left(side))
    return 'left'
end

-- no sooner than it began
local went = ARGV[4] == 'found' and session.missed or ARGV[3]
local at = math.max(clamp_time(session, tonumber(went), now),
    tonumber(session.start) or 0)
local reason = session.ends and at == tonumber(session.ends) and 'time_up'
    or 'failed'

end_session(keys, session, sid, room, now, at, {a = reason, b = reason})
return reason
