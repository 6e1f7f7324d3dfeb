-- idle -> waiting, with a new ticket at the tail. Needs: user.
--
-- keys: user queue order dirty; limits: points window_ms max_s

local function enqueue_user(keys, user, sub, now, since, limits)
    local order = redis.call('INCR', keys.order)
    local ticket = string.format('%d.%d:%s', order, next_version(user, now),
        sub)

    redis.call('RPUSH', keys.queue, ticket)
    change_user(keys.user, keys.dirty, user, now, {
        state = 'waiting', ticket = ticket, order = order,
        waiting_since = since, seen = now, tries = 0,
        points = limits.points, join_points = limits.points,
        join_window = limits.window_ms, join_max = limits.max_s,
    }, {})
end
