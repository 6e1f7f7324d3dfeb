
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
    const convo_jwks_t *set, ngx_http_convo_auth_proof_t **proof);
static convo_fault_e ngx_http_convo_auth_verify_signature(
    const ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set);
static convo_fault_e ngx_http_convo_auth_read_claims(
    const ngx_http_convo_auth_ctx_t *ctx,
    ngx_http_convo_auth_proof_t **proof);
static void ngx_http_convo_auth_seen(ngx_http_convo_auth_ctx_t *ctx,
    ngx_http_convo_auth_seen_e seen);
static convo_fault_e ngx_http_convo_auth_hold(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, ngx_http_convo_auth_proof_t *proof);
static void ngx_http_convo_auth_release(void *data);


convo_fault_e
ngx_http_convo_auth_verify(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set)
{
    convo_fault_e                     fault;
    ngx_http_convo_auth_proof_t      *proof;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_convo_auth_module);

    proof = amcf->front ? ngx_http_convo_auth_front_find(amcf->front, set,
                                                         &ctx->conf->accept,
                                                         &ctx->token)
                        : NULL;
    if (proof) {
        ngx_http_convo_auth_seen(ctx, ngx_http_convo_auth_seen_front);
        return ngx_http_convo_auth_hold(r, ctx, proof);
    }

    fault = ngx_http_convo_auth_verify_anew(amcf, ctx, set, &proof);
    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    if (amcf->front) {
        ngx_http_convo_auth_front_put(amcf->front, set, &ctx->conf->accept,
                                      &ctx->token, proof);
    }

    return ngx_http_convo_auth_hold(r, ctx, proof);
}


/* with CONVO_FAULT_NONE the caller has a reference to the proof */

static convo_fault_e
ngx_http_convo_auth_verify_anew(ngx_http_convo_auth_main_conf_t *amcf,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set,
    ngx_http_convo_auth_proof_t **proof)
{
    u_char         key[NGX_HTTP_CONVO_AUTH_KEY_LEN];
    convo_fault_e  fault;

    if (amcf->cache) {
        if (ngx_http_convo_auth_cache_key(amcf->cache, key, set,
                                          &ctx->conf->accept, &ctx->token)
            != NGX_OK)
        {
            return CONVO_FAULT_INTERNAL;
        }

        if (ngx_http_convo_auth_cache_has(amcf->cache, key)) {
            ngx_http_convo_auth_seen(ctx, ngx_http_convo_auth_seen_hit);
            return ngx_http_convo_auth_read_claims(ctx, proof);
        }
    }

    ngx_http_convo_auth_seen(ctx, amcf->cache || amcf->front
                                  ? ngx_http_convo_auth_seen_miss
                                  : ngx_http_convo_auth_seen_off);

    fault = ngx_http_convo_auth_verify_signature(ctx, set);

    if (fault == CONVO_FAULT_NONE) {
        fault = ngx_http_convo_auth_read_claims(ctx, proof);
    }

    if (fault == CONVO_FAULT_NONE && amcf->cache) {
        ngx_http_convo_auth_cache_put(amcf->cache, key, (*proof)->expires);
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


static convo_fault_e
ngx_http_convo_auth_read_claims(const ngx_http_convo_auth_ctx_t *ctx,
    ngx_http_convo_auth_proof_t **proof)
{
    convo_fault_e    fault;
    convo_claims_t  *claims;

    fault = convo_claims_read(&ctx->jws.payload, &claims);
    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    *proof = ngx_http_convo_auth_proof_create(claims);
    if (*proof == NULL) {
        convo_claims_free(claims);
        return CONVO_FAULT_INTERNAL;
    }

    return CONVO_FAULT_NONE;
}


/*
 * The request's reference lasts until its pool goes, even when another
 * location decides again: variables already handed out point into the claims.
 */

static convo_fault_e
ngx_http_convo_auth_hold(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, ngx_http_convo_auth_proof_t *proof)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        ngx_http_convo_auth_proof_release(proof);
        return CONVO_FAULT_INTERNAL;
    }

    cln->handler = ngx_http_convo_auth_release;
    cln->data = proof;

    ctx->claims = proof->claims;

    return CONVO_FAULT_NONE;
}


static void
ngx_http_convo_auth_release(void *data)
{
    ngx_http_convo_auth_proof_release(data);
}
