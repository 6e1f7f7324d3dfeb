-- Since when the Redis process of this run_id has been seen, in ms; a new
-- run_id has been seen since now.

local function running_since(key, run_id, now)
    if redis.call('HGET', key, 'id') ~= run_id then
        redis.call('HSET', key, 'id', run_id, 'since', now)
    end
    return tonumber(redis.call('HGET', key, 'since'))
end

-- For which Redis process the store has been read: what it knows of later than
-- an older snapshot is in Redis since then.
-- It is to be read once more at again_ms, or not any more (nil): what was being
-- written to it when Redis lost its data may have come too late.
local function restored_for(key, run_id, again_ms)
    redis.call('HSET', key, 'read', run_id)
    if again_ms then
        redis.call('HSET', key, 'again', again_ms)
    else
        redis.call('HDEL', key, 'again')
    end
end

local function is_restored(key, run_id)
    return redis.call('HGET', key, 'read') == run_id
end

-- For so long at most: a store that is away does not keep sessions from ending.
local SETTLE_AFTER_MS = 60 * 1000

-- Whether sessions may be ended for what is not there, or not any more. Not
-- before the store has been read: what goes on in an older snapshot has perhaps
-- ended, and the store has it.
local function may_settle(key, run_id, now)
    return is_restored(key, run_id)
        or now - running_since(key, run_id, now) >= SETTLE_AFTER_MS
end

-- Whether that is due; and not by who restores for another process.
local function is_due_again(key, run_id, now)
    local again = tonumber(redis.call('HGET', key, 'again') or nil)
    return again and again <= now and is_restored(key, run_id) or false
end

-- A worker that has been silent for longer is forgotten.
local BEATS_KEPT_MS = 3600 * 1000

local function beat_of(key, name)
    return tonumber(redis.call('HGET', key, 'beat:' .. name) or nil) or 0
end

-- Whether the worker has beaten since this Redis process was seen.
local function has_beaten(key, name, run_id)
    local fields = redis.call('HMGET', key, 'id', 'since')
    return fields[1] == run_id
        and beat_of(key, name) >= tonumber(fields[2])
end

-- The worker's next beat; it grows with the time.
local function next_beat(key, name, now)
    local fields = redis.call('HGETALL', key)
    for i = 1, #fields, 2 do
        if string.sub(fields[i], 1, 5) == 'beat:'
            and tonumber(fields[i + 1]) < now - BEATS_KEPT_MS then
            redis.call('HDEL', key, fields[i])
        end
    end
    local beat = math.max(beat_of(key, name) + 1, now)
    redis.call('HSET', key, 'beat:' .. name, beat)
    return beat
end
