/*
 * Banning a user in one pool, as the command does and the job that restores.
 */

#ifndef CONVO_BAN_H
#define CONVO_BAN_H

#include "config.h"
#include "redis.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
    CONVO_BAN_DONE,
    CONVO_BAN_CLOSED,  /* the pool is not served, and does not know the user */
    CONVO_BAN_SESSION, /* the user's session cannot be ended now */
    CONVO_BAN_REFUSED, /* Redis said an error, which is the last reply */
    CONVO_BAN_AWAY     /* Redis is down */
} convo_ban_e;

/*
 * Keeps the user out until then, or lifts it (0): the script "ban", called
 * again with the keys of the session that the user turns out to be in.
 */
convo_ban_e convo_ban(convo_redis_t *redis, const convo_pool_t *pool,
                      const char *user, size_t len, int64_t until_ms);

#endif /* CONVO_BAN_H */
