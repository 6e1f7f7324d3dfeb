-- What a script is going to write to must hold what it expects: a script that
-- fails half-way keeps what it wrote. kinds: a type of Redis -> its keys.

local function expect(kinds)
    for kind, keys in pairs(kinds) do
        for _, key in ipairs(keys) do
            local found = redis.call('TYPE', key).ok
            if found ~= 'none' and found ~= kind then
                error({err = 'DAMAGED ' .. string.match(key, '}:(%l*)')
                    .. ' holds a ' .. found .. ', not a ' .. kind})
            end
        end
    end
end
