/*
 * The job that says that a worker is there: every 5 s it opens each pool
 * (schema, run_id of Redis, consumer groups) and renews its mark, which lasts
 * 15 s.  When a pool may be served the job "restore" says.
 *
 * Each time this worker's beat in the pool grows.  Where it is below the one
 * that Redis had answered here before, Redis has lost data: the pool is closed
 * by that very script until it is restored.
 *
 * Crash story.  It holds nothing but the beats; when no worker beats, the mark
 * goes and the edge's /readyz says so.
 *
 * Data of a newer layout is not touched: the worker stops.
 */

#include "jobs.h"
#include "log.h"
#include "pools.h"
#include "redis.h"
#include "stop.h"

#include <string.h>

#define BEAT_MS 5000

/* Workers of a group that have been silent for longer are forgotten. */
#define CONSUMER_IDLE_MS (3600 * 1000)

#define EXIT_NEWER 1

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_run_t run;
    int64_t beat[CONVO_CONFIG_POOLS]; /* that Redis has acknowledged */
} heartbeat_t;


/* 0, also when the pool is damaged, which stops no other; or -1 when Redis is
 * down or the worker is to stop. */
static int
open_pool(heartbeat_t *self, size_t index)
{
    const convo_pool_t *pool = &self->config->pools[index];

    switch (convo_pool_open(self->redis, self->config, pool, &self->run, NULL,
                            &self->beat[index]))
    {
    case CONVO_POOL_LOST:
        convo_log(CONVO_LOG_WARN, "heartbeat",
                  "pool %s: Redis has lost data: it is closed until it is "
                  "filled from the store",
                  pool->name);
        return 0;

    case CONVO_POOL_READY:
    case CONVO_POOL_RESTORING:
    case CONVO_POOL_DAMAGED:
        return 0;

    case CONVO_POOL_NEWER:
        convo_log(CONVO_LOG_ERROR, "heartbeat",
                  "pool %s: its data is of a newer release: stopping",
                  pool->name);
        convo_stop(EXIT_NEWER);
        return -1;

    case CONVO_POOL_AWAY:
        break;
    }

    return -1;
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
    if (convo_run_know(&self->run, self->redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < self->config->npools; i++) {
        const convo_pool_t *pool = &self->config->pools[i];

        if (open_pool(self, i) != 0 || forget_consumers(self, pool) != 0) {
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
}


static void
end(heartbeat_t *self)
{
    convo_redis_free(self->redis);
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
