
/*
 * Verified tokens in shared memory: a set of keys, each with the time its
 * token expires, in a hash table for finding and a queue, the most recently
 * used first, for giving up the oldest when the zone is full.  An entry fills
 * one line of a processor's cache, and few others are touched to find it.
 *
 * A key is SHA-256 over the identity of the key set, the algorithms that were
 * accepted and the token, so what one set verified proves nothing under
 * another, nor where less is accepted; no token byte is stored.  Of the token
 * the signature goes in itself, and what it signs as its own SHA-256, which
 * most algorithms verify: so a new token's bytes are hashed once.
 * An entry says that the signature holds and nothing else.
 *
 * How it fails: a full zone gives up its least recently used tokens, and a
 * token that still finds no room is verified again next time.  It survives a
 * reload; a process that dies in the lock is NGINX's to clean up.
 */


#include "ngx_http_convo_auth_private.h"

#include <openssl/err.h>
#include <openssl/evp.h>


/* entries given up for a new one at most; a slab page may need several */

#define NGX_HTTP_CONVO_AUTH_CACHE_EVICT  8


/* bytes of the zone for a chain each: two entries */

#define NGX_HTTP_CONVO_AUTH_CACHE_CHAIN  128


typedef struct ngx_http_convo_auth_cache_node_s
    ngx_http_convo_auth_cache_node_t;

struct ngx_http_convo_auth_cache_node_s {
    ngx_queue_t                          queue;
    ngx_http_convo_auth_cache_node_t    *next;    /* of the chain */
    time_t                               expires;
    u_char                               key[NGX_HTTP_CONVO_AUTH_KEY_LEN];
};

typedef struct {
    ngx_http_convo_auth_cache_node_t   **chains;
    ngx_uint_t                           mask;
    ngx_queue_t                          queue;
    ngx_uint_t                           tokens;
} ngx_http_convo_auth_cache_sh_t;

typedef struct {
    ngx_http_convo_auth_cache_sh_t  *sh;
    ngx_slab_pool_t                 *shpool;
    EVP_MD                          *sha256; /* looked up once, and not */
    EVP_MD_CTX                      *hash;   /* for each token anew */
} ngx_http_convo_auth_cache_t;


static ngx_int_t ngx_http_convo_auth_cache_hash_signed(
    const ngx_http_convo_auth_cache_t *cache, convo_jws_t *jws);
static void ngx_http_convo_auth_cache_destroy(void *data);
static ngx_int_t ngx_http_convo_auth_cache_init_zone(ngx_shm_zone_t *zone,
    void *data);
static ngx_int_t ngx_http_convo_auth_cache_init_table(
    ngx_http_convo_auth_cache_t *cache, size_t size);
static ngx_http_convo_auth_cache_node_t **ngx_http_convo_auth_cache_place(
    const ngx_http_convo_auth_cache_sh_t *sh, const u_char *key);
static ngx_http_convo_auth_cache_node_t *ngx_http_convo_auth_cache_alloc(
    ngx_http_convo_auth_cache_t *cache);
static void ngx_http_convo_auth_cache_remove(
    ngx_http_convo_auth_cache_t *cache,
    ngx_http_convo_auth_cache_node_t *token);


/*
 * What the zone is for: NGINX refuses a zone of the same name that something
 * else is declared for, also another of this room's.
 */

static ngx_uint_t  ngx_http_convo_auth_cache_tag;


ngx_shm_zone_t *
ngx_http_convo_auth_cache_add(ngx_conf_t *cf, ngx_str_t *name, size_t size)
{
    ngx_shm_zone_t               *zone;
    ngx_pool_cleanup_t           *cln;
    ngx_http_convo_auth_cache_t  *cache;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_convo_auth_cache_t));
    if (cln == NULL) {
        return NULL;
    }

    cache = cln->data;
    ngx_memzero(cache, sizeof(ngx_http_convo_auth_cache_t));
    cln->handler = ngx_http_convo_auth_cache_destroy;

    cache->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    cache->hash = EVP_MD_CTX_new();

    if (cache->sha256 == NULL || cache->hash == NULL) {
        return NULL;
    }

    zone = ngx_shared_memory_add(cf, name, size,
                                 &ngx_http_convo_auth_cache_tag);
    if (zone == NULL) {
        return NULL;
    }

    zone->init = ngx_http_convo_auth_cache_init_zone;
    zone->data = cache;

    return zone;
}


ngx_int_t
ngx_http_convo_auth_cache_key(ngx_shm_zone_t *zone, u_char *key,
    const convo_jwks_t *set, const convo_jwa_accept_t *accept,
    convo_jws_t *jws)
{
    ngx_http_convo_auth_cache_t  *cache;

    cache = zone->data;

    if (ngx_http_convo_auth_cache_hash_signed(cache, jws) != NGX_OK
        || EVP_DigestInit_ex2(cache->hash, cache->sha256, NULL) <= 0
        || EVP_DigestUpdate(cache->hash, convo_jwks_digest(set),
                            CONVO_JWKS_DIGEST_LEN)
           <= 0
        || EVP_DigestUpdate(cache->hash, accept, sizeof(convo_jwa_accept_t))
           <= 0
        || EVP_DigestUpdate(cache->hash, jws->sha256, CONVO_JWS_SHA256_LEN)
           <= 0
        || EVP_DigestUpdate(cache->hash, jws->signature.data,
                            jws->signature.len)
           <= 0
        || EVP_DigestFinal_ex(cache->hash, key, NULL) <= 0)
    {
        ERR_clear_error();
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_http_convo_auth_cache_has(ngx_shm_zone_t *zone, const u_char *key)
{
    ngx_uint_t                         known;
    ngx_http_convo_auth_cache_t       *cache;
    ngx_http_convo_auth_cache_node_t  *token;

    cache = zone->data;
    known = 0;

    ngx_shmtx_lock(&cache->shpool->mutex);

    token = *ngx_http_convo_auth_cache_place(cache->sh, key);

    if (token && token->expires <= ngx_time()) {
        ngx_http_convo_auth_cache_remove(cache, token);

    } else if (token) {
        ngx_queue_remove(&token->queue);
        ngx_queue_insert_head(&cache->sh->queue, &token->queue);
        known = 1;
    }

    ngx_shmtx_unlock(&cache->shpool->mutex);

    return known;
}


void
ngx_http_convo_auth_cache_put(ngx_shm_zone_t *zone, const u_char *key,
    time_t expires)
{
    ngx_http_convo_auth_cache_t        *cache;
    ngx_http_convo_auth_cache_node_t   *token, **place;

    if (expires <= ngx_time()) {
        return;
    }

    cache = zone->data;

    ngx_shmtx_lock(&cache->shpool->mutex);

    /* another process may have been quicker */

    if (*ngx_http_convo_auth_cache_place(cache->sh, key) == NULL) {

        token = ngx_http_convo_auth_cache_alloc(cache);

        if (token) {
            token->next = NULL;
            token->expires = expires;
            ngx_memcpy(token->key, key, NGX_HTTP_CONVO_AUTH_KEY_LEN);

            /* the chain may have lost tokens to make room */

            place = ngx_http_convo_auth_cache_place(cache->sh, key);
            *place = token;

            ngx_queue_insert_head(&cache->sh->queue, &token->queue);
            cache->sh->tokens++;
        }
    }

    ngx_shmtx_unlock(&cache->shpool->mutex);
}


ngx_uint_t
ngx_http_convo_auth_cached(ngx_http_request_t *r)
{
    ngx_uint_t                        tokens;
    ngx_http_convo_auth_cache_t      *cache;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_convo_auth_module);

    if (amcf->cache == NULL) {
        return 0;
    }

    cache = amcf->cache->data;

    ngx_shmtx_lock(&cache->shpool->mutex);

    tokens = cache->sh->tokens;

    ngx_shmtx_unlock(&cache->shpool->mutex);

    return tokens;
}


static ngx_int_t
ngx_http_convo_auth_cache_hash_signed(
    const ngx_http_convo_auth_cache_t *cache, convo_jws_t *jws)
{
    if (jws->is_hashed) {
        return NGX_OK;
    }

    if (EVP_DigestInit_ex2(cache->hash, cache->sha256, NULL) <= 0
        || EVP_DigestUpdate(cache->hash, jws->signed_input.data,
                            jws->signed_input.len)
           <= 0
        || EVP_DigestFinal_ex(cache->hash, jws->sha256, NULL) <= 0)
    {
        return NGX_ERROR;
    }

    jws->is_hashed = true;

    return NGX_OK;
}


static void
ngx_http_convo_auth_cache_destroy(void *data)
{
    ngx_http_convo_auth_cache_t  *cache = data;

    EVP_MD_CTX_free(cache->hash);
    EVP_MD_free(cache->sha256);
}


static ngx_int_t
ngx_http_convo_auth_cache_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_convo_auth_cache_t     *old = data;
    ngx_http_convo_auth_cache_t     *cache;
    ngx_http_convo_auth_cache_sh_t  *sh;

    cache = zone->data;
    cache->shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old) {
        cache->sh = old->sh;
        return NGX_OK;
    }

    if (zone->shm.exists) {
        cache->sh = cache->shpool->data;
        return NGX_OK;
    }

    sh = ngx_slab_calloc(cache->shpool,
                         sizeof(ngx_http_convo_auth_cache_sh_t));
    if (sh == NULL) {
        return NGX_ERROR;
    }

    cache->sh = sh;

    ngx_queue_init(&sh->queue);

    if (ngx_http_convo_auth_cache_init_table(cache, zone->shm.size)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* a full zone is no fault here: the oldest tokens make room */

    cache->shpool->log_nomem = 0;
    cache->shpool->data = sh;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_auth_cache_init_table(ngx_http_convo_auth_cache_t *cache,
    size_t size)
{
    ngx_uint_t                       n;
    ngx_http_convo_auth_cache_sh_t  *sh;

    sh = cache->sh;
    n = 1;

    while (n * 2 <= size / NGX_HTTP_CONVO_AUTH_CACHE_CHAIN) {
        n *= 2;
    }

    sh->mask = n - 1;
    sh->chains = ngx_slab_calloc(cache->shpool,
                             n * sizeof(ngx_http_convo_auth_cache_node_t *));

    return sh->chains ? NGX_OK : NGX_ERROR;
}


/* what points to the key's node, or else the end of its chain */

static ngx_http_convo_auth_cache_node_t **
ngx_http_convo_auth_cache_place(const ngx_http_convo_auth_cache_sh_t *sh,
    const u_char *key)
{
    size_t                              hash;
    ngx_http_convo_auth_cache_node_t  **place;

    ngx_memcpy(&hash, key, sizeof(size_t));

    place = &sh->chains[hash & sh->mask];

    while (*place
           && ngx_memcmp((*place)->key, key, NGX_HTTP_CONVO_AUTH_KEY_LEN)
              != 0)
    {
        place = &(*place)->next;
    }

    return place;
}


/* room for one more, at the cost of the least recently used */

static ngx_http_convo_auth_cache_node_t *
ngx_http_convo_auth_cache_alloc(ngx_http_convo_auth_cache_t *cache)
{
    ngx_uint_t                         i;
    ngx_queue_t                       *last;
    ngx_http_convo_auth_cache_node_t  *token;

    for (i = 0; i < NGX_HTTP_CONVO_AUTH_CACHE_EVICT; i++) {

        token = ngx_slab_alloc_locked(cache->shpool,
                                    sizeof(ngx_http_convo_auth_cache_node_t));

        if (token || ngx_queue_empty(&cache->sh->queue)) {
            return token;
        }

        last = ngx_queue_last(&cache->sh->queue);

        ngx_http_convo_auth_cache_remove(cache,
            ngx_queue_data(last, ngx_http_convo_auth_cache_node_t, queue));

        ngx_http_convo_count(NGX_HTTP_CONVO_AUTH_CACHE_EVICTED);
    }

    return NULL;
}


static void
ngx_http_convo_auth_cache_remove(ngx_http_convo_auth_cache_t *cache,
    ngx_http_convo_auth_cache_node_t *token)
{
    *ngx_http_convo_auth_cache_place(cache->sh, token->key) = token->next;

    ngx_queue_remove(&token->queue);
    ngx_slab_free_locked(cache->shpool, token);
    cache->sh->tokens--;
}
