-- The edge's answer to lost data: it has told a user of a state that Redis
-- knows nothing of, as its last moments went with a failover or a restore. Who
-- was told "waiting" waits again, with the old waiting_since; whatever else
-- was told, the version rises above it, so that the truth of now reaches the
-- client. Any number of edges may say the same.
--
-- The same version with another state is lost data, too: the store knows a
-- user's version, but puts nobody into the queue. Whom it has put to idle has
-- "lost" in their hash: who was told "waiting" by that version, or a later one,
-- waits again, though the version has risen since.
--
-- KEYS: user queue order ready schema stats dirty revoked
-- ARGV: sub told_version told_state waiting_since_ms points window_ms
--       session_max_s sign_in issued_s
--   told_state         "idle", "waiting", "matched" or "live"
--   waiting_since_ms   as it was told; any number else
--   sign_in, issued_s  of the caller's token: see lib/revoked.lua
-- returns   view with status "ok"; "revoked" alone when the sign-in has been
--           ended; "restoring" alone while the pool is not ready: nothing was
--           changed, and the caller asks again

--@include time
--@include user
--@include view
--@include pool
--@include expect
--@include wait
--@include revoked

local keys = {user = KEYS[1], queue = KEYS[2], order = KEYS[3],
    stats = KEYS[6], dirty = KEYS[7]}
local told, points = tonumber(ARGV[2]), tonumber(ARGV[5])
local now = now_ms()

if is_revoked(KEYS[8], ARGV[1], ARGV[8], ARGV[9]) then
    return {'revoked'}
end

if not pool_is_open(KEYS[4], KEYS[5]) then
    return {'restoring'}
end

expect({hash = {keys.user, keys.stats}, list = {keys.queue},
    string = {keys.order}, zset = {keys.dirty}})

local user = load_user(keys.user)
local version = tonumber(user.version) or 0

local is_lost = user.state == 'idle' and ARGV[3] == 'waiting'
    and told >= (tonumber(user.lost) or math.huge)

if not is_lost
    and (version > told or version == told and user.state == ARGV[3]) then
    return view('ok', keys, now, points)
end

user.version = math.max(version, told)

if ARGV[3] ~= 'waiting' or user.state ~= 'idle' then
    change_user(keys.user, keys.dirty, user, now, {}, {})
elseif is_banned(user, now) or points_left(user, now, points) < 1 then
    fail_user(keys.user, keys.dirty, user, now)
else
    local since = tonumber(ARGV[4]) or now
    enqueue_user(keys, user, ARGV[1], now, math.min(since, now), {
        points = ARGV[5], window_ms = ARGV[6], max_s = ARGV[7],
    })
end

return view('ok', keys, now, points)
