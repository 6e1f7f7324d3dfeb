
/*
 * The front: tokens that this process has verified, with their claims, in the
 * process's own memory.  A token that comes again costs a look-up and a
 * comparison: no lock, no hash of it all, no parsing.
 *
 * A token enters when it is seen for the second time, as many never come
 * again: it must be in the zone or, where there is none, the doorkeeper must
 * know it, which keeps a mark of each of the last tokens that were verified.
 * Marks are short, so at times a token enters at first sight.
 *
 * A token is found by its last bytes, which are the end of a signature: as
 * only verified tokens enter, nobody chooses them, and no chain grows long; who
 * does not know them never gets to a comparison whose time could tell more.
 * It counts only when it is the same in every byte, and the same key set, by
 * its digest, verified it where the same algorithms are accepted.
 *
 * The least recently used give way, so that the front never holds more bytes
 * than it may, its table of chains among them.  The order of use is kept
 * coarsely, as look-ups that change it touch the memory of other tokens.
 *
 * The claims are shared with the requests that use them: what gives way is
 * freed when the last of these ends, and is theirs until then.
 *
 * How it fails: a token that finds no memory, or is larger than the front,
 * is looked at anew next time.  The front goes with its process; a process
 * begins with none, also after a reload.
 */


#include "ngx_http_convo_auth_private.h"


/* bytes of a token that find it */

#define NGX_HTTP_CONVO_AUTH_FRONT_TAIL   16

/* bytes of the front for a chain each: about a token with its claims */

#define NGX_HTTP_CONVO_AUTH_FRONT_CHAIN  2048

/* the doorkeeper's marks: for a chain each, and those compared together */

#define NGX_HTTP_CONVO_AUTH_FRONT_MARKS  2
#define NGX_HTTP_CONVO_AUTH_FRONT_LINE   16

/* the part of all tokens by which the order of use may be wrong */

#define NGX_HTTP_CONVO_AUTH_FRONT_LAZY   8

/* what malloc() may take besides, for node, proof and claims together */

#define NGX_HTTP_CONVO_AUTH_FRONT_EXTRA  (3 * 24)


#if (__GNUC__ || __clang__)
#define ngx_http_convo_auth_front_prefetch(p)  __builtin_prefetch(p)
#else
#define ngx_http_convo_auth_front_prefetch(p)
#endif


typedef struct ngx_http_convo_auth_front_node_s
    ngx_http_convo_auth_front_node_t;

struct ngx_http_convo_auth_front_node_s {
    ngx_http_convo_auth_front_node_t  *next;    /* of the chain */
    uint64_t                           hash;
    ngx_http_convo_auth_proof_t       *proof;
    convo_claims_t                    *claims;  /* the proof's */
    ngx_uint_t                         moved;   /* at this count of tokens */
    ngx_queue_t                        queue;
    size_t                             len;
    convo_jwa_accept_t                 accept;
    size_t                             held;    /* bytes, claims and all */
    u_char                             digest[CONVO_JWKS_DIGEST_LEN];
    u_char                             token[1];
};

struct ngx_http_convo_auth_front_s {
    size_t                              max;    /* bytes */
    size_t                              size;   /* bytes held */
    size_t                              tables; /* of these, not tokens' */
    ngx_uint_t                          tokens; /* held */
    ngx_uint_t                          count;  /* of tokens ever put */
    ngx_uint_t                          mask;
    ngx_http_convo_auth_front_node_t  **chains; /* NULL: none yet */
    uint32_t                           *marks;  /* the same */
    ngx_queue_t                         queue;  /* last used first */
};


static void ngx_http_convo_auth_front_destroy(void *data);
static void *ngx_http_convo_auth_front_table(
    ngx_http_convo_auth_front_t *front, size_t size);
static ngx_int_t ngx_http_convo_auth_front_begin(
    ngx_http_convo_auth_front_t *front);
static uint64_t ngx_http_convo_auth_front_hash(const ngx_str_t *token);
static ngx_http_convo_auth_front_node_t *ngx_http_convo_auth_front_lookup(
    const ngx_http_convo_auth_front_t *front, const convo_jwks_t *set,
    const convo_jwa_accept_t *accept, const ngx_str_t *token);
static void ngx_http_convo_auth_front_use(ngx_http_convo_auth_front_t *front,
    ngx_http_convo_auth_front_node_t *node);
static ngx_int_t ngx_http_convo_auth_front_make_room(
    ngx_http_convo_auth_front_t *front, size_t size);
static void ngx_http_convo_auth_front_remove(
    ngx_http_convo_auth_front_t *front,
    ngx_http_convo_auth_front_node_t *node);
static void ngx_http_convo_auth_front_account(
    ngx_http_convo_auth_front_t *front, ngx_int_t tokens, ssize_t bytes);


ngx_http_convo_auth_front_t *
ngx_http_convo_auth_front_create(ngx_conf_t *cf, size_t size)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_convo_auth_front_t  *front;

    cln = ngx_pool_cleanup_add(cf->pool, sizeof(ngx_http_convo_auth_front_t));
    if (cln == NULL) {
        return NULL;
    }

    front = cln->data;

    ngx_memzero(front, sizeof(ngx_http_convo_auth_front_t));
    ngx_queue_init(&front->queue);

    front->max = size;
    front->mask = 1;

    while (front->mask < size / NGX_HTTP_CONVO_AUTH_FRONT_CHAIN) {
        front->mask *= 2;
    }

    front->mask--;

    cln->handler = ngx_http_convo_auth_front_destroy;

    return front;
}


void
ngx_http_convo_auth_front_empty(ngx_http_convo_auth_front_t *front)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&front->queue)) {
        q = ngx_queue_head(&front->queue);

        ngx_http_convo_auth_front_remove(front,
            ngx_queue_data(q, ngx_http_convo_auth_front_node_t, queue));
    }

    ngx_free(front->chains);
    ngx_free(front->marks);

    front->chains = NULL;
    front->marks = NULL;

    ngx_http_convo_auth_front_account(front, 0, -(ssize_t) front->tables);
    front->tables = 0;
}


ngx_http_convo_auth_proof_t *
ngx_http_convo_auth_front_find(ngx_http_convo_auth_front_t *front,
    const convo_jwks_t *set, const convo_jwa_accept_t *accept,
    const ngx_str_t *token)
{
    ngx_http_convo_auth_front_node_t  *node;

    if (front->chains == NULL || token->len < NGX_HTTP_CONVO_AUTH_FRONT_TAIL) {
        return NULL;
    }

    node = ngx_http_convo_auth_front_lookup(front, set, accept, token);
    if (node == NULL) {
        return NULL;
    }

    if (node->proof->expires <= ngx_time()) {
        ngx_http_convo_auth_front_remove(front, node);
        return NULL;
    }

    ngx_http_convo_auth_front_use(front, node);

    node->proof->references++;

    return node->proof;
}


ngx_uint_t
ngx_http_convo_auth_front_knows(ngx_http_convo_auth_front_t *front,
    const ngx_str_t *token)
{
    uint32_t    mark, *line;
    uint64_t    hash;
    ngx_uint_t  i;

    if (token->len < NGX_HTTP_CONVO_AUTH_FRONT_TAIL) {
        return 0;
    }

    if (front->marks == NULL) {
        front->marks = ngx_http_convo_auth_front_table(front,
                             (front->mask + 1)
                             * NGX_HTTP_CONVO_AUTH_FRONT_MARKS
                             * sizeof(uint32_t));
        if (front->marks == NULL) {
            return 0;
        }
    }

    hash = ngx_http_convo_auth_front_hash(token);
    mark = (uint32_t) (hash >> 32);

    line = front->marks
           + (hash & front->mask) * NGX_HTTP_CONVO_AUTH_FRONT_MARKS
             / NGX_HTTP_CONVO_AUTH_FRONT_LINE * NGX_HTTP_CONVO_AUTH_FRONT_LINE;

    for (i = 0; i < NGX_HTTP_CONVO_AUTH_FRONT_LINE; i++) {
        if (line[i] == mark) {
            return 1;
        }
    }

    /* the oldest gives way */

    ngx_memmove(line + 1, line,
                (NGX_HTTP_CONVO_AUTH_FRONT_LINE - 1) * sizeof(uint32_t));
    line[0] = mark;

    return 0;
}


void
ngx_http_convo_auth_front_put(ngx_http_convo_auth_front_t *front,
    const convo_jwks_t *set, const convo_jwa_accept_t *accept,
    const ngx_str_t *token, ngx_http_convo_auth_proof_t *proof)
{
    size_t                              size, held;
    ngx_http_convo_auth_front_node_t   *node, **chain;

    size = offsetof(ngx_http_convo_auth_front_node_t, token) + token->len;
    held = size + sizeof(ngx_http_convo_auth_proof_t)
           + convo_claims_size(proof->claims)
           + NGX_HTTP_CONVO_AUTH_FRONT_EXTRA;

    if (proof->expires <= ngx_time()
        || token->len < NGX_HTTP_CONVO_AUTH_FRONT_TAIL
        || ngx_http_convo_auth_front_begin(front) != NGX_OK
        || ngx_http_convo_auth_front_make_room(front, held) != NGX_OK)
    {
        return;
    }

    node = ngx_alloc(size, ngx_cycle->log);
    if (node == NULL) {
        return;
    }

    node->hash = ngx_http_convo_auth_front_hash(token);
    node->held = held;
    node->len = token->len;
    node->accept = *accept;
    ngx_memcpy(node->digest, convo_jwks_digest(set), CONVO_JWKS_DIGEST_LEN);
    ngx_memcpy(node->token, token->data, token->len);

    node->proof = proof;
    node->claims = proof->claims;
    proof->references++;

    chain = &front->chains[node->hash & front->mask];
    node->next = *chain;
    *chain = node;

    node->moved = ++front->count;

    ngx_queue_insert_head(&front->queue, &node->queue);
    ngx_http_convo_auth_front_account(front, 1, held);
}


ngx_http_convo_auth_proof_t *
ngx_http_convo_auth_proof_create(convo_claims_t *claims)
{
    ngx_http_convo_auth_proof_t  *proof;

    proof = ngx_alloc(sizeof(ngx_http_convo_auth_proof_t), ngx_cycle->log);

    if (proof) {
        proof->references = 1;
        proof->expires = (time_t) convo_claims_expires(claims);
        proof->claims = claims;
    }

    return proof;
}


void
ngx_http_convo_auth_proof_release(ngx_http_convo_auth_proof_t *proof)
{
    if (--proof->references == 0) {
        convo_claims_free(proof->claims);
        ngx_free(proof);
    }
}


static void
ngx_http_convo_auth_front_destroy(void *data)
{
    ngx_http_convo_auth_front_empty(data);
}


/* a table comes with the first token: a master process never has one */

static void *
ngx_http_convo_auth_front_table(ngx_http_convo_auth_front_t *front,
    size_t size)
{
    void  *table;

    table = ngx_memalign(NGX_HTTP_CONVO_AUTH_FRONT_LINE * sizeof(uint32_t),
                         size, ngx_cycle->log);
    if (table == NULL) {
        return NULL;
    }

    ngx_memzero(table, size);

    front->tables += size;
    ngx_http_convo_auth_front_account(front, 0, size);

    return table;
}


static ngx_int_t
ngx_http_convo_auth_front_begin(ngx_http_convo_auth_front_t *front)
{
    if (front->chains == NULL) {
        front->chains = ngx_http_convo_auth_front_table(front,
                            (front->mask + 1)
                            * sizeof(ngx_http_convo_auth_front_node_t *));
    }

    return front->chains ? NGX_OK : NGX_ERROR;
}


/* multiplied by the golden ratio, as the bytes are all of one alphabet */

static uint64_t
ngx_http_convo_auth_front_hash(const ngx_str_t *token)
{
    uint64_t  tail[NGX_HTTP_CONVO_AUTH_FRONT_TAIL / sizeof(uint64_t)], hash;

    ngx_memcpy(tail,
               token->data + token->len - NGX_HTTP_CONVO_AUTH_FRONT_TAIL,
               NGX_HTTP_CONVO_AUTH_FRONT_TAIL);

    hash = (tail[0] * 3 ^ tail[1]) * 0x9e3779b97f4a7c15ULL;

    return hash ^ hash >> 32;
}


static ngx_http_convo_auth_front_node_t *
ngx_http_convo_auth_front_lookup(const ngx_http_convo_auth_front_t *front,
    const convo_jwks_t *set, const convo_jwa_accept_t *accept,
    const ngx_str_t *token)
{
    uint64_t                           hash;
    ngx_http_convo_auth_front_node_t  *node;

    hash = ngx_http_convo_auth_front_hash(token);

    for (node = front->chains[hash & front->mask]; node; node = node->next) {

        if (node->hash != hash
            || node->len != token->len
            || node->accept.named != accept->named
            || node->accept.unnamed != accept->unnamed)
        {
            continue;
        }

        /* on their way while the token is compared */

        ngx_http_convo_auth_front_prefetch(node->proof);
        ngx_http_convo_auth_front_prefetch(node->claims);

        if (ngx_memcmp(node->digest, convo_jwks_digest(set),
                       CONVO_JWKS_DIGEST_LEN)
            == 0
            && ngx_memcmp(node->token, token->data, token->len) == 0)
        {
            return node;
        }
    }

    return NULL;
}


/*
 * Most look-ups leave the order alone, and so the memory of the neighbours: a
 * token moves up again when an eighth of the others have been replaced.
 */

static void
ngx_http_convo_auth_front_use(ngx_http_convo_auth_front_t *front,
    ngx_http_convo_auth_front_node_t *node)
{
    if (front->count - node->moved
        <= front->tokens / NGX_HTTP_CONVO_AUTH_FRONT_LAZY)
    {
        return;
    }

    node->moved = front->count;

    ngx_queue_remove(&node->queue);
    ngx_queue_insert_head(&front->queue, &node->queue);
}


/* at the cost of the least recently used; NGX_DECLINED: never so much */

static ngx_int_t
ngx_http_convo_auth_front_make_room(ngx_http_convo_auth_front_t *front,
    size_t size)
{
    ngx_queue_t  *q;

    if (front->tables + size > front->max) {
        return NGX_DECLINED;
    }

    while (front->size + size > front->max) {
        q = ngx_queue_last(&front->queue);

        ngx_http_convo_auth_front_remove(front,
            ngx_queue_data(q, ngx_http_convo_auth_front_node_t, queue));

        ngx_http_convo_count(NGX_HTTP_CONVO_AUTH_FRONT_EVICTED);
    }

    return NGX_OK;
}


static void
ngx_http_convo_auth_front_remove(ngx_http_convo_auth_front_t *front,
    ngx_http_convo_auth_front_node_t *node)
{
    ngx_http_convo_auth_front_node_t  **place;

    place = &front->chains[node->hash & front->mask];

    while (*place != node) {
        place = &(*place)->next;
    }

    *place = node->next;

    ngx_queue_remove(&node->queue);
    ngx_http_convo_auth_front_account(front, -1, -(ssize_t) node->held);
    ngx_http_convo_auth_proof_release(node->proof);
    ngx_free(node);
}


static void
ngx_http_convo_auth_front_account(ngx_http_convo_auth_front_t *front,
    ngx_int_t tokens, ssize_t bytes)
{
    front->size += bytes;
    front->tokens += tokens;

    ngx_http_convo_gauge(NGX_HTTP_CONVO_AUTH_FRONT_TOKENS, tokens);
    ngx_http_convo_gauge(NGX_HTTP_CONVO_AUTH_FRONT_BYTES, bytes);
}
