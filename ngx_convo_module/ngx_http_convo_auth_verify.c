
/*
 * From a token to its verified claims: by what this process remembers, else
 * by the tokens that all processes know, else by the key that it names.
 *
 * What a cache knows is only that the signature holds under this key set, by
 * an algorithm that is accepted here; the claims are checked anew by every
 * location (ngx_http_convo_auth_decide.c).
 */


#include "ngx_http_convo_auth_private.h"


static convo_fault_e ngx_http_convo_auth_verify_anew(
    ngx_http_convo_auth_main_conf_t *amcf, ngx_http_convo_auth_ctx_t *ctx,
    const convo_jwks_t *set, convo_claims_t **claims);
static convo_fault_e ngx_http_convo_auth_verify_signature(
    const ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set);
static void ngx_http_convo_auth_seen(ngx_http_convo_auth_ctx_t *ctx,
    ngx_http_convo_auth_seen_e seen);
static ngx_uint_t ngx_http_convo_auth_comes_again(
    const ngx_http_convo_auth_main_conf_t *amcf,
    const ngx_http_convo_auth_ctx_t *ctx);
static convo_fault_e ngx_http_convo_auth_remember(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set,
    ngx_http_convo_auth_front_t *front, convo_claims_t *claims);
static convo_fault_e ngx_http_convo_auth_hold(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, convo_claims_t *claims,
    ngx_pool_cleanup_pt release, void *data);
static void ngx_http_convo_auth_release(void *data);
static void ngx_http_convo_auth_free(void *data);


convo_fault_e
ngx_http_convo_auth_verify(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set)
{
    convo_fault_e                     fault;
    convo_claims_t                   *claims;
    ngx_http_convo_auth_proof_t      *proof;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_convo_auth_module);

    proof = amcf->front ? ngx_http_convo_auth_front_find(amcf->front, set,
                                                         &ctx->conf->accept,
                                                         &ctx->token)
                        : NULL;
    if (proof) {
        ngx_http_convo_auth_seen(ctx, ngx_http_convo_auth_seen_front);
        return ngx_http_convo_auth_hold(r, ctx, proof->claims,
                                        ngx_http_convo_auth_release, proof);
    }

    fault = ngx_http_convo_auth_verify_anew(amcf, ctx, set, &claims);
    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    if (ngx_http_convo_auth_comes_again(amcf, ctx)) {
        return ngx_http_convo_auth_remember(r, ctx, set, amcf->front, claims);
    }

    return ngx_http_convo_auth_hold(r, ctx, claims, ngx_http_convo_auth_free,
                                    claims);
}


/* with CONVO_FAULT_NONE the claims are the caller's */

static convo_fault_e
ngx_http_convo_auth_verify_anew(ngx_http_convo_auth_main_conf_t *amcf,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set,
    convo_claims_t **claims)
{
    u_char         key[NGX_HTTP_CONVO_AUTH_KEY_LEN];
    convo_fault_e  fault;

    if (amcf->cache) {
        if (ngx_http_convo_auth_cache_key(amcf->cache, key, set,
                                          &ctx->conf->accept, &ctx->jws)
            != NGX_OK)
        {
            return CONVO_FAULT_INTERNAL;
        }

        if (ngx_http_convo_auth_cache_has(amcf->cache, key)) {
            ngx_http_convo_auth_seen(ctx, ngx_http_convo_auth_seen_hit);
            return convo_claims_read(&ctx->jws.payload, claims);
        }
    }

    ngx_http_convo_auth_seen(ctx, amcf->cache || amcf->front
                                  ? ngx_http_convo_auth_seen_miss
                                  : ngx_http_convo_auth_seen_off);

    fault = ngx_http_convo_auth_verify_signature(ctx, set);

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_claims_read(&ctx->jws.payload, claims);
    }

    if (fault == CONVO_FAULT_NONE && amcf->cache) {
        ngx_http_convo_auth_cache_put(amcf->cache, key,
                                      (time_t) convo_claims_expires(*claims));
    }

    return fault;
}


static void
ngx_http_convo_auth_seen(ngx_http_convo_auth_ctx_t *ctx,
    ngx_http_convo_auth_seen_e seen)
{
    ctx->seen = seen;

    switch (seen) {

    case ngx_http_convo_auth_seen_front:
        ngx_http_convo_count(NGX_HTTP_CONVO_AUTH_FRONT_HIT);
        break;

    case ngx_http_convo_auth_seen_hit:
        ngx_http_convo_count(NGX_HTTP_CONVO_AUTH_CACHE_HIT);
        break;

    case ngx_http_convo_auth_seen_miss:
        ngx_http_convo_count(NGX_HTTP_CONVO_AUTH_CACHE_MISS);
        break;

    default: /* there is no cache */
        break;
    }
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


/* whether a token the front did not have is one that it shall have */

static ngx_uint_t
ngx_http_convo_auth_comes_again(const ngx_http_convo_auth_main_conf_t *amcf,
    const ngx_http_convo_auth_ctx_t *ctx)
{
    if (amcf->front == NULL) {
        return 0;
    }

    if (amcf->cache) {
        return ctx->seen == ngx_http_convo_auth_seen_hit;
    }

    return ngx_http_convo_auth_front_knows(amcf->front, &ctx->token);
}


static convo_fault_e
ngx_http_convo_auth_remember(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set,
    ngx_http_convo_auth_front_t *front, convo_claims_t *claims)
{
    ngx_http_convo_auth_proof_t  *proof;

    proof = ngx_http_convo_auth_proof_create(claims);
    if (proof == NULL) {
        convo_claims_free(claims);
        return CONVO_FAULT_INTERNAL;
    }

    ngx_http_convo_auth_front_put(front, set, &ctx->conf->accept,
                                  &ctx->token, proof);

    return ngx_http_convo_auth_hold(r, ctx, claims,
                                    ngx_http_convo_auth_release, proof);
}


/*
 * The request has the claims until its pool goes, even when another location
 * decides again: variables already handed out point into them.
 */

static convo_fault_e
ngx_http_convo_auth_hold(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, convo_claims_t *claims,
    ngx_pool_cleanup_pt release, void *data)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        release(data);
        return CONVO_FAULT_INTERNAL;
    }

    cln->handler = release;
    cln->data = data;

    ctx->claims = claims;

    return CONVO_FAULT_NONE;
}


static void
ngx_http_convo_auth_release(void *data)
{
    ngx_http_convo_auth_proof_release(data);
}


static void
ngx_http_convo_auth_free(void *data)
{
    convo_claims_free(data);
}
