-- The users whose records are to be written to the store now. Each is put off
-- by a lease, so that another worker writes it unless "saved" says that it is
-- there.
--
-- KEYS: dirty
-- ARGV: limit lease_ms
-- returns   list of subs

--@include time
--@include due

return take_due(KEYS[1], tonumber(ARGV[1]), now_ms(), tonumber(ARGV[2]))
