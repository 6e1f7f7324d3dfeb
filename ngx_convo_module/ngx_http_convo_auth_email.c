
/*
 * The one claim that access tokens lack, and what stands in for it: whether
 * the user's e-mail address is verified, as their ID token said when they
 * signed in (convo_sign_in), kept in Redis by user.
 *
 * A location that requires it of access tokens asks once per request, after
 * everything else about the token holds, and the request waits meanwhile.
 *
 * How it fails: closed.  Who is not remembered is refused as one who is not
 * verified; no answer from Redis is 503, and the next request asks again.  A
 * client that goes takes its question along.
 */


#include "ngx_http_convo_auth_private.h"
#include "ngx_http_convo_redis.h"

#include <openssl/sha.h>


static ngx_int_t ngx_http_convo_auth_email_ask(ngx_http_request_t *r);
static void ngx_http_convo_auth_email_told(void *data,
    const redisReply *reply);


ngx_uint_t
ngx_http_convo_auth_is_access(const convo_claims_t *claims)
{
    return convo_value_is(convo_claims_get(claims, "token_use", 9), "access",
                          6);
}


ngx_uint_t
ngx_http_convo_auth_tells_email(ngx_http_request_t *r, ngx_uint_t *verified)
{
    const convo_value_t              *email;
    ngx_http_convo_auth_ctx_t        *ctx;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_convo_auth_module);
    ctx = ngx_http_convo_auth_ctx(r);

    if (!amcf->asks_email || ngx_http_convo_auth_is_access(ctx->claims)) {
        return 0;
    }

    email = convo_claims_get(ctx->claims, "email_verified", 14);
    *verified = convo_value_type(email) == CONVO_VALUE_TRUE
                || convo_value_is(email, "true", 4);

    return 1;
}


void
ngx_http_convo_auth_expect_sign_in(ngx_conf_t *cf)
{
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_auth_module);

    amcf->signs_in = 1;
}


ngx_uint_t
ngx_http_convo_auth_asks_email(ngx_conf_t *cf)
{
    ngx_uint_t                        i;
    ngx_http_convo_auth_loc_conf_t   *conf, **accepted;

    conf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_convo_auth_module);
    accepted = conf->accepted ? conf->accepted->elts : NULL;

    for (i = 0; accepted && i < conf->accepted->nelts; i++) {
        if (accepted[i]->asks_email) {
            return 1;
        }
    }

    return conf->asks_email;
}


/* by issuer and user, as two issuers may both have a user of that name */

ngx_int_t
ngx_http_convo_auth_email_key(ngx_http_request_t *r, convo_key_t *key)
{
    u_char                      digest[SHA256_DIGEST_LENGTH];
    u_char                      id[2 * SHA256_DIGEST_LENGTH];
    u_char                     *both, *p;
    ngx_str_t                  *issuer;
    ngx_http_convo_auth_ctx_t  *ctx;

    ctx = ngx_http_convo_auth_ctx(r);
    issuer = &ctx->conf->issuer;

    both = ngx_pnalloc(r->pool, issuer->len + 1 + ctx->user.sub.len);
    if (both == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(both, issuer->data, issuer->len);
    *p++ = '\0';
    p = ngx_cpymem(p, ctx->user.sub.data, ctx->user.sub.len);

    SHA256(both, p - both, digest);
    ngx_hex_dump(id, digest, sizeof(digest));

    return convo_key(key, CONVO_KEY_TAG, sizeof(CONVO_KEY_TAG) - 1,
                     CONVO_KEY_VERIFIED, (char *) id, sizeof(id))
           == 0
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_convo_auth_email_check(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    if (!ctx->conf->asks_email || !ngx_http_convo_auth_is_access(ctx->claims))
    {
        return NGX_OK;
    }

    switch (ctx->email) {

    case ngx_http_convo_auth_email_verified:
        return NGX_OK;

    case ngx_http_convo_auth_email_unverified:
        return NGX_DECLINED;

    case ngx_http_convo_auth_email_untold:
        return NGX_ERROR;

    default: /* ngx_http_convo_auth_email_unasked */
        return ngx_http_convo_auth_email_ask(r);
    }
}


static ngx_int_t
ngx_http_convo_auth_email_ask(ngx_http_request_t *r)
{
    ngx_str_t                key;
    convo_key_t              name;
    ngx_http_convo_redis_t  *redis;

    redis = ngx_http_convo_redis_get(r);

    if (redis == NULL || ngx_http_convo_auth_email_key(r, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    key.data = (u_char *) name.name;
    key.len = name.len;

    return ngx_http_convo_redis_eval(redis, r->pool,
                                     CONVO_SCRIPT_RECALL_EMAIL, &key, 1, NULL,
                                     0, ngx_http_convo_auth_email_told, r)
           == NGX_OK
           ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_http_convo_auth_email_told(void *data, const redisReply *reply)
{
    ngx_http_request_t *r = data;

    ngx_http_convo_auth_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);

    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER) {
        ctx->email = ngx_http_convo_auth_email_untold;

    } else {
        ctx->email = reply->integer ? ngx_http_convo_auth_email_verified
                                    : ngx_http_convo_auth_email_unverified;
    }

    ngx_http_convo_auth_resume(r);
}
