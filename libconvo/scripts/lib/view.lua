-- The view: what a user's document is made of, as a flat list of names and
-- values after a leading status. Needs: time, user.
--
--   now, committed, start, ends, window_end, waiting_since   ms
--   banned_until              ms; only while a ban lasts
--   last_session, last_duration                              s
--   lost                      version of what the store knew of a user who was
--                             not idle; only until the next change
--   position                  1 is next; waiting only
--   estimate                  s still to wait; "" when nothing is known
--   points_left, reserved, last_points                       points
--   sid, side, peer, ...      as in the user's hash, "" when none

-- The order of the ticket at the head stands before its first dot.
local function position_of(user, queue)
    local head = redis.call('LINDEX', queue, 0)
    local first = head and tonumber(string.match(head, '^(%d+)%.'))
    local order = tonumber(user.order)
    if not first or not order then
        return 1
    end
    return math.max(1, order - first + 1)
end

-- What is left of the average wait. Whoever has waited for most of it can no
-- longer be told so: half of it is still to come, and half of what they have
-- waited so far.
local function estimate_of(user, stats, now)
    local average = tonumber(redis.call('HGET', stats, 'wait_ms') or nil)
    if not average then
        return ''
    end
    local waited = math.max(0, now - (tonumber(user.waiting_since) or now))
    local rest = math.max(average - waited, average / 2, waited / 2)
    return math.max(1, math.ceil(rest / 1000))
end

-- The reply of a script: status, then the user's hash as it is now.
local function view(status, keys, now, points)
    local user = load_user(keys.user)
    local list = {status, 'now', now, 'state', user.state,
        'version', user.version or 0,
        'points_left', points_left(user, now, points)}

    local function add(name, value)
        list[#list + 1] = name
        list[#list + 1] = value or ''
    end

    add('window_end', window_is_open(user, now) and user.window_end or '')
    add('last_session', user.last_session_s)
    if user.lost then
        add('lost', user.lost)
    end

    if user.state == 'waiting' then
        add('waiting_since', user.waiting_since)
        add('position', position_of(user, keys.queue))
        add('estimate', estimate_of(user, keys.stats, now))
    end

    if user.state == 'matched' or user.state == 'live' then
        add('sid', user.sid)
        add('side', user.side)
        add('peer', user.peer)
        add('committed', user.committed)
        add('start', user.start)
        add('ends', user.ends)
        add('reserved', user.reserved)
    end

    if is_banned(user, now) then
        add('banned_until', user.banned_until)
    end

    if user.last_reason then
        add('last_sid', user.last_sid)
        add('last_reason', user.last_reason)
        add('last_duration', user.last_duration)
        add('last_points', user.last_points)
    end

    return list
end
