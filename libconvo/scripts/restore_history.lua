-- A user's last sessions as the store has them, for a Redis that has lost its
-- data. A list that is there is left alone.
--
-- KEYS: history
-- ARGV: item ...
--   item   JSON as "history" returns it, newest first
-- returns   how many were taken (integer)

-- As in lib/session.lua.
local HISTORY_MAX = 50
local HISTORY_TTL_S = 90 * 86400

if redis.call('EXISTS', KEYS[1]) == 1 or #ARGV == 0 then
    return 0
end

local count = math.min(#ARGV, HISTORY_MAX)
for i = 1, count do
    redis.call('RPUSH', KEYS[1], ARGV[i])
end
redis.call('EXPIRE', KEYS[1], HISTORY_TTL_S)

return count
