-- Whether a pool may be served.

-- The layout of the data that these scripts know (docs/redis.md).
local SCHEMA = 1

local function schema_is_known(key)
    local schema = redis.call('GET', key)
    return not schema or (tonumber(schema) or SCHEMA + 1) <= SCHEMA
end

local function pool_is_open(ready, schema)
    return redis.call('EXISTS', ready) == 1 and schema_is_known(schema)
end
