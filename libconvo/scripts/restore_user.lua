-- What the store knows of a user, for a Redis that has lost its data, or is
-- back with older data.
--
-- A record that is newer than what Redis has takes its place, and the user is
-- idle. Who was not, as the store has it, is told "failed", by a version above
-- the store's, which is to learn it; that one is kept as "lost", so that an
-- edge which told them "waiting" still puts them back (recall). Who waits here
-- and there, or is in a session here and there, is left in it.
--
-- Of who has changed since this process of Redis was started the store's record
-- may tell what Redis has lost: in doubt a ban holds, and points stay spent.
--
-- KEYS: user blocked dirty run
-- ARGV: version state points spent window_end_s last_session_s banned_until_s
--       blocked_sub ...
--   "0" for what the user does not have
-- returns   1, or 0 when Redis knows better: nothing but blocks was changed
--           (integer); or list: sub, until_ms, of one who is in a session and
--           to be banned (script "ban")

--@include time
--@include user
--@include expect

-- A new process of Redis is seen so much later at most.
local START_MS = 10000

local now = now_ms()
local version, points = tonumber(ARGV[1]), tonumber(ARGV[3])
local spent, window_end = tonumber(ARGV[4]), tonumber(ARGV[5]) * 1000
local banned_until = tonumber(ARGV[7]) * 1000

expect({hash = {KEYS[1], KEYS[4]}, set = {KEYS[2]}, zset = {KEYS[3]}})

for i = 8, #ARGV do
    redis.call('SADD', KEYS[2], ARGV[i])
end

local user = load_user(KEYS[1])
local known = tonumber(user.version) or 0
local since = tonumber(redis.call('HGET', KEYS[4], 'since') or nil)

-- Where a user is; what the store has as matched may be live here.
local function place(state)
    return state == 'live' and 'matched' or state
end

local function replace()
    local fields = {'state', 'idle'}

    local function add(name, value, is_there)
        if is_there then
            fields[#fields + 1] = name
            fields[#fields + 1] = value
        end
    end

    add('points', points, points > 0)
    add('spent', spent, window_end > now)
    add('window_end', window_end, window_end > now)
    add('last_session_s', ARGV[6], ARGV[6] ~= '0')
    add('banned_until', banned_until, banned_until > now)

    if ARGV[2] ~= 'idle' then
        add('lost', version, true)
        add('last_sid', '', true)
        add('last_reason', 'failed', true)
        add('last_duration', 0, true)
        add('last_points', 0, true)
        version = version + 1
        redis.call('ZADD', KEYS[3], now, sub_of(KEYS[1]))
    end
    add('version', version, true)

    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], unpack(fields))
    redis.call('PEXPIRE', KEYS[1], user_ttl(banned_until, now))
    redis.call('PUBLISH', KEYS[1], version)
end

-- What only grows within a window: the more stands, as far as there is room
-- beside what is reserved. The store has seconds, rounded up: a window that is
-- over here is not open again by its last part of a second.
local function merge_window(set)
    local own = math.ceil((tonumber(user.window_end) or 0) / 1000) * 1000
    if window_end <= now
        or window_end <= own and not window_is_open(user, now) then
        return
    end
    if not window_is_open(user, now) then
        set.window_end = window_end
        user.spent = 0
    end
    local room = (tonumber(user.points) or points)
        - (tonumber(user.reserved) or 0)
    local most = math.min(spent, room)
    if most > (tonumber(user.spent) or 0) then
        set.spent = most
    elseif set.window_end then
        set.window_end = nil
    end
end

local is_newer = known < version
local in_doubt = since and version < known and version < since
    and known >= since - START_MS
local is_there = user.state ~= 'idle' and place(user.state) == place(ARGV[2])
local is_in_session = place(user.state) == 'matched'
local bans = banned_until > now and not is_banned(user, now)

local function merge()
    local set = {}
    merge_window(set)
    if bans and not is_in_session then
        if user.state == 'waiting' then
            fail_user(KEYS[1], KEYS[3], user, now)
            user = load_user(KEYS[1])
        end
        set.banned_until = banned_until
    end
    if next(set) then
        change_user(KEYS[1], KEYS[3], user, now, set, {})
    end
    if bans and is_in_session then
        return {sub_of(KEYS[1]), banned_until}
    end
    return next(set) and 1 or 0
end

if is_newer and not is_there then
    replace()
    return 1
end

return (is_newer or in_doubt) and merge() or 0
