-- What time demands of a session: the no-show after its commit, the end of an
-- absence, the deadline. Anyone may look at any time; nothing happens early.
--
-- KEYS: session user_a user_b sessions closing ended history_a history_b
--       probes queue dirty
-- ARGV: sid room
-- returns   "early", "no_show", "left", "time_up", "ended" (also when there is
--           no such session), or "broken" (it cannot end by itself: see
--           bury_session)

--@include time
--@include user
--@include expect
--@include session

local keys = {session = KEYS[1], user_a = KEYS[2], user_b = KEYS[3],
    sessions = KEYS[4], closing = KEYS[5], ended = KEYS[6],
    history_a = KEYS[7], history_b = KEYS[8], probes = KEYS[9],
    queue = KEYS[10], dirty = KEYS[11]}
local sid, room = ARGV[1], ARGV[2]
local now = now_ms()
local session = load_session(keys)

if session.state == 'broken' then
    return 'broken'
end

if not goes_on(session) then
    redis.call('ZREM', keys.sessions, sid)
    redis.call('ZREM', keys.probes, sid)
    return 'ended'
end

-- There now, or away for less than the grace.
local function is_present(side)
    local gone = tonumber(session['gone_' .. side])
    return session['here_' .. side] ~= nil
        or (gone ~= nil and gone + tonumber(session.absence_ms) > now)
end

local function early(due)
    redis.call('ZADD', keys.sessions, due, sid)
    return 'early'
end

local function look_matched()
    local due = next_look(session)
    if now < due then
        return early(due)
    end
    local a, b = is_present('a'), is_present('b')
    if a and b then
        -- Each was there without the other; wait for the absence to end.
        return early(now + tonumber(session.absence_ms))
    end
    end_session(keys, session, sid, room, now, now, {
        a = a and 'requeue' or 'no_show', b = b and 'requeue' or 'no_show',
    })
    return 'no_show'
end

local function look_live()
    local due = next_look(session)
    if now < due then
        return early(due)
    end
    local ends = tonumber(session.ends)
    local side, gone = first_gone(session)
    if side and gone + tonumber(session.absence_ms) <= ends then
        end_session(keys, session, sid, room, now, gone,
            reasons_when_left(side))
        return 'left'
    end
    end_session(keys, session, sid, room, now, ends,
        {a = 'time_up', b = 'time_up'})
    return 'time_up'
end

if session.state == 'matched' then
    return look_matched()
end
return look_live()
