/*
 * The leases of the job that restores; see restore.h.
 */

#include "restore.h"
#include "ban.h"
#include "log.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>


int64_t
convo_restore_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


void
convo_restore_lose(convo_restore_t *self, size_t index, const char *why)
{
    convo_log(CONVO_LOG_WARN, "restore",
              "pool %s: the lease to restore it was lost: %s",
              self->config->pools[index].name, why);
    self->mine[index] = 0;
    self->told[index] = 0;
}


void
convo_restore_tell(const convo_restore_t *self, size_t index, const char *why)
{
    const char *name = self->config->pools[index].name;

    if (self->open[index]) {
        convo_log(CONVO_LOG_WARN, "restore",
                  "pool %s: what the store knows could not be read again: %s",
                  name, why);
    } else {
        convo_log(CONVO_LOG_WARN, "restore",
                  "pool %s stays closed, it could not be restored: %s", name,
                  why);
    }
}


static const char *
why_lost(const redisReply *reply)
{
    return convo_reply_is(reply, "ready")   ? "another worker has done it"
           : convo_reply_is(reply, "other") ? "another worker does it"
           : convo_reply_is(reply, "lost")  ? CONVO_RESTORE_LOST
                                            : "Redis refused it";
}


static void
call_lease(convo_restore_t *self, size_t index, const char *renew)
{
    const convo_pool_t *pool = &self->config->pools[index];
    convo_redis_t *redis = self->redis;

    convo_redis_script(redis, CONVO_SCRIPT_RESTORE_LEASE);
    convo_redis_key(redis, pool, CONVO_KEY_READY, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RESTORING, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
    convo_redis_str(redis, self->config->name);
    convo_redis_int(redis, self->config->lease_ms);
    convo_redis_str(redis, renew);
    convo_redis_str(redis, self->run.run_id);
}


int
convo_restore_lease(convo_restore_t *self, int renew)
{
    const convo_config_t *config = self->config;
    convo_redis_t *redis = self->redis;
    size_t call = 0;
    int n = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < config->npools; i++) {
        if (!renew || self->mine[i]) {
            call_lease(self, i, renew ? "1" : "0");
        }
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
        self->again[i] = convo_reply_is(reply, "again");
        self->open[i] = self->again[i] || convo_reply_is(reply, "open");
        self->mine[i] = self->open[i] || convo_reply_is(reply, "mine");
        if (renew && !self->mine[i]) {
            convo_restore_lose(self, i, why_lost(reply));
        }
        n += self->mine[i];
    }

    self->renewed_ms = convo_restore_clock();

    return n;
}


void
convo_restore_give_back(convo_restore_t *self)
{
    convo_redis_begin(self->redis);

    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]) {
            call_lease(self, i, "end");
            self->mine[i] = 0;
        }
    }

    if (convo_redis_calls(self->redis) > 0) {
        (void) convo_redis_run(self->redis);
    }
}


/* Whom "restore_user" could not ban, as they are in a session; the replies go
 * with the next call. */
typedef struct {
    char sub[CONVO_USER_MAX];
    size_t len;
    int64_t until_ms;
} banned_t;


/* 1 when the reply names somebody, who is put into *banned. */
static size_t
take_banned(const redisReply *reply, banned_t *banned)
{
    const redisReply *sub;

    if (!convo_reply_is_array(reply, 2)) {
        return 0;
    }

    sub = reply->element[0];
    if (sub->type != REDIS_REPLY_STRING || sub->len > CONVO_USER_MAX) {
        return 0;
    }

    memcpy(banned->sub, sub->str, sub->len);
    banned->len = sub->len;
    banned->until_ms = convo_reply_int(reply->element[1]);

    return 1;
}


/* In every pool of ours, as a ban holds in all of them. */
static void
ban(const convo_restore_t *self, const banned_t *banned)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        const convo_pool_t *pool = &self->config->pools[i];

        if (self->mine[i]
            && convo_ban(self->redis, pool, banned->sub, banned->len,
                         banned->until_ms)
                   != CONVO_BAN_DONE)
        {
            convo_log(CONVO_LOG_WARN, "restore",
                      "pool %s: a ban could not be restored now", pool->name);
        }
    }
}


int
convo_restore_run(convo_restore_t *self, const char *what)
{
    convo_redis_t *redis = self->redis;
    size_t calls = convo_redis_calls(redis), n = 0;
    banned_t *banned;

    if (calls > 0 && convo_redis_run(redis) != 0) {
        self->cut = "Redis is away";
        return -1;
    }

    banned = calloc(calls + 1, sizeof(*banned));
    if (banned == NULL) {
        convo_log(CONVO_LOG_ERROR, "restore", "out of memory");
        abort();
    }

    for (size_t i = 0; i < calls; i++) {
        const redisReply *reply = convo_redis_reply(redis, i);

        convo_reply_failed(reply, "restore", what);
        n += take_banned(reply, &banned[n]);
    }

    for (size_t i = 0; i < n; i++) {
        ban(self, &banned[i]);
    }

    free(banned);
    convo_redis_begin(redis);

    return 0;
}


int
convo_restore_keep(convo_restore_t *self, const char *what)
{
    int n;

    if (convo_stopping()) {
        self->cut = "this worker stops";
        return -1;
    }

    if (convo_restore_clock() - self->renewed_ms < self->config->lease_ms / 6)
    {
        return 0;
    }

    if (convo_restore_run(self, what) != 0) {
        return -1;
    }

    n = convo_restore_lease(self, 1);
    if (n <= 0) {
        self->cut = n < 0 ? "Redis is away" : "the lease was lost";
        return -1;
    }

    convo_redis_begin(self->redis);

    return 0;
}
