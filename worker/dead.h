/*
 * Dead letters: what a job finds and nothing can work on.  It is taken out of
 * its set, list or stream and kept in the pool's stream of dead letters, with
 * the reason, for an operator (docs/redis.md).
 *
 *     convo_dead_t dead = { 0 };
 *
 *     convo_dead_add(&dead, member, len);
 *     convo_dead_bury(&dead, redis, pool, CONVO_KEY_CLOSING, "no room");
 *
 * How it fails: while Redis is down, or refuses, all stays where it was; it
 * is found again.
 */

#ifndef CONVO_DEAD_H
#define CONVO_DEAD_H

#include "config.h"
#include "redis.h"

#include <stddef.h>

/* The most in one burial; what is beyond is found again. */
#define CONVO_DEAD_MAX 64

typedef struct {
    size_t n;
    char *texts[CONVO_DEAD_MAX]; /* copies */
    size_t lens[CONVO_DEAD_MAX];
} convo_dead_t;

/* Adds a member, or the id of a stream's entry; the bytes are copied. */
void convo_dead_add(convo_dead_t *dead, const char *text, size_t len);

/*
 * Buries what was added, if anything, and says so in the log; dead is empty
 * then.  kind is that of the key it lies in.  A run of its own on redis.
 * Returns 0, or -1 when it stays where it was.
 */
int convo_dead_bury(convo_dead_t *dead, convo_redis_t *redis,
                    const convo_pool_t *pool, const char *kind,
                    const char *reason);

#endif /* CONVO_DEAD_H */
