
/*
 * What Redis knows of pools; see ngx_http_convo_pools.h.
 *
 * Every pool is asked for at once, one script each, as pools may lie on
 * different nodes; the last answer, or the last that fails to come, runs the
 * handler.
 *
 * How it fails: a pool whose answer does not come, or is an error, is not
 * known, and the others are told all the same.  A client that goes takes the
 * request's pool along, and with it every question.
 */


#include "ngx_http_convo_pools.h"
#include "ngx_http_convo_redis.h"
#include "convo_keys.h"


#define NGX_HTTP_CONVO_POOLS_KEYS  15


typedef struct {
    ngx_http_request_t       *request;
    ngx_http_convo_pools_pt   handler;
    ngx_array_t               pools;
    ngx_uint_t                waiting;
} ngx_http_convo_pools_ctx_t;


/* one question */

typedef struct {
    ngx_http_convo_pools_ctx_t  *ctx;
    ngx_uint_t                   index;
} ngx_http_convo_pools_call_t;


static ngx_int_t ngx_http_convo_pools_list(ngx_http_request_t *r,
    const ngx_array_t *names, ngx_array_t *pools);
static ngx_str_t ngx_http_convo_pools_default(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_pools_ask_one(ngx_http_convo_pools_ctx_t *ctx,
    ngx_http_convo_redis_t *redis, ngx_uint_t index);
static void ngx_http_convo_pools_reply(void *data, const redisReply *reply);
static void ngx_http_convo_pools_read(ngx_http_convo_pool_t *pool,
    const redisReply *reply);
static int64_t ngx_http_convo_pools_number(const redisReply *value);


/* the keys of the script, in its order */

static const char  *ngx_http_convo_pools_keys[NGX_HTTP_CONVO_POOLS_KEYS] = {
    CONVO_KEY_READY, CONVO_KEY_SCHEMA, CONVO_KEY_ALIVE, CONVO_KEY_QUEUE,
    CONVO_KEY_CLAIMS, CONVO_KEY_SESSIONS, CONVO_KEY_CLOSING, CONVO_KEY_ENDED,
    CONVO_KEY_LIVEKIT, CONVO_KEY_DEAD, CONVO_KEY_STATS, CONVO_KEY_DIRTY,
    CONVO_KEY_REPORTS, CONVO_KEY_RESTORING, CONVO_KEY_PROBES
};


/* the names in its reply, by ngx_http_convo_pool_value_e */

static const char  *ngx_http_convo_pools_names[NGX_HTTP_CONVO_POOL_VALUES] = {
    "ready", "alive", "restoring", "waiting", "claims", "sessions", "probes",
    "closing", "ended", "reports", "dirty", "events", "dead", "buried",
    "matches", "wait_ms"
};


ngx_int_t
ngx_http_convo_pools_ask(ngx_http_request_t *r, const ngx_array_t *names,
    ngx_http_convo_pools_pt handler)
{
    ngx_uint_t                   i;
    ngx_http_convo_redis_t      *redis;
    ngx_http_convo_pools_ctx_t  *ctx;

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_pools_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->handler = handler;

    if (ngx_http_convo_pools_list(r, names, &ctx->pools) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    redis = ngx_http_convo_redis_get(r);

    if (redis) {
        for (i = 0; i < ctx->pools.nelts; i++) {
            if (ngx_http_convo_pools_ask_one(ctx, redis, i) == NGX_OK) {
                ctx->waiting++;
            }
        }
    }

    if (ctx->waiting == 0) {
        return handler(r, &ctx->pools);
    }

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_convo_pools_list(ngx_http_request_t *r, const ngx_array_t *names,
    ngx_array_t *pools)
{
    ngx_str_t              *name, one;
    ngx_uint_t              i, n;
    ngx_http_convo_pool_t  *pool;

    if (names) {
        name = names->elts;
        n = names->nelts;

    } else {
        one = ngx_http_convo_pools_default(r);
        name = &one;
        n = 1;
    }

    if (ngx_array_init(pools, r->pool, n, sizeof(ngx_http_convo_pool_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    pool = ngx_array_push_n(pools, n);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(pool, n * sizeof(ngx_http_convo_pool_t));

    for (i = 0; i < n; i++) {
        pool[i].name = name[i];
    }

    return NGX_OK;
}


static ngx_str_t
ngx_http_convo_pools_default(ngx_http_request_t *r)
{
    ngx_str_t                   pool;
    ngx_uint_t                  hash;
    ngx_http_variable_value_t  *value;

    static ngx_str_t  name = ngx_string("convo_pool");

    hash = ngx_hash_key(name.data, name.len);
    value = ngx_http_get_variable(r, &name, hash);

    if (value == NULL || value->not_found) {
        ngx_str_set(&pool, "default");
        return pool;
    }

    pool.data = value->data;
    pool.len = value->len;

    return pool;
}


static ngx_int_t
ngx_http_convo_pools_ask_one(ngx_http_convo_pools_ctx_t *ctx,
    ngx_http_convo_redis_t *redis, ngx_uint_t index)
{
    ngx_str_t                     keys[NGX_HTTP_CONVO_POOLS_KEYS];
    ngx_uint_t                    i;
    convo_key_t                   name[NGX_HTTP_CONVO_POOLS_KEYS];
    ngx_http_request_t           *r;
    ngx_http_convo_pool_t        *pool;
    ngx_http_convo_pools_call_t  *call;

    r = ctx->request;
    pool = ctx->pools.elts;

    for (i = 0; i < NGX_HTTP_CONVO_POOLS_KEYS; i++) {
        if (convo_key(&name[i], (char *) pool[index].name.data,
                      pool[index].name.len, ngx_http_convo_pools_keys[i],
                      NULL, 0)
            != 0)
        {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "convo metrics: \"%V\" is no pool",
                          &pool[index].name);
            return NGX_DECLINED;
        }

        keys[i].data = (u_char *) name[i].name;
        keys[i].len = name[i].len;
    }

    call = ngx_palloc(r->pool, sizeof(ngx_http_convo_pools_call_t));
    if (call == NULL) {
        return NGX_ERROR;
    }

    call->ctx = ctx;
    call->index = index;

    return ngx_http_convo_redis_eval(redis, r->pool, CONVO_SCRIPT_HEALTH,
                                     keys, NGX_HTTP_CONVO_POOLS_KEYS,
                                     NULL, 0, ngx_http_convo_pools_reply,
                                     call);
}


static void
ngx_http_convo_pools_reply(void *data, const redisReply *reply)
{
    ngx_http_convo_pools_call_t *call = data;

    ngx_connection_t            *c;
    ngx_http_request_t          *r;
    ngx_http_convo_pool_t       *pool;
    ngx_http_convo_pools_ctx_t  *ctx;

    ctx = call->ctx;
    r = ctx->request;
    c = r->connection;
    pool = ctx->pools.elts;

    if (reply != NULL && reply->type == REDIS_REPLY_ARRAY) {
        ngx_http_convo_pools_read(&pool[call->index], reply);

    } else {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "convo metrics: pool \"%V\" is not known: %s",
                      &pool[call->index].name,
                      reply != NULL && reply->type == REDIS_REPLY_ERROR
                          ? reply->str : "no answer");
    }

    if (--ctx->waiting == 0) {
        ngx_http_finalize_request(r, ctx->handler(r, &ctx->pools));
        ngx_http_run_posted_requests(c);
    }
}


/* a flat list of names and values, in any order */

static void
ngx_http_convo_pools_read(ngx_http_convo_pool_t *pool,
    const redisReply *reply)
{
    size_t             i;
    ngx_uint_t         n;
    const redisReply  *name;

    pool->known = 1;

    for (i = 0; i + 1 < reply->elements; i += 2) {

        name = reply->element[i];

        if (name->type != REDIS_REPLY_STRING) {
            continue;
        }

        for (n = 0; n < NGX_HTTP_CONVO_POOL_VALUES; n++) {
            if (ngx_strcmp(name->str, ngx_http_convo_pools_names[n]) == 0) {
                pool->values[n] = ngx_http_convo_pools_number(
                                      reply->element[i + 1]);
            }
        }
    }
}


/* counts are integers, what a hash holds is a string, with a fraction even */

static int64_t
ngx_http_convo_pools_number(const redisReply *value)
{
    ngx_int_t  n;
    ngx_str_t  digits;

    if (value->type == REDIS_REPLY_INTEGER) {
        return value->integer;
    }

    if (value->type != REDIS_REPLY_STRING) {
        return 0;
    }

    digits.data = (u_char *) value->str;
    digits.len = strcspn(value->str, ".");

    n = ngx_atoi(digits.data, digits.len);

    return (n == NGX_ERROR) ? 0 : n;
}


char *
ngx_http_convo_pools_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t from, ngx_array_t **names)
{
    ngx_str_t   *value, *name;
    ngx_uint_t   i;

    *names = NULL;

    if (cf->args->nelts <= from) {
        return NGX_CONF_OK;
    }

    if (cf->args->nelts - from > NGX_HTTP_CONVO_POOLS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" names %ui pools, expected at most %d",
                           &cmd->name, cf->args->nelts - from,
                           NGX_HTTP_CONVO_POOLS_MAX);
        return NGX_CONF_ERROR;
    }

    *names = ngx_array_create(cf->pool, cf->args->nelts - from,
                              sizeof(ngx_str_t));
    if (*names == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = from; i < cf->args->nelts; i++) {

        if (!convo_is_pool((char *) value[i].data, value[i].len)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" has the pool \"%V\", expected 1 to %d "
                               "of a-z, 0-9 and \"-\"", &cmd->name,
                               &value[i], CONVO_POOL_MAX);
            return NGX_CONF_ERROR;
        }

        name = ngx_array_push(*names);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}
