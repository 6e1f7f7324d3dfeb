/*
 * Opening a pool: what the heartbeat does every few seconds, and the job that
 * restores when it is done.
 */

#ifndef CONVO_POOLS_H
#define CONVO_POOLS_H

#include "config.h"
#include "redis.h"

typedef enum {
    CONVO_POOL_READY,
    CONVO_POOL_RESTORING, /* not served yet */
    CONVO_POOL_NEWER,     /* its data is of a newer release */
    CONVO_POOL_DAMAGED,   /* Redis refused, which has been told */
    CONVO_POOL_AWAY       /* Redis is down */
} convo_pool_e;

/*
 * Makes the pool's schema and consumer groups, and renews the workers' mark.
 * run_id is that of the Redis process.  restorer is the name of the worker that
 * has restored the pool: it is made ready if that one has the lease still, and
 * is CONVO_POOL_RESTORING if not; or NULL.
 */
convo_pool_e convo_pool_open(convo_redis_t *redis, const convo_pool_t *pool,
                             const char *run_id, const char *restorer);

#endif /* CONVO_POOLS_H */
