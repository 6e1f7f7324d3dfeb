-- Two waiting users -> matched, with points reserved on both sides, if both
-- still wait with these tickets under this claim. Otherwise the innocent
-- ticket goes back to the front and the room is to be deleted. Repeated, it
-- changes nothing: the room of a match that stands is never given up.
--
-- KEYS: user_a user_b queue claims claim session sessions closing stats
-- ARGV: claim_id ticket_a ticket_b sid room no_show_ms absence_ms
-- returns   "matched" and the points reserved; "void" (a ticket was void);
--           "lost" (the claim or its lease is over: nothing was changed)

--@include time
--@include user
--@include claim

-- Weight of the newest wait in the moving average.
local WEIGHT = 0.1

local keys = {a = KEYS[1], b = KEYS[2]}
local queue, claims, claim = KEYS[3], KEYS[4], KEYS[5]
local id, sid, room = ARGV[1], ARGV[4], ARGV[5]
local tickets = {a = ARGV[2], b = ARGV[3]}
local now = now_ms()

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

local function smaller(field)
    return math.min(tonumber(users.a[field]), tonumber(users.b[field]))
end

-- Both sides, or the side that is at fault. Of two tickets of one user the
-- good one is innocent.
local function judge()
    local good = {a = waits('a'), b = waits('b')}
    if keys.a == keys.b and good.a then
        good.b = false
    end
    if not (good.a and good.b) then
        return good, 0
    end
    local points = smaller('join_points')
    local left = {a = points_left(users.a, now, points),
        b = points_left(users.b, now, points)}
    local reserved = math.min(math.ceil(smaller('join_max') / 60), left.a,
        left.b)
    if reserved < 1 then
        for side in pairs(keys) do
            good[side] = left[side] >= 1
            if not good[side] then
                fail_user(keys[side], users[side], now)
            end
        end
    end
    return good, reserved
end

local good, reserved = judge()

for _, side in ipairs({'b', 'a'}) do
    take_from_claim(claims, claim, id, tickets[side])
end

if not (good.a and good.b) then
    for side in pairs(keys) do
        if good[side] then
            redis.call('LPUSH', queue, tickets[side])
        end
    end
    redis.call('ZADD', KEYS[8], now, room)
    return {'void'}
end

local window_ms = smaller('join_window')
local windows = {}

local function average_wait(side)
    local wait = now - tonumber(users[side].waiting_since)
    local old = tonumber(redis.call('HGET', KEYS[9], 'wait_ms') or nil)
    local new = old and old + WEIGHT * (wait - old) or wait
    redis.call('HSET', KEYS[9], 'wait_ms', math.floor(new))
end

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
        windows[side] = now + window_ms
        set.window_end = windows[side]
        set.spent = 0
    end
    average_wait(side)
    change_user(keys[side], user, now, set,
        {'ticket', 'order', 'waiting_since', 'seen', 'tries'})
end

redis.call('HSET', KEYS[6], 'state', 'matched',
    'a', subs.a, 'b', subs.b, 'committed', now, 'reserved', reserved,
    'window_a', windows.a, 'window_b', windows.b, 'window_ms', window_ms,
    'max_ms', 1000 * smaller('join_max'),
    'no_show_ms', ARGV[6], 'absence_ms', ARGV[7],
    'order_a', users.a.order, 'order_b', users.b.order,
    'since_a', users.a.waiting_since, 'since_b', users.b.waiting_since)
redis.call('ZADD', KEYS[7], now + tonumber(ARGV[6]), sid)
redis.call('ZREM', KEYS[8], room)
redis.call('HINCRBY', KEYS[9], 'matches', 1)

return {'matched', reserved}
