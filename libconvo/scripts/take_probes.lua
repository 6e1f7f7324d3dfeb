-- The sessions whose rooms LiveKit is to be asked about now. Each is put off
-- until the next time. None before the store has been read for this process of
-- Redis, but for a minute at most: in older data sessions go on that have
-- ended, and whose rooms are gone.
--
-- KEYS: probes run
-- ARGV: limit interval_ms run_id
-- returns   list of session ids

--@include time
--@include due
--@include run

local now = now_ms()

if not may_settle(KEYS[2], ARGV[3], now) then
    return {}
end

return take_due(KEYS[1], tonumber(ARGV[1]), now, tonumber(ARGV[2]))
