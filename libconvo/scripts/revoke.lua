-- Ends a sign-in, or all sign-ins of a user until now: their tokens are refused
-- from here on. Told on the channel that has the name of the key, with all
-- there is to know, "AT_MS MEMBER".
--
-- All of a user until now is all until the token that asks was issued, where
-- its issuer's clock is ahead of ours; and the sign-in of that token ends by
-- its name as well.
--
-- A token that is revoked already ends nothing more, so that who has stolen one
-- cannot keep its owner out.
--
-- KEYS: revoked
-- ARGV: member lifetime_ms sub sign_in issued_s
--   member        "j:SIGN_IN", or "s:SUB" for all that was issued until now
--   lifetime_ms   revocations older than this are forgotten; "0": none is
--   sub, sign_in, issued_s   of the token that asks; issued_s is "" for an
--                 operator, who has none
-- returns   list: "ok"; "revoked" (the token that asks was: nothing is changed)

--@include time
--@include expect
--@include revoked

local member, lifetime_ms = ARGV[1], tonumber(ARGV[2])
local now = now_ms()

if is_revoked(KEYS[1], ARGV[3], ARGV[4], ARGV[5]) then
    return {'revoked'}
end

expect({zset = {KEYS[1]}})

local function revoke(at, what)
    redis.call('ZADD', KEYS[1], 'GT', at, what)
    redis.call('PUBLISH', KEYS[1], string.format('%d %s', at, what))
end

if string.sub(member, 1, 2) == 's:' then
    revoke(math.max(now, (tonumber(ARGV[5]) or 0) * 1000), member)
    if ARGV[4] ~= '' then
        revoke(now, 'j:' .. ARGV[4])
    end
else
    revoke(now, member)
end

if lifetime_ms > 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - lifetime_ms)
end

return {'ok'}
