-- Dead letters: what no script can work on, kept for an operator.
--
-- A letter's "what" is JSON: the ticket or member as a string, or the fields
-- of an entry as a list. Where its bytes are no UTF-8 each string of it is
-- base64, and the letter has "encoding: base64". Needs: stats,
-- base64, dead_kinds.

-- Letters kept, about; the oldest go first.
local DEAD_MAX = 10000

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
