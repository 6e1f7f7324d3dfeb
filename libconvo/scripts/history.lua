-- The caller's own sessions, newest first, those past their time left out.
--
-- KEYS: history
-- ARGV: limit
-- returns   list of JSON objects {sessionId, startTime, endTime, duration,
--           pointsSpent, reason}

--@include time

local KEPT_S = 90 * 86400

local now_s = math.floor(now_ms() / 1000)
local list = redis.call('LRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1)
local kept = {}

for _, text in ipairs(list) do
    local ok, entry = pcall(cjson.decode, text)
    if ok and type(entry) == 'table' and type(entry.endTime) == 'number'
        and entry.endTime + KEPT_S > now_s then
        kept[#kept + 1] = text
    end
end

return kept
