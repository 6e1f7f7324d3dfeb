/*
 * The job that keeps the store's users as Redis has them: each change of a
 * user puts them into their pool's "dirty", and this writes them from there.
 *
 * Crash story.  A user is taken for a lease and leaves the set only when the
 * store has the very version that Redis still has; killed or changed in
 * between, they come again, and the store keeps the newest.  A Redis that was
 * started anew may have older data, which must not take the place of what the
 * store has: nobody is taken before "restore" has read that.  Store down: the
 * set grows by who changes and no further, and the job tries again with
 * back-off.
 * A member that is no user, one whose hash is damaged, or one whose record the
 * store will never take, becomes a dead letter.
 */

#include "backoff.h"
#include "dead.h"
#include "jobs.h"
#include "log.h"
#include "pools.h"
#include "records.h"
#include "stop.h"
#include "store.h"

#include <stdlib.h>
#include <string.h>

/* How many users are written at once. */
#define BATCH 100

/* How often the sets are looked at when nobody was due: who changes several
 * times within it is written once. */
#define INTERVAL_MS 500

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LIMIT_MS 15000

typedef struct {
    char sub[CONVO_USER_MAX];
    size_t len;
    int found; /* 1: read; 0: Redis has forgotten them; -1: damaged or, once
                * it is buried, refused */
    int64_t version;
} dirty_t;

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_store_t *store;
    convo_run_t run;
    convo_backoff_t backoff;
    int failed; /* the store, in this pass */
    size_t n;
    dirty_t dirty[BATCH];
    size_t nusers;
    convo_store_user_t users[BATCH];
    char refused[BATCH]; /* of users[] */
} users_t;


/* --- which --- */

/* Takes those that are due into dirty[]: 0, or -1. */
static int
take_due(users_t *self, const convo_pool_t *pool)
{
    convo_redis_t *redis = self->redis;
    const redisReply *reply;
    convo_dead_t strange = { 0 };

    self->n = 0;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_TAKE_DIRTY);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
    convo_redis_int(redis, BATCH);
    convo_redis_int(redis, self->config->lease_ms);
    convo_redis_str(redis, self->run.run_id);

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    reply = convo_redis_reply(redis, 0);
    if (convo_reply_failed(reply, "users", "take_dirty")
        || !convo_reply_is_array(reply, 0))
    {
        return 0;
    }

    for (size_t i = 0; i < reply->elements && self->n < BATCH; i++) {
        const redisReply *member = reply->element[i];

        if (member->type == REDIS_REPLY_STRING && member->len > 0
            && member->len <= CONVO_USER_MAX)
        {
            memcpy(self->dirty[self->n].sub, member->str, member->len);
            self->dirty[self->n++].len = member->len;
        } else if (member->type == REDIS_REPLY_STRING) {
            convo_dead_add(&strange, member->str, member->len);
        }
    }

    (void) convo_dead_bury(&strange, redis, pool, CONVO_KEY_DIRTY, "no user");

    return 0;
}


/* --- what --- */

/* Reads their hashes into users[]; found says of each what was there. */
static int
read_users(users_t *self, const convo_pool_t *pool)
{
    convo_redis_t *redis = self->redis;
    int64_t now;

    self->nusers = 0;

    convo_redis_begin(redis);
    convo_redis_command(redis, "TIME");
    for (size_t i = 0; i < self->n; i++) {
        convo_records_ask_user(redis, pool, self->dirty[i].sub,
                               self->dirty[i].len);
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    now = convo_reply_time(convo_redis_reply(redis, 0));

    for (size_t i = 0; i < self->n; i++) {
        dirty_t *dirty = &self->dirty[i];
        convo_store_user_t *user = &self->users[self->nusers];

        dirty->found = convo_records_user(convo_redis_reply(redis, i + 1),
                                          pool, dirty->sub, dirty->len, now,
                                          user);
        if (dirty->found == 1) {
            dirty->version = user->version;
            self->nusers++;
        }
    }

    return 0;
}


/* What cannot be buried now comes again. */
static void
bury_damaged(users_t *self, const convo_pool_t *pool)
{
    convo_dead_t damaged = { 0 };

    for (size_t i = 0; i < self->n; i++) {
        if (self->dirty[i].found < 0) {
            convo_dead_add(&damaged, self->dirty[i].sub, self->dirty[i].len);
        }
    }

    (void) convo_dead_bury(&damaged, self->redis, pool, CONVO_KEY_DIRTY,
                           "the user is damaged");
}


/* --- done --- */

/* Those whom the store will never take: they hold up nobody. */
static void
bury_refused(users_t *self, const convo_pool_t *pool)
{
    convo_dead_t refused = { 0 };
    size_t user = 0;

    for (size_t i = 0; i < self->n; i++) {
        dirty_t *dirty = &self->dirty[i];

        if (dirty->found == 1 && self->refused[user++]) {
            convo_dead_add(&refused, dirty->sub, dirty->len);
            dirty->found = -1;
        }
    }

    (void) convo_dead_bury(&refused, self->redis, pool, CONVO_KEY_DIRTY,
                           "the store refuses the user");
}


/* Those who have not changed since leave the set. */
static int
settle(users_t *self, const convo_pool_t *pool)
{
    convo_redis_t *redis = self->redis;

    convo_redis_begin(redis);

    for (size_t i = 0; i < self->n; i++) {
        const dirty_t *dirty = &self->dirty[i];

        if (dirty->found >= 0) {
            convo_redis_script(redis, CONVO_SCRIPT_SAVED);
            convo_redis_key(redis, pool, CONVO_KEY_USER, dirty->sub,
                            dirty->len);
            convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
            convo_redis_arg(redis, dirty->sub, dirty->len);
            convo_redis_int(redis, dirty->found == 1 ? dirty->version : 0);
        }
    }

    if (convo_redis_calls(redis) == 0) {
        return 0;
    }
    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < convo_redis_calls(redis); i++) {
        convo_reply_failed(convo_redis_reply(redis, i), "users", "saved");
    }

    return 0;
}


/* One batch of a pool: how many were due; -1 when Redis is down or the store
 * takes nothing. */
static int64_t
write_pool(users_t *self, const convo_pool_t *pool)
{
    if (take_due(self, pool) != 0) {
        return -1;
    }
    if (self->n == 0) {
        return 0;
    }
    if (read_users(self, pool) != 0) {
        return -1;
    }

    bury_damaged(self, pool);
    memset(self->refused, 0, sizeof(self->refused));

    if (self->nusers > 0
        && self->store->put_users(self->store, self->users, self->nusers,
                                  self->refused)
               != 0)
    {
        convo_log(CONVO_LOG_WARN, "users",
                  "pool %s: the store takes nothing now, %zu or more wait: %s",
                  pool->name, self->nusers, self->store->error);
        self->failed = 1;
        return -1;
    }

    convo_backoff_reset(&self->backoff);
    convo_log(CONVO_LOG_DEBUG, "users", "pool %s: %zu users stored",
              pool->name, self->nusers);
    bury_refused(self, pool);

    return settle(self, pool) == 0 ? (int64_t) self->n : -1;
}


/* --- the job --- */

/* One batch of each pool: 1 when there may be more at once. */
static int
pass(users_t *self)
{
    int more = 0;

    self->failed = 0;

    for (size_t i = 0; i < self->config->npools && !convo_stopping(); i++) {
        if (convo_run_know(&self->run, self->redis) != 0) {
            return 1; /* it has waited already */
        }
        more |= write_pool(self, &self->config->pools[i]) == BATCH;
    }

    return more;
}


void
convo_users(const convo_config_t *config)
{
    users_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, "users", "out of memory");
        abort();
    }

    self->config = config;
    self->redis = convo_redis_new(config, "users");
    self->store = convo_store_new(config);
    self->backoff.first_ms = BACKOFF_FIRST_MS;
    self->backoff.limit_ms = BACKOFF_LIMIT_MS;

    while (!convo_stopping()) {
        int more = pass(self);

        if (self->failed) {
            convo_stop_wait(convo_backoff_next(&self->backoff));
        } else if (!more) {
            convo_stop_wait(INTERVAL_MS);
        }
    }

    convo_redis_free(self->redis);
    self->store->close(self->store);
    free(self);
}
