-- The rooms that are to be deleted now. Each is put off by a lease, so that it
-- is tried again unless room_closed says that it has gone.
--
-- KEYS: closing
-- ARGV: max lease_ms
-- returns   list of room names

--@include time

local now = now_ms()
local rooms = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now,
    'LIMIT', 0, tonumber(ARGV[1]))
for _, room in ipairs(rooms) do
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), room)
end

return rooms
