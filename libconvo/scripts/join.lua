-- idle -> waiting. In any other state nothing changes but the sign of life, so
-- a repeated join is harmless.
--
-- KEYS: user queue order ready schema stats dirty revoked
-- ARGV: sub points window_ms session_max_s sign_in issued_s
--   sign_in, issued_s   of the caller's token: see lib/revoked.lua
-- returns   view with status "ok"; "no_points" or "banned" with the view;
--           "revoked" alone when the sign-in has been ended; "restoring" alone
--           while the pool is not ready or its data is of a newer layout

--@include time
--@include user
--@include view
--@include pool
--@include expect
--@include wait
--@include revoked

local keys = {user = KEYS[1], queue = KEYS[2], order = KEYS[3],
    stats = KEYS[6], dirty = KEYS[7]}
local sub, points = ARGV[1], tonumber(ARGV[2])
local now = now_ms()

if is_revoked(KEYS[8], sub, ARGV[5], ARGV[6]) then
    return {'revoked'}
end

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

expect({list = {keys.queue}, hash = {keys.stats}, zset = {keys.dirty}})

enqueue_user(keys, user, sub, now, now,
    {points = ARGV[2], window_ms = ARGV[3], max_s = ARGV[4]})

return view('ok', keys, now, points)
