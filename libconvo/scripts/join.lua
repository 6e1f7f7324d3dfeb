-- idle -> waiting. In any other state nothing changes but the sign of life, so
-- a repeated join is harmless.
--
-- KEYS: user queue order ready schema stats dirty
-- ARGV: sub points window_ms session_max_s
-- returns   view with status "ok"; "no_points" or "banned" with the view;
--           "restoring" alone while the pool is not ready or its data is of a
--           newer layout

--@include time
--@include user
--@include view
--@include pool
--@include expect

local keys = {user = KEYS[1], queue = KEYS[2], stats = KEYS[6]}
local sub, points = ARGV[1], tonumber(ARGV[2])
local now = now_ms()

if not pool_is_open(KEYS[4], KEYS[5]) then
    return {'restoring'}
end

local user = load_user(keys.user)

if user.state == 'waiting' then
    redis.call('HSET', keys.user, 'seen', now)
    return view('ok', keys, now, points)
end

if user.state ~= 'idle' then
    return view('ok', keys, now, points)
end

if is_banned(user, now) then
    return view('banned', keys, now, points)
end

if points_left(user, now, points) < 1 then
    return view('no_points', keys, now, points)
end

expect({list = {keys.queue}, hash = {keys.stats}, zset = {KEYS[7]}})

local order = redis.call('INCR', KEYS[3])
local ticket = string.format('%d.%d:%s', order, next_version(user, now), sub)

redis.call('RPUSH', keys.queue, ticket)
change_user(keys.user, KEYS[7], user, now, {
    state = 'waiting', ticket = ticket, order = order, waiting_since = now,
    seen = now, tries = 0, points = ARGV[2], join_points = ARGV[2],
    join_window = ARGV[3], join_max = ARGV[4],
}, {})

return view('ok', keys, now, points)
