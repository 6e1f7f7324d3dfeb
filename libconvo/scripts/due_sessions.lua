-- The sessions whose no-show, absence or deadline has come. None before the
-- store has been read for this process of Redis, but for a minute at most: it
-- may have been started with older data, in which sessions go on that have
-- ended. That costs nobody points: a session ends when it was due, not when
-- it is looked at.
--
-- KEYS: sessions run
-- ARGV: limit run_id
-- returns   list of session ids

--@include time
--@include run

local now = now_ms()

if not may_settle(KEYS[2], ARGV[2], now) then
    return {}
end

return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
