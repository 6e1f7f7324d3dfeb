/*
 * Opening a pool; see pools.h.
 */

#include "pools.h"
#include "log.h"

/* How long a heartbeat counts. */
#define ALIVE_S 15


convo_pool_e
convo_pool_open(convo_redis_t *redis, const convo_pool_t *pool,
                const char *run_id, const char *restorer)
{
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
    convo_redis_key(redis, pool, CONVO_KEY_RESTORING, NULL, 0);
    convo_redis_str(redis, run_id);
    convo_redis_str(redis, CONVO_GROUP);
    convo_redis_int(redis, ALIVE_S);
    convo_redis_str(redis, restorer != NULL ? restorer : "");

    if (convo_redis_run(redis) != 0) {
        return CONVO_POOL_AWAY;
    }

    reply = convo_redis_reply(redis, 0);

    if (convo_reply_is(reply, "newer")) {
        return CONVO_POOL_NEWER;
    }
    if (convo_reply_failed(reply, "pools", pool->name)) {
        return CONVO_POOL_DAMAGED;
    }

    return convo_reply_is(reply, "ready") ? CONVO_POOL_READY
                                          : CONVO_POOL_RESTORING;
}
