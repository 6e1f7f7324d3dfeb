-- Two waiting users -> matched, with points reserved on both sides, if both
-- still wait with these tickets under this claim. Otherwise the innocent
-- ticket goes back to the front and the room is to be deleted. Repeated, it
-- changes nothing: the room of a match that stands is never given up.
--
-- KEYS: user_a user_b queue claims claim session sessions closing stats
--       blocked_a probes dirty
-- ARGV: claim_id ticket_a ticket_b sid room no_show_ms absence_ms probe_ms
--   probe_ms   when LiveKit is first asked who is there
-- returns   "matched" and the points reserved; "void" (a ticket was void);
--           "blocked" (one of them has reported the other: both go back);
--           "lost" (the claim or its lease is over: nothing was changed)

--@include time
--@include user
--@include claim
--@include stats
--@include expect

local keys = {a = KEYS[1], b = KEYS[2]}
local queue, claims, claim = KEYS[3], KEYS[4], KEYS[5]
local id, sid, room = ARGV[1], ARGV[4], ARGV[5]
local tickets = {a = ARGV[2], b = ARGV[3]}
local now = now_ms()

expect({hash = {KEYS[1], KEYS[2], KEYS[6], KEYS[9]}, list = {queue},
    zset = {claims, claim, KEYS[7], KEYS[8], KEYS[11], KEYS[12]},
    set = {KEYS[10]}})

local done = redis.call('HGET', KEYS[6], 'reserved')
if done then
    return {'matched', tonumber(done)}
end

local lease = tonumber(redis.call('ZSCORE', claims, id) or nil)
if not lease or lease <= now
    or not redis.call('ZSCORE', claim, tickets.a)
    or not redis.call('ZSCORE', claim, tickets.b) then
    redis.call('ZADD', KEYS[8], now, room)
    return {'lost'}
end

local users, subs = {}, {}
for side, key in pairs(keys) do
    users[side] = load_user(key)
    subs[side] = string.match(tickets[side], ':(.*)$')
end

local function waits(side)
    return users[side].state == 'waiting'
        and users[side].ticket == tickets[side]
end

-- What a match is made of, in each of the two; without it the script fails
-- here, before it has written.
local function smaller(field)
    return math.min(tonumber(users.a[field]), tonumber(users.b[field]))
end

local function read_terms()
    smaller('order')
    return {
        points = smaller('join_points'), window_ms = smaller('join_window'),
        max_s = smaller('join_max'), since = smaller('waiting_since'),
    }
end

-- The sides that are not at fault. Of two tickets of one user the good one is
-- innocent.
local function judge()
    local good = {a = waits('a'), b = waits('b')}
    if keys.a == keys.b and good.a then
        good.b = false
    end
    return good
end

-- R; less than 1 when a balance is gone, whose user is then told and no
-- longer good.
local function reserve(terms, good)
    local left = {}
    for side in pairs(keys) do
        left[side] = points_left(users[side], now, terms.points)
        if left[side] < 1 then
            good[side] = false
            fail_user(keys[side], KEYS[12], users[side], now)
        end
    end
    return math.min(math.ceil(terms.max_s / 60), left.a, left.b)
end

local good = judge()
local verdict, terms, reserved = 'void', nil, 0

if good.a and good.b then
    terms = read_terms()
    if redis.call('SISMEMBER', KEYS[10], subs.b) == 1 then
        verdict = 'blocked'
    else
        reserved = reserve(terms, good)
        verdict = reserved >= 1 and 'matched' or 'void'
    end
end

for _, side in ipairs({'b', 'a'}) do
    take_from_claim(claims, claim, id, tickets[side])
    if verdict ~= 'matched' and good[side] then
        redis.call('LPUSH', queue, tickets[side])
    end
end

if verdict ~= 'matched' then
    redis.call('ZADD', KEYS[8], now, room)
    return {verdict}
end

local windows = {}

for _, side in ipairs({'a', 'b'}) do
    local user = users[side]
    local peer = side == 'a' and 'b' or 'a'
    local set = {
        state = 'matched', sid = sid, side = side, peer = subs[peer],
        committed = now, reserved = reserved,
    }
    if window_is_open(user, now) then
        windows[side] = user.window_end
    else
        windows[side] = now + terms.window_ms
        set.window_end = windows[side]
        set.spent = 0
    end
    average(KEYS[9], 'wait_ms', now - tonumber(user.waiting_since))
    change_user(keys[side], KEYS[12], user, now, set, WAIT_FIELDS)
end

redis.call('HSET', KEYS[6], 'state', 'matched',
    'a', subs.a, 'b', subs.b, 'committed', now, 'reserved', reserved,
    'window_a', windows.a, 'window_b', windows.b,
    'window_ms', terms.window_ms, 'max_ms', 1000 * terms.max_s,
    'no_show_ms', ARGV[6], 'absence_ms', ARGV[7],
    'order_a', users.a.order, 'order_b', users.b.order,
    'since_a', users.a.waiting_since, 'since_b', users.b.waiting_since)
redis.call('ZADD', KEYS[7], now + tonumber(ARGV[6]), sid)
redis.call('ZADD', KEYS[11], now + tonumber(ARGV[8]), sid)
redis.call('ZREM', KEYS[8], room)
count(KEYS[9], 'matches')

return {'matched', reserved}
