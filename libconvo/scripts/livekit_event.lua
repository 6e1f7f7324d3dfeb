-- Appends an event of LiveKit for the workers, once.
--
-- KEYS: event livekit
-- ARGV: remember_s event sid side psid at_ms
--   remember_s   how long a repetition of the event's id is known
-- returns   1 when it was appended, 0 when it is a repetition (integer)

--@include expect

expect({string = {KEYS[1]}, stream = {KEYS[2]}})

if not redis.call('SET', KEYS[1], '1', 'NX', 'EX', ARGV[1]) then
    return 0
end

redis.call('XADD', KEYS[2], '*', 'event', ARGV[2], 'sid', ARGV[3],
    'side', ARGV[4], 'psid', ARGV[5], 'at', ARGV[6])
return 1
