-- Whether a sign-in has been ended. Needs: expect.

-- key: the revocations; sign_in: the token's, "" when it names none; issued_s:
-- when the token was issued, "0" when it does not say, or "" where the caller
-- does not ask.
local function is_revoked(key, sub, sign_in, issued_s)
    if issued_s == '' then
        return false
    end
    expect({zset = {key}})
    if sign_in ~= '' and redis.call('ZSCORE', key, 'j:' .. sign_in) then
        return true
    end
    local since = redis.call('ZSCORE', key, 's:' .. sub)
    return since and tonumber(since) >= tonumber(issued_s) * 1000
end
