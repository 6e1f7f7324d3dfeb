-- A participant came to the room or went, as LiveKit tells it: perhaps twice,
-- late, or in the wrong order. matched -> live when both are there; an absence
-- begins or ends. Ending a session is the job of look.
--
-- "left" counts only for the participant who is there now, by its sid. One who
-- left before the word of their coming arrived was there from then till then.
-- Of two who joined at the same time nobody can tell who came last: the side is
-- there until both have left.
--
-- KEYS: session user_a user_b sessions met_a met_b dirty
-- ARGV: sid side what psid at_ms
--   side   "a" or "b";  what   "joined" or "left"
--   psid   LiveKit's participant sid;  at_ms   LiveKit's time
-- returns   "live" (it became live), "noted", "ignored", "ended" (also when
--           there is no such session), or "broken" (look will be told so, too)

--@include time
--@include user
--@include expect
--@include session

-- Departures remembered for one session: a client that reconnects forever
-- must not fill Redis.
local LEFT_MAX = 32

local sid, side, what, psid = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local other = side == 'a' and 'b' or 'a'
local now = now_ms()
local session = load_session({session = KEYS[1], user_a = KEYS[2],
    user_b = KEYS[3]})

if session.state == 'broken' then
    redis.call('ZADD', KEYS[4], now, sid)
    return 'broken'
end

if not goes_on(session) then
    return 'ended'
end

expect({zset = {KEYS[4], KEYS[7]}})

local at = clamp_time(session, tonumber(ARGV[5]), now)
local here, gone = 'here_' .. side, 'gone_' .. side
local joined, current = 'joined_' .. side, 'psid_' .. side
local also = 'also_' .. side

local function set(name, value)
    session[name] = value
    redis.call('HSET', KEYS[1], name, value)
end

local function unset(name)
    session[name] = nil
    redis.call('HDEL', KEYS[1], name)
end

-- A user who is not in it, as their data was lost, is not drawn into it.
local function tell(key)
    local user = load_user(key)
    if user.sid ~= sid then
        return
    end
    change_user(key, KEYS[7], user, now, {
        state = 'live', start = session.start, ends = session.ends,
    }, {})
end

-- Whom the window has passed over is forgotten.
local function meet(key, peer)
    if not holds(key, 'zset') then
        return
    end
    redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
    redis.call('ZADD', key, now + tonumber(session.window_ms), peer)
    redis.call('PEXPIRE', key, session.window_ms)
end

local function go_live(start)
    set('state', 'live')
    set('start', start)
    set('ends', start + math.min(60000 * tonumber(session.reserved),
        tonumber(session.max_ms)))
    tell(KEYS[2])
    tell(KEYS[3])
    meet(KEYS[5], session.b)
    meet(KEYS[6], session.a)
end

-- Both there from some time on: that is the start.
local function try_live(from, till)
    local there = tonumber(session['here_' .. other])
    if session.state ~= 'matched' or not there then
        return false
    end
    local start = math.max(from, there)
    if till and start > till then
        return false
    end
    go_live(start)
    return true
end

local function came()
    if session[here] and at == tonumber(session[joined]) then
        set(also, session[current])
    else
        unset(also)
    end
    set(current, psid)
    set(joined, at)
    if not session[here] then
        set(here, at)
        unset(gone)
    end
    return try_live(at, nil) and 'live' or 'noted'
end

local function went(left_at)
    set(gone, math.max(left_at, tonumber(session[gone]) or 0))
    unset(here)
end

-- The word of the coming arrives after that of the going.
local function was_here(left_at)
    if session[here] or left_at < at then
        return 'ignored'
    end
    set(current, psid)
    local live = try_live(at, left_at)
    went(left_at)
    return live and 'live' or 'noted'
end

local function remember_left()
    local kept = 0
    for name in pairs(session) do
        if string.sub(name, 1, 5) == 'left:' then
            kept = kept + 1
        end
    end
    if kept < LEFT_MAX then
        set('left:' .. psid, at)
    end
end

local function on_joined()
    local left_at = tonumber(session['left:' .. psid])
    if session[current] == psid or session[also] == psid then
        return 'ignored'
    end
    if left_at then
        return was_here(left_at)
    end
    if session[here] and at < (tonumber(session[joined]) or 0) then
        return 'ignored'
    end
    return came()
end

local function on_left()
    if session['left:' .. psid] then
        return 'ignored'
    end
    remember_left()
    if session[also] == psid then
        unset(also)
        return 'noted'
    end
    if session[current] ~= psid or not session[here] then
        return 'noted'
    end
    if session[also] then
        set(current, session[also])
        unset(also)
        return 'noted'
    end
    went(at)
    return 'noted'
end

local outcome = what == 'joined' and on_joined() or on_left()
if outcome ~= 'ignored' then
    redis.call('ZADD', KEYS[4], next_look(session), sid)
end
return outcome
