-- The rooms that are to be deleted now. Each is put off by a lease, so that it
-- is tried again unless room_closed says that it has gone.
--
-- KEYS: closing
-- ARGV: max lease_ms
-- returns   list of room names

--@include time
--@include due

return take_due(KEYS[1], tonumber(ARGV[1]), now_ms(), tonumber(ARGV[2]))
