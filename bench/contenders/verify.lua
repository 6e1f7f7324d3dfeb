-- Sign-in checked by NGINX's Lua, as one writes it with what Debian has: the
-- signature by luaossl, which is OpenSSL, JSON by lua-cjson, tokens that were
-- verified in lua-resty-lrucache.  bench/auth.mjs measures it.
--
--   init_by_lua_block {
--       verifier = require("verify").new{pem = ..., issuer = ..., client = ...,
--                                        kid = ..., tokens = 10000}
--   }
--   access_by_lua_block { verifier:check() }
--
-- With "tokens" that many are remembered with their claims, no longer than
-- they are valid; without, each request verifies its token's signature.

local cjson = require "cjson.safe"
local base64 = require "ngx.base64"
local digest = require "openssl.digest"
local lrucache = require "resty.lrucache"
local pubkey = require "openssl.pkey"

local LEEWAY_S = 30

local verifier = {}
verifier.__index = verifier

local module = {}

function module.new(options)
    local file = assert(io.open(options.pem))
    local self = {
        key = pubkey.new(file:read("*a")),
        issuer = options.issuer,
        client = options.client,
        kid = options.kid,
        cache = options.tokens and lrucache.new(options.tokens),
    }
    file:close()
    return setmetatable(self, verifier)
end

local function object(text)
    local json = base64.decode_base64url(text)
    local value = json and cjson.decode(json)
    return type(value) == "table" and value or nil
end

-- The claims when the signature holds, else nil.
function verifier:read(token)
    local head, payload, tail = token:match("^([^.]+)%.([^.]+)%.([^.]+)$")
    local header = head and object(head)
    if not header or header.alg ~= "RS256" or header.kid ~= self.kid then
        return nil
    end
    local signature = base64.decode_base64url(tail)
    local hash = digest.new("sha256")
    hash:update(head .. "." .. payload)
    if not signature or not self.key:verify(signature, hash) then
        return nil
    end
    return object(payload)
end

function verifier:holds(claims)
    local now = ngx.time()
    return claims.iss == self.issuer and claims.aud == self.client
        and claims.token_use == "id" and claims.email_verified == true
        and type(claims.sub) == "string"
        and type(claims.exp) == "number" and claims.exp > now - LEEWAY_S
        and (claims.iat or 0) <= now + LEEWAY_S
        and (claims.nbf or 0) <= now + LEEWAY_S
end

function verifier:check()
    local value = ngx.var.http_authorization
    local token = value and value:match("^[Bb]earer +(.+)$")
    local claims = token and self.cache and self.cache:get(token)

    if token and not claims then
        claims = self:read(token)
        if claims and self.cache and type(claims.exp) == "number" then
            self.cache:set(token, claims,
                math.max(claims.exp - ngx.time(), 0.001))
        end
    end
    if not claims or not self:holds(claims) then
        return ngx.exit(ngx.HTTP_UNAUTHORIZED)
    end
    ngx.ctx.user = claims.sub
end

return module
