
/*
 * Who is here; contracts and reasons are in ngx_http_convo_presence.h.
 *
 * Users stand in pools (of one Redis), as a script stays in one pool.  A user
 * is in its pool's tree by key and in one of its queues: "here", or "gone"
 * from the last leave() until the mark is sent, in the same turn of the event
 * loop, with all others that left in it.  The timer runs while somebody is
 * here and is cancelable: it is the streams that hold a process that is to
 * end.
 */


#include "ngx_http_convo_presence.h"
#include "ngx_http_convo_session.h"


/* users in one script, so that none keeps Redis busy for long */

#define NGX_HTTP_CONVO_PRESENCE_BATCH      500

#define NGX_HTTP_CONVO_PRESENCE_TICK       1000   /* looks whether to end */
#define NGX_HTTP_CONVO_PRESENCE_TOUCH      10     /* ticks between touches */

/* over which time the streams of a process that ends are spread, ms */

#define NGX_HTTP_CONVO_PRESENCE_SPREAD     5000


typedef struct {
    ngx_queue_t                       queue;
    ngx_http_convo_redis_t           *redis;
    ngx_queue_t                       here;
    ngx_queue_t                       gone;
    ngx_rbtree_t                      users;    /* by key */
    ngx_rbtree_node_t                 sentinel;
    ngx_uint_t                        nusers;
    size_t                            len;
    u_char                            name[CONVO_POOL_MAX];
} ngx_http_convo_presence_pool_t;


struct ngx_http_convo_presence_user_s {
    ngx_str_node_t                    key;      /* first, for the tree */
    ngx_queue_t                       queue;
    ngx_http_convo_presence_pool_t   *pool;
    ngx_uint_t                        count;    /* presences */
    unsigned                          waits:1;
    u_char                            text[1];
};


typedef struct {
    ngx_queue_t                       pools;
    ngx_queue_t                       all;      /* presences */
    ngx_event_t                       tick;
    ngx_event_t                       farewell;
    ngx_uint_t                        ticks;
} ngx_http_convo_presence_registry_t;


static ngx_http_convo_presence_pool_t *ngx_http_convo_presence_pool(
    const ngx_http_convo_caller_t *caller);
static ngx_http_convo_presence_user_t *ngx_http_convo_presence_user(
    ngx_http_convo_presence_pool_t *pool, const ngx_str_t *key);
static void ngx_http_convo_presence_forget(
    ngx_http_convo_presence_user_t *user);
static void ngx_http_convo_presence_forget_pool(
    ngx_http_convo_presence_pool_t *pool);

static void ngx_http_convo_presence_tick(ngx_event_t *ev);
static void ngx_http_convo_presence_end_all(void);
static void ngx_http_convo_presence_touch_all(void);
static void ngx_http_convo_presence_farewell(ngx_event_t *ev);
static void ngx_http_convo_presence_send(
    ngx_http_convo_presence_pool_t *pool, ngx_queue_t *users, u_char alive);
static void ngx_http_convo_presence_send_batch(
    ngx_http_convo_presence_pool_t *pool, const ngx_str_t *keys,
    ngx_uint_t n, u_char alive);
static void ngx_http_convo_presence_sent(void *data, const redisReply *reply);


static ngx_http_convo_presence_registry_t  ngx_http_convo_presences;


void
ngx_http_convo_presence_init(ngx_log_t *log)
{
    ngx_http_convo_presence_registry_t  *all;

    static ngx_connection_t  dummy;     /* for NGINX's debug log of timers */

    all = &ngx_http_convo_presences;

    ngx_memzero(all, sizeof(ngx_http_convo_presence_registry_t));

    dummy.fd = (ngx_socket_t) -1;

    ngx_queue_init(&all->pools);
    ngx_queue_init(&all->all);

    all->tick.handler = ngx_http_convo_presence_tick;
    all->tick.data = &dummy;
    all->tick.log = log;
    all->tick.cancelable = 1;

    all->farewell.handler = ngx_http_convo_presence_farewell;
    all->farewell.data = &dummy;
    all->farewell.log = log;
}


ngx_int_t
ngx_http_convo_presence_enter(ngx_http_convo_presence_t *presence,
    const ngx_http_convo_caller_t *caller,
    ngx_http_convo_presence_end_pt end, void *data)
{
    ngx_http_convo_presence_pool_t  *pool;
    ngx_http_convo_presence_user_t  *user;

    pool = ngx_http_convo_presence_pool(caller);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    user = ngx_http_convo_presence_user(pool, &caller->key);
    if (user == NULL) {
        ngx_http_convo_presence_forget_pool(pool);
        return NGX_ERROR;
    }

    user->count++;

    presence->user = user;
    presence->end = end;
    presence->data = data;
    presence->told = 0;

    ngx_queue_insert_tail(&ngx_http_convo_presences.all, &presence->queue);

    if (!ngx_http_convo_presences.tick.timer_set) {
        ngx_add_timer(&ngx_http_convo_presences.tick,
                      NGX_HTTP_CONVO_PRESENCE_TICK);
    }

    return NGX_OK;
}


void
ngx_http_convo_presence_waits(ngx_http_convo_presence_t *presence,
    ngx_uint_t waits)
{
    if (presence->user) {
        presence->user->waits = waits ? 1 : 0;
    }
}


void
ngx_http_convo_presence_leave(ngx_http_convo_presence_t *presence,
    ngx_uint_t client_went)
{
    ngx_http_convo_presence_user_t  *user;

    user = presence->user;

    if (user == NULL) {
        return;
    }

    presence->user = NULL;
    ngx_queue_remove(&presence->queue);

    if (--user->count) {
        return;
    }

    if (!client_went || !user->waits || ngx_exiting) {
        ngx_http_convo_presence_forget(user);
        return;
    }

    ngx_queue_remove(&user->queue);
    ngx_queue_insert_tail(&user->pool->gone, &user->queue);

    ngx_post_event(&ngx_http_convo_presences.farewell, &ngx_posted_events);
}


/* The caller's pool, made where it is new.  Pools are few. */

static ngx_http_convo_presence_pool_t *
ngx_http_convo_presence_pool(const ngx_http_convo_caller_t *caller)
{
    ngx_queue_t                     *q, *pools;
    ngx_http_convo_presence_pool_t  *pool;

    pools = &ngx_http_convo_presences.pools;

    for (q = ngx_queue_head(pools);
         q != ngx_queue_sentinel(pools);
         q = ngx_queue_next(q))
    {
        pool = ngx_queue_data(q, ngx_http_convo_presence_pool_t, queue);

        if (pool->redis == caller->redis && pool->len == caller->pool.len
            && ngx_memcmp(pool->name, caller->pool.data, pool->len) == 0)
        {
            return pool;
        }
    }

    pool = ngx_calloc(sizeof(ngx_http_convo_presence_pool_t), ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    pool->redis = caller->redis;
    pool->len = caller->pool.len;
    ngx_memcpy(pool->name, caller->pool.data, pool->len);

    ngx_queue_init(&pool->here);
    ngx_queue_init(&pool->gone);
    ngx_rbtree_init(&pool->users, &pool->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_insert_tail(pools, &pool->queue);

    return pool;
}


/* The user of that key, made where it is new, taken back where it was gone. */

static ngx_http_convo_presence_user_t *
ngx_http_convo_presence_user(ngx_http_convo_presence_pool_t *pool,
    const ngx_str_t *key)
{
    uint32_t                         hash;
    ngx_str_t                        name;
    ngx_http_convo_presence_user_t  *user;

    name = *key;
    hash = ngx_crc32_short(name.data, name.len);

    user = (ngx_http_convo_presence_user_t *)
               ngx_str_rbtree_lookup(&pool->users, &name, hash);

    if (user) {
        ngx_queue_remove(&user->queue);
        ngx_queue_insert_tail(&pool->here, &user->queue);
        return user;
    }

    user = ngx_calloc(offsetof(ngx_http_convo_presence_user_t, text)
                      + key->len, ngx_cycle->log);
    if (user == NULL) {
        return NULL;
    }

    ngx_memcpy(user->text, key->data, key->len);

    user->key.str.data = user->text;
    user->key.str.len = key->len;
    user->key.node.key = hash;
    user->pool = pool;

    ngx_rbtree_insert(&pool->users, &user->key.node);
    ngx_queue_insert_tail(&pool->here, &user->queue);
    pool->nusers++;

    return user;
}


static void
ngx_http_convo_presence_forget(ngx_http_convo_presence_user_t *user)
{
    ngx_http_convo_presence_pool_t  *pool;

    pool = user->pool;

    ngx_queue_remove(&user->queue);
    ngx_rbtree_delete(&pool->users, &user->key.node);
    ngx_free(user);
    pool->nusers--;

    ngx_http_convo_presence_forget_pool(pool);
}


static void
ngx_http_convo_presence_forget_pool(ngx_http_convo_presence_pool_t *pool)
{
    if (pool->nusers == 0) {
        ngx_queue_remove(&pool->queue);
        ngx_free(pool);
    }
}


static void
ngx_http_convo_presence_tick(ngx_event_t *ev)
{
    if (ngx_exiting) {
        ngx_http_convo_presence_end_all();
    }

    if (++ngx_http_convo_presences.ticks % NGX_HTTP_CONVO_PRESENCE_TOUCH
        == 0)
    {
        ngx_http_convo_presence_touch_all();
    }

    if (!ngx_queue_empty(&ngx_http_convo_presences.all)) {
        ngx_add_timer(ev, NGX_HTTP_CONVO_PRESENCE_TICK);
    }
}


/* None of them leaves while it is told: each sets its own timer. */

static void
ngx_http_convo_presence_end_all(void)
{
    ngx_msec_t                  within;
    ngx_queue_t                *q, *all;
    ngx_core_conf_t            *ccf;
    ngx_http_convo_presence_t  *presence;

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    within = NGX_HTTP_CONVO_PRESENCE_SPREAD;

    if (ccf->shutdown_timeout) {
        /* worker_shutdown_timeout: half of it is left for the last writes */
        within = ngx_min(within, ccf->shutdown_timeout / 2);
    }

    all = &ngx_http_convo_presences.all;

    for (q = ngx_queue_head(all);
         q != ngx_queue_sentinel(all);
         q = ngx_queue_next(q))
    {
        presence = ngx_queue_data(q, ngx_http_convo_presence_t, queue);

        if (!presence->told) {
            presence->told = 1;
            presence->end(presence->data, within);
        }
    }
}


static void
ngx_http_convo_presence_touch_all(void)
{
    ngx_queue_t                     *q, *pools;
    ngx_http_convo_presence_pool_t  *pool;

    pools = &ngx_http_convo_presences.pools;

    for (q = ngx_queue_head(pools);
         q != ngx_queue_sentinel(pools);
         q = ngx_queue_next(q))
    {
        pool = ngx_queue_data(q, ngx_http_convo_presence_pool_t, queue);

        ngx_http_convo_presence_send(pool, &pool->here, '1');
    }
}


/* Before a client that went can be back anywhere: its read has to come last. */

static void
ngx_http_convo_presence_farewell(ngx_event_t *ev)
{
    ngx_queue_t                     *q, *next, *pools;
    ngx_http_convo_presence_pool_t  *pool;
    ngx_http_convo_presence_user_t  *user;

    pools = &ngx_http_convo_presences.pools;

    for (q = ngx_queue_head(pools); q != ngx_queue_sentinel(pools); q = next) {

        next = ngx_queue_next(q);
        pool = ngx_queue_data(q, ngx_http_convo_presence_pool_t, queue);

        if (ngx_queue_empty(&pool->gone)) {
            continue;
        }

        if (!ngx_exiting) {
            ngx_http_convo_presence_send(pool, &pool->gone, '0');
        }

        /* the pool goes with its last user: it counts as one more meanwhile */
        pool->nusers++;

        while (!ngx_queue_empty(&pool->gone)) {
            user = ngx_queue_data(ngx_queue_head(&pool->gone),
                                  ngx_http_convo_presence_user_t, queue);
            ngx_http_convo_presence_forget(user);
        }

        pool->nusers--;
        ngx_http_convo_presence_forget_pool(pool);
    }
}


static void
ngx_http_convo_presence_send(ngx_http_convo_presence_pool_t *pool,
    ngx_queue_t *users, u_char alive)
{
    ngx_str_t                        keys[NGX_HTTP_CONVO_PRESENCE_BATCH];
    ngx_uint_t                       n;
    ngx_queue_t                     *q;
    ngx_http_convo_presence_user_t  *user;

    n = 0;

    for (q = ngx_queue_head(users);
         q != ngx_queue_sentinel(users);
         q = ngx_queue_next(q))
    {
        user = ngx_queue_data(q, ngx_http_convo_presence_user_t, queue);

        if (!user->waits) {
            continue;
        }

        keys[n++] = user->key.str;

        if (n == NGX_HTTP_CONVO_PRESENCE_BATCH) {
            ngx_http_convo_presence_send_batch(pool, keys, n, alive);
            n = 0;
        }
    }

    if (n) {
        ngx_http_convo_presence_send_batch(pool, keys, n, alive);
    }
}


/* A failure is no harm: the next touch comes in ten seconds. */

static void
ngx_http_convo_presence_send_batch(ngx_http_convo_presence_pool_t *pool,
    const ngx_str_t *keys, ngx_uint_t n, u_char alive)
{
    ngx_str_t    args[1 + NGX_HTTP_CONVO_PRESENCE_BATCH];
    ngx_uint_t   i;
    ngx_pool_t  *memory;

    ngx_str_set(&args[0], NGX_HTTP_CONVO_SESSION_SILENT_MS);

    for (i = 1; i <= n; i++) {
        args[i].data = &alive;
        args[i].len = 1;
    }

    memory = ngx_create_pool(NGX_MIN_POOL_SIZE, ngx_cycle->log);
    if (memory == NULL) {
        return;
    }

    if (ngx_http_convo_redis_eval(pool->redis, memory, CONVO_SCRIPT_TOUCH,
                                  keys, n, args, n + 1,
                                  ngx_http_convo_presence_sent, memory)
        != NGX_OK)
    {
        ngx_destroy_pool(memory);
    }
}


static void
ngx_http_convo_presence_sent(void *data, const redisReply *reply)
{
    ngx_pool_t *memory = data;

    if (reply && reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_ERR, memory->log, 0,
                      "convo events: touch: redis answered \"%*s\"",
                      ngx_min(reply->len, NGX_MAX_ERROR_STR / 8), reply->str);
    }

    ngx_destroy_pool(memory);
}
