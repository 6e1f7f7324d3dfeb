-- Dead letters: what no script can work on, kept for an operator.
--
-- A letter's "what" is JSON: the ticket or member as a string, or the fields
-- of an entry as a list. Where its bytes are no UTF-8 each string of it is
-- base64, and the letter has "encoding: base64". Needs: stats.

-- Letters kept, about; the oldest go first.
local DEAD_MAX = 10000

-- What lies in which key.
local DEAD_KINDS = {queue = 'ticket', claims = 'claim', sessions = 'session',
    closing = 'room', livekit = 'event', ended = 'ended', reports = 'report',
    probes = 'probe', dirty = 'user'}

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

local UTF8 = {
    '[\194-\223][\128-\191]',
    '\224[\160-\191][\128-\191]',
    '[\225-\236\238\239][\128-\191][\128-\191]',
    '\237[\128-\159][\128-\191]',
    '\240[\144-\191][\128-\191][\128-\191]',
    '[\241-\243][\128-\191][\128-\191][\128-\191]',
    '\244[\128-\143][\128-\191][\128-\191]',
}

local function is_utf8(text)
    for _, pattern in ipairs(UTF8) do
        text = string.gsub(text, pattern, ' ')
    end
    return not string.find(text, '[\128-\255]')
end

-- what is a string, or a list of strings.
local function bury_letter(dead, stats, now, from, what, reason)
    local texts = type(what) == 'table' and what or {what}
    local plain = true
    for _, text in ipairs(texts) do
        plain = plain and is_utf8(text)
    end
    local coded = {}
    for i, text in ipairs(texts) do
        coded[i] = plain and text or to_base64(text)
    end
    local args = {'kind', DEAD_KINDS[from], 'from', from,
        'what', cjson.encode(type(what) == 'table' and coded or coded[1]),
        'reason', reason, 'at', now}
    if not plain then
        args[#args + 1] = 'encoding'
        args[#args + 1] = 'base64'
    end
    redis.call('XADD', dead, 'MAXLEN', '~', DEAD_MAX, '*', unpack(args))
    count(stats, 'dead')
end
