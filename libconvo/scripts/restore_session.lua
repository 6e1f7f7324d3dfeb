-- A session that the store has, for a Redis that has lost its data: it takes
-- its place among the last sessions of both, newest first, unless it is there
-- with the same times (what older data has made of it is replaced), and neither
-- meets the other again in their window. Only for who is known in this pool:
-- has joined, or is kept from somebody.
--
-- One that goes on here is of older data: it has ended long ago. Who is still
-- in it is told "failed" and pays nothing, as their record has what they paid.
--
-- KEYS: user_a user_b blocked_a blocked_b history_a history_b met_a met_b
--       session sessions probes closing dirty
-- ARGV: sid a b start_s met_until_ms entry room
--   a, b           the users' subs
--   met_until_ms   when the two may be paired again
--   entry          JSON as "history" returns it
-- returns   how many of the lists took it (integer)

--@include time
--@include user
--@include expect
--@include session

local sid, start, entry = ARGV[1], tonumber(ARGV[4]), ARGV[6]
local until_ms = tonumber(ARGV[5])
local now = now_ms()

-- What an entry that "remember" or this script wrote says, without decoding
-- it; nothing is newer than rubbish.
local function start_of(text)
    return tonumber(string.match(text, '"startTime":(%d+)')) or 0
end

local function end_of(text)
    return string.match(text, '"endTime":(%d+)')
end

local function put(key)
    if redis.call('LLEN', key) >= HISTORY_MAX
        and start_of(redis.call('LINDEX', key, HISTORY_MAX - 1)) > start then
        return 0
    end
    local older, other
    for _, text in ipairs(redis.call('LRANGE', key, 0, HISTORY_MAX - 1)) do
        if string.find(text, sid, 1, true) then
            if start_of(text) == start and end_of(text) == end_of(entry) then
                return 0
            end
            other = text
        elseif not older and start_of(text) <= start then
            older = text
        end
    end
    if other then
        redis.call('LREM', key, 1, other)
    end
    if older then
        redis.call('LINSERT', key, 'BEFORE', older, entry)
    else
        redis.call('RPUSH', key, entry)
    end
    redis.call('LTRIM', key, 0, HISTORY_MAX - 1)
    redis.call('EXPIRE', key, HISTORY_TTL_S)
    return 1
end

local function meet(key, peer)
    redis.call('ZADD', key, 'GT', until_ms, peer)
    local last = redis.call('ZRANGE', key, 0, 0, 'REV', 'WITHSCORES')[2]
    redis.call('PEXPIRE', key, tonumber(last) - now)
end

local session = load_session({session = KEYS[9], user_a = KEYS[1],
    user_b = KEYS[2]})

if goes_on(session) then
    expect({zset = {KEYS[10], KEYS[11], KEYS[12], KEYS[13]}})
    for side, key in pairs({a = KEYS[1], b = KEYS[2]}) do
        end_user(key, KEYS[13], side, session, now,
            {sid = sid, reason = 'failed', duration = 0, points = 0})
    end
    redis.call('HSET', KEYS[9], 'state', 'ended', 'ended', now)
    redis.call('PEXPIRE', KEYS[9], ENDED_TTL_MS)
    redis.call('ZREM', KEYS[10], sid)
    redis.call('ZREM', KEYS[11], sid)
    redis.call('ZADD', KEYS[12], now, ARGV[7])
end

local taken = 0

local function restore_side(user, blocked, history, met, peer)
    if not holds(user, 'hash') or not holds(history, 'list')
        or not holds(met, 'zset')
        or redis.call('HEXISTS', user, 'points') == 0
        and redis.call('EXISTS', blocked) == 0 then
        return
    end
    taken = taken + put(history)
    if until_ms > now then
        meet(met, peer)
    end
end

restore_side(KEYS[1], KEYS[3], KEYS[5], KEYS[7], ARGV[3])
restore_side(KEYS[2], KEYS[4], KEYS[6], KEYS[8], ARGV[2])

return taken
