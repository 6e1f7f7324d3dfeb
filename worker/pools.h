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
    CONVO_POOL_LOST,      /* its data went back: it has been closed now */
    CONVO_POOL_NEWER,     /* its data is of a newer release */
    CONVO_POOL_DAMAGED,   /* Redis refused, which has been told */
    CONVO_POOL_AWAY       /* Redis is down */
} convo_pool_e;

/* A Redis process as a job knows it: zeroed, it is none. */
typedef struct {
    unsigned long connects; /* when run_id was asked for */
    char run_id[CONVO_RUN_ID_MAX + 1];
} convo_run_t;

/* Connects, and asks for run_id when the connection is a new one: 0, or -1 when
 * Redis is down. */
int convo_run_know(convo_run_t *run, convo_redis_t *redis);

/*
 * Makes the pool's schema and consumer groups, and renews the workers' mark.
 * restorer is the name of the worker that has restored the pool: it is made
 * ready if that one has the lease still, and is CONVO_POOL_RESTORING if not; or
 * NULL for the heartbeat of this worker, of which *beat is the one that was
 * answered last, or 0.
 */
convo_pool_e convo_pool_open(convo_redis_t *redis,
                             const convo_config_t *config,
                             const convo_pool_t *pool, const convo_run_t *run,
                             const char *restorer, int64_t *beat);

#endif /* CONVO_POOLS_H */
