/*
 * Opening a pool; see pools.h.
 */

#include "pools.h"
#include "log.h"

/* How long a heartbeat counts. */
#define ALIVE_S 15


int
convo_run_know(convo_run_t *run, convo_redis_t *redis)
{
    unsigned long connects;

    if (convo_redis_ready(redis) != 0) {
        return -1;
    }

    connects = convo_redis_connects(redis);
    if (run->connects != connects) {
        if (convo_redis_run_id(redis, run->run_id) != 0) {
            return -1;
        }
        run->connects = connects;
    }

    return 0;
}


convo_pool_e
convo_pool_open(convo_redis_t *redis, const convo_config_t *config,
                const convo_pool_t *pool, const convo_run_t *run,
                const char *restorer, int64_t *beat)
{
    const redisReply *reply, *status;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_OPEN_POOL);
    convo_redis_key(redis, pool, CONVO_KEY_READY, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_SCHEMA, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_ALIVE, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_LIVEKIT, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_ENDED, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_REPORTS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RESTORING, NULL, 0);
    convo_redis_str(redis, run->run_id);
    convo_redis_str(redis, CONVO_GROUP);
    convo_redis_int(redis, ALIVE_S);
    convo_redis_str(redis, restorer != NULL ? restorer : "");
    convo_redis_str(redis, config->name);
    convo_redis_int(redis, *beat);
    convo_redis_int(redis, convo_config_late_ms(config));

    if (convo_redis_run(redis) != 0) {
        return CONVO_POOL_AWAY;
    }

    reply = convo_redis_reply(redis, 0);

    if (convo_reply_failed(reply, "pools", pool->name)
        || !convo_reply_is_array(reply, 2))
    {
        return CONVO_POOL_DAMAGED;
    }

    status = reply->element[0];
    if (convo_reply_is(status, "newer")) {
        return CONVO_POOL_NEWER;
    }
    *beat = convo_reply_int(reply->element[1]);

    return convo_reply_is(status, "ready")  ? CONVO_POOL_READY
           : convo_reply_is(status, "lost") ? CONVO_POOL_LOST
                                            : CONVO_POOL_RESTORING;
}
