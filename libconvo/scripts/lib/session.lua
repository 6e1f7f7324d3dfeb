-- A session: reading it, its next due time, and its one ending.
-- Needs: time, user, expect.

-- An ended session is remembered so long: reports are taken for 24 h, and a
-- late event must find that it has ended.
local ENDED_TTL_MS = 25 * 3600 * 1000

-- What a user sees of the past, and for how long history is kept.
local HISTORY_MAX = 50
local HISTORY_TTL_S = 90 * 86400

-- What a session that goes on cannot do without, and what it may have; all of
-- them integers.
local NEEDED = {'committed', 'reserved', 'max_ms', 'no_show_ms', 'absence_ms',
    'window_ms', 'order_a', 'order_b', 'since_a', 'since_b'}
local NEEDED_LIVE = {'start', 'ends'}
local TIMES = {'here_a', 'here_b', 'gone_a', 'gone_b', 'joined_a', 'joined_b',
    'missed'}

local function is_integer(text)
    return text ~= nil and #text <= 15 and string.match(text, '^%d+$') ~= nil
end

local function is_sound(session)
    local sound = session.state == 'ended' or session.state == 'matched'
        or session.state == 'live'
    if session.state == 'ended' then
        return true
    end
    for _, name in ipairs(NEEDED) do
        sound = sound and is_integer(session[name])
    end
    for _, name in ipairs(session.state == 'live' and NEEDED_LIVE or {}) do
        sound = sound and is_integer(session[name])
    end
    for _, name in ipairs(TIMES) do
        sound = sound
            and (session[name] == nil or is_integer(session[name]))
    end
    return sound and session.a ~= nil and session.b ~= nil
end

local function holds(key, kind)
    local found = redis.call('TYPE', key).ok
    return found == kind or found == 'none'
end

-- The session as a table: empty when there is none; with the state "broken"
-- when the session or one of its users is so damaged that no script can go on
-- with it. keys: session user_a user_b
local function load_session(keys)
    if not holds(keys.session, 'hash') or not holds(keys.user_a, 'hash')
        or not holds(keys.user_b, 'hash') then
        return {state = 'broken'}
    end
    local flat = redis.call('HGETALL', keys.session)
    local session = {}
    for i = 1, #flat, 2 do
        session[flat[i]] = flat[i + 1]
    end
    if #flat > 0 and not is_sound(session) then
        session.state = 'broken'
    end
    return session
end

local function goes_on(session)
    return session.state == 'matched' or session.state == 'live'
end

-- LiveKit's times are believed between the commit and the deadline, and never
-- ahead of now.
local function clamp_time(session, at, now)
    local first = tonumber(session.committed)
    local last = math.min(now, tonumber(session.ends) or now)
    return math.max(first, math.min(at, last))
end

-- When this session next needs a look, in ms.
local function next_look(session)
    if session.state == 'matched' then
        return tonumber(session.committed) + tonumber(session.no_show_ms)
    end
    local due = tonumber(session.ends)
    for _, gone in ipairs({session.gone_a or false, session.gone_b or false}) do
        if gone then
            due = math.min(due, tonumber(gone) + tonumber(session.absence_ms))
        end
    end
    return due
end

-- Gives the reservation of one side back to the window it came from, less
-- what was spent; a window in which nothing was spent closes again.
local function settle_points(user, window, spent, set, unset)
    unset[#unset + 1] = 'reserved'
    if not user.window_end or user.window_end ~= window then
        return
    end
    local total = (tonumber(user.spent) or 0) + spent
    if total > 0 then
        set.spent = total
    else
        unset[#unset + 1] = 'spent'
        unset[#unset + 1] = 'window_end'
    end
end

local SESSION_FIELDS = {'sid', 'side', 'peer', 'committed', 'start', 'ends'}

local function end_user(key, dirty, side, session, now, last)
    local user = load_user(key)
    if user.sid ~= last.sid then
        return
    end
    local set = {
        state = 'idle', last_sid = last.sid, last_reason = last.reason,
        last_duration = last.duration, last_points = last.points,
    }
    local unset = {unpack(SESSION_FIELDS)}
    for _, name in ipairs(WAIT_FIELDS) do
        unset[#unset + 1] = name
    end
    if session.start then
        set.last_session_s = math.floor(tonumber(session.start) / 1000)
    end
    settle_points(user, session['window_' .. side], last.points, set, unset)
    change_user(key, dirty, user, now, set, unset)
end

-- The side that came goes back to the head of the list, as if it had never
-- been called: same order, same waiting_since.
local function requeue_user(keys, side, session, sid, now)
    local key, sub = keys['user_' .. side], session[side]
    local user = load_user(key)
    if user.sid ~= sid then
        return
    end
    local order = session['order_' .. side]
    local ticket = string.format('%d.%d:%s', tonumber(order),
        next_version(user, now), sub)
    local set = {
        state = 'waiting', ticket = ticket, order = order,
        waiting_since = session['since_' .. side], seen = now, tries = 0,
    }
    local unset = {unpack(SESSION_FIELDS)}
    settle_points(user, session['window_' .. side], 0, set, unset)
    redis.call('LPUSH', keys.queue, ticket)
    change_user(key, keys.dirty, user, now, set, unset)
end

-- The store keeps the session also when the user's list is damaged.
local function remember(key, entry)
    if not holds(key, 'list') then
        return
    end
    redis.call('LPUSH', key, cjson.encode(entry))
    redis.call('LTRIM', key, 0, HISTORY_MAX - 1)
    redis.call('EXPIRE', key, HISTORY_TTL_S)
end

local function write_history(keys, session, sid, times, points, reasons)
    redis.call('XADD', keys.ended, '*',
        'sessionId', sid, 'userA', session.a, 'userB', session.b,
        'startTime', times.first, 'endTime', times.last,
        'duration', times.duration,
        'expiresAt', times.last + HISTORY_TTL_S)
    for _, side in ipairs({'a', 'b'}) do
        remember(keys['history_' .. side], {
            sessionId = sid, startTime = times.first, endTime = times.last,
            duration = times.duration, pointsSpent = points,
            reason = reasons[side],
        })
    end
end

-- The one ending. at is when it ended (ms); reasons.a and reasons.b are what
-- each side is told, or "requeue" for the side of a no-show that came.
--
-- keys: session user_a user_b sessions closing ended history_a history_b
-- probes dirty, and queue when a side is requeued.
local function end_session(keys, session, sid, room, now, at, reasons)
    local points = 0
    local times = {duration = 0}

    expect({hash = {keys.session, keys.user_a, keys.user_b},
        zset = {keys.sessions, keys.closing, keys.probes, keys.dirty},
        stream = {keys.ended}, list = {keys.queue}})

    if session.start then
        times.first = math.floor(tonumber(session.start) / 1000)
        times.last = math.max(times.first, math.floor(at / 1000))
        times.duration = times.last - times.first
        points = math.min(tonumber(session.reserved),
            math.ceil(times.duration / 60))
    end

    for _, side in ipairs({'a', 'b'}) do
        local key = keys['user_' .. side]
        if reasons[side] == 'requeue' then
            requeue_user(keys, side, session, sid, now)
        else
            end_user(key, keys.dirty, side, session, now, {sid = sid,
                reason = reasons[side], duration = times.duration,
                points = points})
        end
    end

    redis.call('HSET', keys.session, 'state', 'ended', 'ended', at)
    redis.call('PEXPIRE', keys.session, ENDED_TTL_MS)
    redis.call('ZREM', keys.sessions, sid)
    redis.call('ZREM', keys.probes, sid)
    redis.call('ZADD', keys.closing, now, room)

    if session.start then
        write_history(keys, session, sid, times, points, reasons)
    end
end

-- Who is told what when one side went: that side left, the other was left.
local function reasons_when_left(side)
    if side == 'a' then
        return {a = 'left', b = 'peer_left'}
    end
    return {a = 'peer_left', b = 'left'}
end

-- The side that has been absent the longest, and since when; or nil.
local function first_gone(session)
    local a, b = tonumber(session.gone_a), tonumber(session.gone_b)
    if a and (not b or a <= b) then
        return 'a', a
    end
    if b then
        return 'b', b
    end
    return nil
end

-- The users who are still in a session that cannot end as it should are idle,
-- told "failed", and pay nothing. Returns how many.
local function free_users(keys, sid, now)
    local freed = 0
    for _, key in ipairs({keys.user_a, keys.user_b}) do
        local user = holds(key, 'hash') and load_user(key) or {}
        if user.sid == sid then
            end_user(key, keys.dirty, 'a', {window_a = user.window_end}, now,
                {sid = sid, reason = 'failed', duration = 0, points = 0})
            freed = freed + 1
        end
    end
    return freed
end

-- The user of that side leaves: the session ends for both. Whoever has been
-- absent has left before; the deadline may have passed. A session that is lost
-- or damaged lets go of its users, and is left to "look".
local function leave_session(keys, user, sid, room, now)
    local session = load_session(keys)
    local at, side = now, user.side

    if not goes_on(session) then
        expect({zset = {keys.sessions, keys.dirty}})
        free_users(keys, sid, now)
        if session.state == 'broken' then
            redis.call('ZADD', keys.sessions, now, sid)
        end
        return
    end

    local gone_side, gone_at = first_gone(session)
    if session.start then
        at = clamp_time(session, now, now)
        if gone_side
            and gone_at + tonumber(session.absence_ms) <= at then
            side, at = gone_side, gone_at
        end
    end

    local reasons = reasons_when_left(side)
    if session.ends and at == tonumber(session.ends) then
        reasons = {a = 'time_up', b = 'time_up'}
    end

    end_session(keys, session, sid, room, now, at, reasons)
end
