-- The first members of a sorted set that are due, each put off by so long.

local function take_due(key, limit, now, put_off_ms)
    local due = redis.call('ZRANGEBYSCORE', key, '-inf', now,
        'LIMIT', 0, limit)
    for _, member in ipairs(due) do
        redis.call('ZADD', key, now + put_off_ms, member)
    end
    return due
end
