-- The sessions whose rooms LiveKit is to be asked about now. Each is put off
-- until the next time.
--
-- KEYS: probes
-- ARGV: limit interval_ms
-- returns   list of session ids

--@include time
--@include due

return take_due(KEYS[1], tonumber(ARGV[1]), now_ms(), tonumber(ARGV[2]))
