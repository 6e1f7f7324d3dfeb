-- Makes dead letters of members of a sorted set or list, or of entries of a
-- stream, that are none of ours: put there by hand, or so damaged that no
-- script can work on what they name. What is not there is passed over.
--
-- KEYS: source dead stats
-- ARGV: group reason member ...
--   group    of a stream, in which the entries are then done; "" otherwise
--   member   the id of the entry, of a stream
-- returns   how many were buried (integer)

--@include time
--@include expect
--@include stats
--@include base64
--@include dead_kinds
--@include dead

local source, dead, stats = KEYS[1], KEYS[2], KEYS[3]
local group, reason = ARGV[1], ARGV[2]
local from = string.match(source, '}:(%l+)$')
local kind = redis.call('TYPE', source).ok
local now = now_ms()

expect({stream = {dead}, hash = {stats}})

local function take_entry(id)
    local entry = redis.call('XRANGE', source, id, id)[1]
    redis.call('XACK', source, group, id)
    redis.call('XDEL', source, id)
    return entry and entry[2]
end

-- What was taken out, or nil.
local function take(member)
    if kind == 'zset' then
        return redis.call('ZREM', source, member) == 1 and member or nil
    elseif kind == 'list' then
        return redis.call('LREM', source, 1, member) == 1 and member or nil
    elseif kind == 'stream' then
        return take_entry(member)
    end
    return nil
end

local buried = 0
for i = 3, #ARGV do
    local what = take(ARGV[i])
    if what then
        bury_letter(dead, stats, now, from, what, reason)
        buried = buried + 1
    end
end

return buried
