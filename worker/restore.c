/*
 * The job that fills a Redis that has lost its data (or is a new one) from the
 * store, and only then lets its pools be served: what the store knows of each
 * user, whom they are never paired with, and their last sessions.
 *
 * Crash story.  One worker at a time restores a pool, under a lease that it
 * renews, also while the store takes its time; killed at any moment, another
 * begins again when the lease is over.  Who has lost the lease (it hung, or
 * Redis was emptied once more) opens no pool, and begins again from the start.
 * Restoring twice is restoring once: a user whom Redis knows of a later time
 * is left alone, and so is a history that is there.
 *
 * The store is read once for all pools that are to be restored, in batches
 * that are written to Redis as they come: memory does not grow with the store.
 * How it fails: while the store does not answer, such a pool stays closed (the
 * edge answers 503 "restoring") and the log says so; pools that are ready are
 * served all the time.
 */

#include "backoff.h"
#include "jobs.h"
#include "log.h"
#include "pools.h"
#include "redis.h"
#include "stop.h"
#include "store.h"

#include "convo_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How often pools are looked at. */
#define INTERVAL_MS 1000

/* Users written to Redis at once. */
#define BATCH 100

/* Blocked users in one call of the script. */
#define BLOCKED_MAX 1000

/* A session that began longer ago is kept by no store. */
#define KEPT_S (91 * 86400)

/* What a JSON text of a session takes. */
#define ENTRY_MAX 256

/* Why a lease is nobody's. */
#define LOST "it was over, or Redis was emptied"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LIMIT_MS 15000

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_backoff_t backoff;
    convo_store_t *users;    /* being read through */
    convo_store_t *sessions; /* asked meanwhile, as users is busy */
    unsigned long connects;  /* when run_id was asked for */
    char run_id[CONVO_RUN_ID_MAX + 1];

    int mine[CONVO_CONFIG_POOLS];       /* being restored by this worker */
    int64_t count[CONVO_CONFIG_POOLS];  /* users, for the log */
    int told[CONVO_CONFIG_POOLS];       /* that it is being restored */
    int64_t now_s;
    int64_t renewed_ms; /* monotonic */
    const char *cut;    /* why the reading was ended, or NULL */

    size_t n;
    struct {
        char id[CONVO_USER_MAX + 1];
        size_t pool;
    } batch[BATCH]; /* whose sessions come next */
} restore_t;


static int64_t
monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


/* Replies of calls that were refused are told, and the rest goes on. */
static int
run_calls(restore_t *self, const char *what)
{
    convo_redis_t *redis = self->redis;

    if (convo_redis_calls(redis) == 0) {
        return 0;
    }

    if (convo_redis_run(redis) != 0) {
        self->cut = "Redis is away";
        return -1;
    }

    for (size_t i = 0; i < convo_redis_calls(redis); i++) {
        convo_reply_failed(convo_redis_reply(redis, i), "restore", what);
    }

    return 0;
}


/* --- the lease --- */

/* The pool is not ours any more; when nobody has it we shall begin again. */
static void
lose(restore_t *self, size_t index, const char *why)
{
    convo_log(CONVO_LOG_WARN, "restore",
              "pool %s: the lease to restore it was lost: %s",
              self->config->pools[index].name, why);
    self->mine[index] = 0;
    self->told[index] = 0;
}


static const char *
why_lost(const redisReply *reply)
{
    return convo_reply_is(reply, "ready")   ? "another worker has done it"
           : convo_reply_is(reply, "other") ? "another worker does it"
           : convo_reply_is(reply, "lost")  ? LOST
                                            : "Redis refused it";
}


/*
 * Takes the lease of every pool that is not ready, or renews (renew) that of
 * those that are ours already, and sets mine[].  How many are ours, or -1.
 */
static int
take_leases(restore_t *self, int renew)
{
    const convo_config_t *config = self->config;
    convo_redis_t *redis = self->redis;
    size_t call = 0;
    int n = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < config->npools; i++) {
        if (renew && !self->mine[i]) {
            continue;
        }

        convo_redis_script(redis, CONVO_SCRIPT_RESTORE_LEASE);
        convo_redis_key(redis, &config->pools[i], CONVO_KEY_READY, NULL, 0);
        convo_redis_key(redis, &config->pools[i], CONVO_KEY_RESTORING, NULL,
                        0);
        convo_redis_str(redis, config->name);
        convo_redis_int(redis, config->lease_ms);
        convo_redis_str(redis, renew ? "1" : "0");
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < config->npools; i++) {
        const redisReply *reply;

        if (renew && !self->mine[i]) {
            continue;
        }

        reply = convo_redis_reply(redis, call++);
        convo_reply_failed(reply, "restore", "restore_lease");
        self->mine[i] = convo_reply_is(reply, "mine");
        if (renew && !self->mine[i]) {
            lose(self, i, why_lost(reply));
        }
        n += self->mine[i];
    }

    self->renewed_ms = monotonic_ms();

    return n;
}


/*
 * Renews the leases when it is time, after the calls (what) that were collected
 * so far: 0, or -1 when there is nothing left to restore, or Redis is away.
 */
static int
keep_leases(restore_t *self, const char *what)
{
    int n;

    if (monotonic_ms() - self->renewed_ms < self->config->lease_ms / 3) {
        return 0;
    }

    if (run_calls(self, what) != 0) {
        return -1;
    }

    n = take_leases(self, 1);
    if (n <= 0) {
        self->cut = n < 0 ? "Redis is away" : "the lease was lost";
        return -1;
    }

    convo_redis_begin(self->redis);

    return 0;
}


/* --- users --- */

/* The index of the pool, or -1 when it is not being restored here. */
static int
pool_of(const restore_t *self, const char *name)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]
            && strcmp(self->config->pools[i].name, name) == 0)
        {
            return (int) i;
        }
    }

    return -1;
}


/* A window in which nothing was spent is none. */
static void
call_restore_user(restore_t *self, const convo_pool_t *pool,
                  const convo_store_user_t *user, const char *const *blocked,
                  size_t nblocked)
{
    convo_redis_t *redis = self->redis;
    size_t len = strlen(user->user_id);
    int open = user->spent > 0 && user->window_end > self->now_s;

    convo_redis_script(redis, CONVO_SCRIPT_RESTORE_USER);
    convo_redis_key(redis, pool, CONVO_KEY_USER, user->user_id, len);
    convo_redis_key(redis, pool, CONVO_KEY_BLOCKED, user->user_id, len);
    convo_redis_int(redis, user->version);
    convo_redis_int(redis, user->points);
    convo_redis_int(redis, open ? user->spent : 0);
    convo_redis_int(redis, open ? user->window_end : 0);
    convo_redis_int(redis, user->last_session);
    convo_redis_int(redis, user->banned_until);

    for (size_t i = 0; i < nblocked; i++) {
        convo_redis_str(redis, blocked[i]);
    }
}


/* --- their sessions --- */

/* As a script would have written it, but for the reason, which no store keeps;
 * of so many seconds each begun minute was paid. */
static void
add_entry(convo_redis_t *redis, const convo_store_session_t *session)
{
    char text[ENTRY_MAX];
    int n;

    n = snprintf(text, sizeof(text),
                 "{\"sessionId\":\"%s\",\"startTime\":%" PRId64
                 ",\"endTime\":%" PRId64 ",\"duration\":%" PRId64
                 ",\"pointsSpent\":%" PRId64 "}",
                 session->session_id, session->start_time, session->end_time,
                 session->duration, (session->duration + 59) / 60);

    convo_redis_arg(redis, text, (size_t) n);
}


static int
call_restore_history(restore_t *self, const convo_pool_t *pool, const char *id)
{
    convo_store_session_t sessions[CONVO_HISTORY_MAX];
    int64_t n;

    n = self->sessions->history_of(self->sessions, id, self->now_s, sessions,
                                   CONVO_HISTORY_MAX);
    if (n < 0) {
        self->cut = self->sessions->error;
        return -1;
    }
    if (n == 0) {
        return 0;
    }

    convo_redis_script(self->redis, CONVO_SCRIPT_RESTORE_HISTORY);
    convo_redis_key(self->redis, pool, CONVO_KEY_HISTORY, id, strlen(id));
    for (int64_t i = 0; i < n; i++) {
        add_entry(self->redis, &sessions[i]);
    }

    return 0;
}


/* Writes the batch: the users that were collected, then their sessions, each
 * of which the store may take its time for. */
static int
flush(restore_t *self)
{
    const convo_config_t *config = self->config;

    if (run_calls(self, "restore_user") != 0) {
        return -1;
    }

    convo_redis_begin(self->redis);
    for (size_t i = 0; i < self->n; i++) {
        if (keep_leases(self, "restore_history") != 0
            || call_restore_history(self,
                                    &config->pools[self->batch[i].pool],
                                    self->batch[i].id)
                   != 0)
        {
            return -1;
        }
    }

    if (run_calls(self, "restore_history") != 0) {
        return -1;
    }

    self->n = 0;
    if (convo_stopping()) {
        self->cut = "this worker stops";
        return -1;
    }

    convo_redis_begin(self->redis);

    return 0;
}


/* Those without are not asked for: a store far away takes its time for each.
 * Of a user who is known by blocks alone (version 0) nothing is said. */
static int
may_have_sessions(const restore_t *self, const convo_store_user_t *user)
{
    return user->version == 0
           || user->last_session > self->now_s - KEPT_S;
}


/* A ban holds in every pool, whichever one the user has joined in. */
static void
restore_ban(restore_t *self, const convo_store_user_t *user, int but)
{
    convo_store_user_t banned = {
        .banned_until = user->banned_until, .version = user->version,
    };

    if (user->banned_until <= self->now_s) {
        return;
    }

    strcpy(banned.user_id, user->user_id);

    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i] && (int) i != but) {
            call_restore_user(self, &self->config->pools[i], &banned, NULL, 0);
        }
    }
}


/* What the store knows of a user, into their pool. */
static void
restore_user(restore_t *self, size_t index, const convo_store_user_t *user,
             const char *const *blocked, size_t nblocked)
{
    size_t first = 0;

    self->count[index]++;

    do {
        size_t some = nblocked - first < BLOCKED_MAX ? nblocked - first
                                                     : BLOCKED_MAX;

        call_restore_user(self, &self->config->pools[index], user,
                          blocked + first, some);
        first += some;
    } while (first < nblocked);

    if (may_have_sessions(self, user)) {
        strcpy(self->batch[self->n].id, user->user_id);
        self->batch[self->n++].pool = index;
    }
}


static int
on_user(void *data, const convo_store_user_t *user,
        const char *const *blocked, size_t nblocked)
{
    restore_t *self = data;
    int index;

    if (keep_leases(self, "restore_user") != 0) {
        return -1;
    }

    index = pool_of(self, user->pool);
    restore_ban(self, user, index);

    if (index >= 0) {
        restore_user(self, (size_t) index, user, blocked, nblocked);
    }

    return self->n == BATCH || convo_redis_calls(self->redis) > 2 * BATCH
               ? flush(self)
               : 0;
}


/* --- the whole --- */

static void
tell_begin(restore_t *self)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i] && !self->told[i]) {
            convo_log(CONVO_LOG_INFO, "restore", "pool %s is new to Redis: "
                      "it is filled from the store",
                      self->config->pools[i].name);
            self->told[i] = 1;
        }
        self->count[i] = 0;
    }
}


static void
tell_failure(restore_t *self, const char *why)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]) {
            convo_log(CONVO_LOG_WARN, "restore",
                      "pool %s stays closed, it could not be restored: %s",
                      self->config->pools[i].name, why);
        }
    }
}


/* Reads the store through: 0 when all of it is in Redis, or -1. */
static int
fill(restore_t *self)
{
    int result;

    self->n = 0;
    self->cut = NULL;
    self->now_s = convo_redis_now(self->redis) / 1000;
    if (self->now_s <= 0) {
        self->cut = "Redis is away";
        return -1;
    }

    convo_redis_begin(self->redis);
    result = self->users->each_user(self->users, on_user, self);

    if (result != 0 && self->cut == NULL) {
        self->cut = self->users->error;
    }

    return self->cut == NULL ? flush(self) : -1;
}


static void
tell_done(const restore_t *self, size_t index, int64_t began_ms)
{
    const char *name = self->config->pools[index].name;

    if (self->count[index] == 0) {
        convo_log(CONVO_LOG_INFO, "restore",
                  "pool %s is ready: the store knows nobody of it", name);
    } else {
        convo_log(CONVO_LOG_WARN, "restore",
                  "pool %s is ready: %" PRId64 " users were restored in %"
                  PRId64 " ms", name, self->count[index],
                  monotonic_ms() - began_ms);
    }
}


/* Opens what has been filled: 0, or -1 when one could not be opened.  One that
 * is restoring still is not ours any more. */
static int
open_pools(restore_t *self, int64_t began_ms)
{
    int result = 0;

    for (size_t i = 0; i < self->config->npools; i++) {
        if (!self->mine[i]) {
            continue;
        }

        switch (convo_pool_open(self->redis, &self->config->pools[i],
                                self->run_id, self->config->name))
        {
        case CONVO_POOL_READY:
            self->mine[i] = 0;
            self->told[i] = 0;
            tell_done(self, i, began_ms);
            break;

        case CONVO_POOL_RESTORING:
            lose(self, i, LOST);
            result = -1;
            break;

        default:
            break;
        }
    }

    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]) {
            self->cut = "Redis does not open it";
            result = -1;
        }
    }

    return result;
}


/* Restores those that are ours: 0, or -1 when it is to be tried again. */
static int
restore(restore_t *self)
{
    int64_t began_ms = monotonic_ms();
    int result;

    tell_begin(self);

    self->users = convo_store_new(self->config);
    self->sessions = convo_store_new(self->config);

    result = fill(self);
    if (result == 0) {
        result = open_pools(self, began_ms);
    }
    if (result != 0) {
        tell_failure(self, self->cut);
    }

    self->users->close(self->users);
    self->sessions->close(self->sessions);

    return result;
}


/* Asks for Redis's name when the connection is a new one. */
static int
know_redis(restore_t *self)
{
    unsigned long connects;

    if (convo_redis_ready(self->redis) != 0) {
        return -1;
    }

    connects = convo_redis_connects(self->redis);
    if (self->connects != connects) {
        if (convo_redis_run_id(self->redis, self->run_id) != 0) {
            return -1;
        }
        self->connects = connects;
    }

    return 0;
}


void
convo_restore(const convo_config_t *config)
{
    restore_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, "restore", "out of memory");
        abort();
    }

    self->config = config;
    self->redis = convo_redis_new(config, "restore");
    self->backoff.first_ms = BACKOFF_FIRST_MS;
    self->backoff.limit_ms = BACKOFF_LIMIT_MS;

    while (!convo_stopping()) {
        int64_t wait_ms = INTERVAL_MS;

        if (know_redis(self) == 0 && take_leases(self, 0) > 0) {
            if (restore(self) == 0) {
                convo_backoff_reset(&self->backoff);
            } else {
                wait_ms = convo_backoff_next(&self->backoff);
            }
        }

        convo_stop_wait(wait_ms);
    }

    convo_redis_free(self->redis);
    free(self);
}
