
/*
 * From a token to its verified claims: by the cache of tokens whose signature
 * is known to hold, else by the key that the token names.
 *
 * What the cache knows is only that the signature holds under this key set,
 * by an algorithm that is accepted here; the claims are checked anew by every
 * location (ngx_http_convo_auth_decide.c).
 */


#include "ngx_http_convo_auth_private.h"


static convo_fault_e ngx_http_convo_auth_verify_signature(
    const ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set);
static convo_fault_e ngx_http_convo_auth_read_claims(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);
static void ngx_http_convo_auth_free_claims(void *data);


convo_fault_e
ngx_http_convo_auth_verify(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set)
{
    u_char                            key[NGX_HTTP_CONVO_AUTH_KEY_LEN];
    ngx_uint_t                        known;
    convo_fault_e                     fault;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_convo_auth_module);
    known = 0;

    if (amcf->cache) {
        ngx_http_convo_auth_cache_key(key, set, &ctx->conf->accept,
                                      &ctx->token);
        known = ngx_http_convo_auth_cache_has(amcf->cache, key);
        ngx_http_convo_count(known ? NGX_HTTP_CONVO_AUTH_CACHE_HIT
                                   : NGX_HTTP_CONVO_AUTH_CACHE_MISS);
    }

    if (!known) {
        fault = ngx_http_convo_auth_verify_signature(ctx, set);
        if (fault != CONVO_FAULT_NONE) {
            return fault;
        }
    }

    fault = ngx_http_convo_auth_read_claims(r, ctx);

    if (fault == CONVO_FAULT_NONE && amcf->cache && !known) {
        ngx_http_convo_auth_cache_put(amcf->cache, key,
                                      convo_claims_expires(ctx->claims));
    }

    return fault;
}


static convo_fault_e
ngx_http_convo_auth_verify_signature(const ngx_http_convo_auth_ctx_t *ctx,
    const convo_jwks_t *set)
{
    convo_fault_e       fault;
    convo_jws_header_t  header;

    fault = convo_jws_read_header(&ctx->jws, &header);
    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    return convo_jwks_verify(set, &header, &ctx->conf->accept, &ctx->jws);
}


/*
 * The claims live until the request's pool goes, even when another location
 * decides again: variables already handed out point into them.
 */

static convo_fault_e
ngx_http_convo_auth_read_claims(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    convo_fault_e        fault;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return CONVO_FAULT_INTERNAL;
    }

    fault = convo_claims_read(&ctx->jws.payload, &ctx->claims);

    if (fault == CONVO_FAULT_NONE) {
        cln->handler = ngx_http_convo_auth_free_claims;
        cln->data = ctx->claims;
    }

    return fault;
}


static void
ngx_http_convo_auth_free_claims(void *data)
{
    convo_claims_free(data);
}
