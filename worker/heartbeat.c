/*
 * The job that says that a worker is there: every 5 s it opens each pool
 * (schema, run_id of Redis, consumer groups, readiness) and renews its mark,
 * which lasts 15 s.
 *
 * Crash story.  It holds nothing; when no worker beats, the mark goes and the
 * edge's /readyz says so.
 *
 * A Redis that has no pool while the store has sessions is a fresh one that
 * lost its data: it is served at once, as its users want to talk, and the log
 * says what it does not know.  Data of a newer layout is not touched: the
 * worker stops.
 */

#include "jobs.h"
#include "log.h"
#include "redis.h"
#include "stop.h"
#include "store.h"

#include <string.h>

#define BEAT_MS 5000
#define ALIVE_S 15

/* Workers of a group that have been silent for longer are forgotten. */
#define CONSUMER_IDLE_MS (3600 * 1000)

#define EXIT_NEWER 1

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_store_t *store;
    unsigned long connects; /* when run_id was asked for */
    char run_id[CONVO_RUN_ID_MAX + 1];
} heartbeat_t;


/* 1: the pool is known to Redis, 0: it is not, -1: Redis is down. */
static int
is_known(heartbeat_t *self, const convo_pool_t *pool)
{
    convo_redis_begin(self->redis);
    convo_redis_command(self->redis, "EXISTS");
    convo_redis_key(self->redis, pool, CONVO_KEY_READY, NULL, 0);

    if (convo_redis_run(self->redis) != 0) {
        return -1;
    }

    return convo_reply_int(convo_redis_reply(self->redis, 0)) == 1;
}


static void
tell_fresh(heartbeat_t *self, const convo_pool_t *pool)
{
    int64_t count = self->store->count(self->store);

    if (count < 0) {
        convo_log(CONVO_LOG_WARN, "heartbeat",
                  "pool %s is new to Redis; the store does not answer: %s",
                  pool->name, self->store->error);

    } else if (count > 0) {
        convo_log(CONVO_LOG_WARN, "heartbeat",
                  "pool %s is new to Redis, but the store keeps %d sessions: "
                  "points spent, meetings and histories of before are not "
                  "known to Redis",
                  pool->name, (int) count);

    } else {
        convo_log(CONVO_LOG_INFO, "heartbeat", "pool %s is new", pool->name);
    }
}


static int
open_pool(heartbeat_t *self, const convo_pool_t *pool)
{
    convo_redis_t *redis = self->redis;
    const redisReply *reply;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_OPEN_POOL);
    convo_redis_key(redis, pool, CONVO_KEY_READY, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_SCHEMA, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_ALIVE, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_LIVEKIT, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_ENDED, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_REPORTS, NULL, 0);
    convo_redis_str(redis, self->run_id);
    convo_redis_str(redis, CONVO_GROUP);
    convo_redis_int(redis, ALIVE_S);
    convo_redis_str(redis, "1");

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    reply = convo_redis_reply(redis, 0);

    if (convo_reply_is(reply, "newer")) {
        convo_log(CONVO_LOG_ERROR, "heartbeat",
                  "pool %s: its data is of a newer release: stopping",
                  pool->name);
        convo_stop(EXIT_NEWER);
        return -1;
    }

    return convo_reply_failed(reply, "heartbeat", "open_pool") ? -1 : 0;
}


static int
forget_consumers(heartbeat_t *self, const convo_pool_t *pool)
{
    static const char *const streams[] = { CONVO_KEY_LIVEKIT, CONVO_KEY_ENDED,
                                           CONVO_KEY_REPORTS };
    convo_redis_t *redis = self->redis;

    convo_redis_begin(redis);

    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        convo_redis_script(redis, CONVO_SCRIPT_FORGET_CONSUMERS);
        convo_redis_key(redis, pool, streams[i], NULL, 0);
        convo_redis_str(redis, CONVO_GROUP);
        convo_redis_int(redis, CONSUMER_IDLE_MS);
    }

    return convo_redis_run(redis);
}


/* Opens every pool: 0, or -1 when one of them could not be. */
static int
beat(heartbeat_t *self)
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

    for (size_t i = 0; i < self->config->npools; i++) {
        const convo_pool_t *pool = &self->config->pools[i];
        int known = is_known(self, pool);

        if (known == 0) {
            tell_fresh(self, pool);
        }
        if (known < 0 || open_pool(self, pool) != 0
            || forget_consumers(self, pool) != 0)
        {
            return -1;
        }
    }

    return 0;
}


static void
begin(heartbeat_t *self, const convo_config_t *config)
{
    memset(self, 0, sizeof(*self));
    self->config = config;
    self->redis = convo_redis_new(config, "heartbeat");
    self->store = convo_store_new(config);
}


static void
end(heartbeat_t *self)
{
    convo_redis_free(self->redis);
    self->store->close(self->store);
}


int
convo_heartbeat_first(const convo_config_t *config)
{
    heartbeat_t self;
    int result = -1;

    begin(&self, config);

    while (result != 0 && !convo_stopping()) {
        result = beat(&self);
        if (result != 0) {
            convo_stop_wait(200);
        }
    }

    end(&self);

    return result;
}


void
convo_heartbeat(const convo_config_t *config)
{
    heartbeat_t self;

    begin(&self, config);

    while (!convo_stopping()) {
        convo_stop_wait(beat(&self) == 0 ? BEAT_MS : 200);
    }

    end(&self);
}
