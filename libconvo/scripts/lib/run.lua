-- Since when the Redis process of this run_id has been seen, in ms; a new
-- run_id has been seen since now.

local function running_since(key, run_id, now)
    if redis.call('HGET', key, 'id') ~= run_id then
        redis.call('HSET', key, 'id', run_id, 'since', now)
    end
    return tonumber(redis.call('HGET', key, 'since'))
end
