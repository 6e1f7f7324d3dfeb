-- A page of the revocations. Whoever follows the channel of the key and then
-- reads from the cursor "0" until it comes back knows all of them: what stands
-- there during the whole reading is in one of the pages, perhaps in two.
--
-- KEYS: revoked
-- ARGV: cursor count
--   count   about so many in a page
-- returns   list: the next cursor ("0": that was all), then members, each with
--           when it was revoked (ms)

--@include expect

expect({zset = {KEYS[1]}})

local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local list = {page[1]}

for _, text in ipairs(page[2]) do
    list[#list + 1] = text
end

return list
