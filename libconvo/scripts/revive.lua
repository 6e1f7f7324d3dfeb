-- Puts a dead letter back where it came from, where it is due at once, and
-- takes it off the letters. A ticket was good for one wait, which is over: its
-- user waits again, with a new one at the tail, if they are idle, not banned,
-- have points left, and have joined before.
--
-- KEYS: dead source user order dirty
-- ARGV: id
--   KEYS[2]   the key that the letter's "from" names
--   KEYS[3]   of the ticket's user, {pool}:none for what is no ticket
-- returns   "back"; "gone" (there is no such letter); "again" (the keys are
--           not those of the letter); "void" (the user of the ticket cannot
--           wait now). Only "back" changes anything

--@include time
--@include user
--@include expect
--@include base64
--@include dead_kinds
--@include wait

local source, now = KEYS[2], now_ms()
local entry = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]

if not entry then
    return 'gone'
end

local letter = {}
for i = 1, #entry[2], 2 do
    letter[entry[2][i]] = entry[2][i + 1]
end

local from = string.match(source, '}:(%l+)$')
local kind = DEAD_KINDS[from]
local is_read, what = pcall(cjson.decode, letter.what or '')

if letter.from ~= from or not kind or not is_read then
    return 'again'
end

local function plain(text)
    return letter.encoding == 'base64' and from_base64(text) or text
end

local function retry_ticket(ticket)
    local sub = string.match(ticket, '^%d+%.%d+:(.+)$')
    if not sub then
        redis.call('RPUSH', source, ticket)
        return 'back'
    end
    if sub_of(KEYS[3]) ~= sub then
        return 'again'
    end
    local user = load_user(KEYS[3])
    local points = tonumber(user.join_points)
    if user.state ~= 'idle' or is_banned(user, now)
        or not points or not user.join_window or not user.join_max
        or points_left(user, now, points) < 1 then
        return 'void'
    end
    enqueue_user({user = KEYS[3], queue = source, order = KEYS[4],
        dirty = KEYS[5]}, user, sub, now, now, {points = points,
        window_ms = user.join_window, max_s = user.join_max})
    return 'back'
end

local outcome = 'back'

if kind == 'ticket' then
    expect({list = {source}, hash = {KEYS[3]}, string = {KEYS[4]},
        zset = {KEYS[5]}})
    outcome = retry_ticket(plain(what))
elseif type(what) == 'table' then
    expect({stream = {source}})
    local fields = {}
    for i, text in ipairs(what) do
        fields[i] = plain(text)
    end
    redis.call('XADD', source, '*', unpack(fields))
else
    expect({zset = {source}})
    redis.call('ZADD', source, now, plain(what))
end

if outcome == 'back' then
    redis.call('XDEL', KEYS[1], ARGV[1])
end
return outcome
