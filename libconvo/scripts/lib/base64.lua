-- Base 64 (RFC 4648), as Redis has none.

local BASE64 =
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

local function to_base64(bytes)
    local out = {}
    for i = 1, #bytes, 3 do
        local a, b, c = string.byte(bytes, i, i + 2)
        local n = a * 65536 + (b or 0) * 256 + (c or 0)
        for j = 3, 0, -1 do
            local six = math.floor(n / 64 ^ j) % 64
            out[#out + 1] = string.sub(BASE64, six + 1, six + 1)
        end
        out[#out] = c and out[#out] or '='
        out[#out - 1] = b and out[#out - 1] or '='
    end
    return table.concat(out)
end

-- What is no digit is passed over.
local function from_base64(text)
    local out, n, bits = {}, 0, 0
    for digit in string.gmatch(text, '[%w+/]') do
        n = n * 64 + string.find(BASE64, digit, 1, true) - 1
        bits = bits + 6
        if bits >= 8 then
            bits = bits - 8
            out[#out + 1] = string.char(math.floor(n / 2 ^ bits))
            n = n % 2 ^ bits
        end
    end
    return table.concat(out)
end
