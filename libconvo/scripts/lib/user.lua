-- A user: reading, changing, and the points of the open window.
-- Needs: time.

-- A user's hash outlives its last change by this long, and a ban.
local USER_TTL_MS = 90 * 86400 * 1000

-- The hash at key as a table; state is never nil.
local function load_user(key)
    local flat = redis.call('HGETALL', key)
    local user = {}
    for i = 1, #flat, 2 do
        user[flat[i]] = flat[i + 1]
    end
    user.state = user.state or 'idle'
    return user
end

local function next_version(user, now)
    return math.max((tonumber(user.version) or 0) + 1, now)
end

-- The user of the key "{pool}:user:SUB"; no pool has a colon.
local function sub_of(key)
    return string.match(key, ':user:(.*)$')
end

local function user_ttl(banned_until, now)
    return math.max(USER_TTL_MS, (tonumber(banned_until) or 0) - now)
end

local function is_banned(user, now)
    return now < (tonumber(user.banned_until) or 0)
end

-- A transition: sets and removes fields, raises the version, notes that the
-- store does not know of it, tells whoever follows the user (the channel has
-- the name of the key).
local function change_user(key, dirty, user, now, set, unset)
    local version = next_version(user, now)
    local args = {'version', version}
    for name, value in pairs(set) do
        args[#args + 1] = name
        args[#args + 1] = value
    end
    redis.call('HSET', key, unpack(args))
    if #unset > 0 then
        redis.call('HDEL', key, unpack(unset))
    end
    if user.lost then
        redis.call('HDEL', key, 'lost')
    end
    redis.call('PEXPIRE', key,
        user_ttl(set.banned_until or user.banned_until, now))
    redis.call('ZADD', dirty, now, sub_of(key))
    redis.call('PUBLISH', key, version)
    return version
end

local function window_is_open(user, now)
    local ends = tonumber(user.window_end)
    return ends ~= nil and now < ends
end

-- What is left of so many points; all of them when no window is open.
local function points_left(user, now, points)
    if not window_is_open(user, now) then
        return points
    end
    local used = (tonumber(user.spent) or 0) + (tonumber(user.reserved) or 0)
    return math.max(0, points - used)
end

-- Every field that belongs to one wait, removed when it ends.
local WAIT_FIELDS = {'ticket', 'order', 'waiting_since', 'seen', 'tries'}

-- waiting -> idle because it cannot go on, told as "failed".
local function fail_user(key, dirty, user, now)
    return change_user(key, dirty, user, now, {
        state = 'idle', last_sid = '', last_reason = 'failed',
        last_duration = 0, last_points = 0,
    }, WAIT_FIELDS)
end
