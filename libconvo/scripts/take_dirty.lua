-- The users whose records are to be written to the store now; none before the
-- store has been read for this process of Redis: it may have been started with
-- older data, which must not overwrite what is newer. Each is put off by a
-- lease, so that another worker writes it unless "saved" says that it is there.
--
-- KEYS: dirty run
-- ARGV: limit lease_ms run_id
-- returns   list of subs

--@include time
--@include due
--@include run

if not is_restored(KEYS[2], ARGV[3]) then
    return {}
end

return take_due(KEYS[1], tonumber(ARGV[1]), now_ms(), tonumber(ARGV[2]))
