/*
 * Dead letters; see dead.h.
 */

#include "dead.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>


void
convo_dead_add(convo_dead_t *dead, const char *text, size_t len)
{
    char *copy;

    if (dead->n == CONVO_DEAD_MAX) {
        return;
    }

    copy = malloc(len + 1);
    if (copy == NULL) {
        convo_log(CONVO_LOG_ERROR, "dead", "out of memory");
        abort();
    }

    memcpy(copy, text, len);
    copy[len] = '\0';

    dead->texts[dead->n] = copy;
    dead->lens[dead->n++] = len;
}


static void
tell(const convo_dead_t *dead, const convo_pool_t *pool, const char *kind,
     const char *reason)
{
    for (size_t i = 0; i < dead->n; i++) {
        /* no log names a user */
        int is_user = strcmp(kind, CONVO_KEY_DIRTY) == 0;

        convo_log(CONVO_LOG_ERROR, "dead",
                  "pool %s: %s: %s, a dead letter now: %.64s", pool->name,
                  kind, reason, is_user ? "?" : dead->texts[i]);
    }
}


static void
clear(convo_dead_t *dead)
{
    for (size_t i = 0; i < dead->n; i++) {
        free(dead->texts[i]);
    }

    dead->n = 0;
}


int
convo_dead_bury(convo_dead_t *dead, convo_redis_t *redis,
                const convo_pool_t *pool, const char *kind,
                const char *reason)
{
    int result;

    if (dead->n == 0) {
        return 0;
    }

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_BURY);
    convo_redis_key(redis, pool, kind, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_DEAD, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_STATS, NULL, 0);
    convo_redis_str(redis, CONVO_GROUP);
    convo_redis_str(redis, reason);

    for (size_t i = 0; i < dead->n; i++) {
        convo_redis_arg(redis, dead->texts[i], dead->lens[i]);
    }

    result = convo_redis_run(redis);

    if (result == 0
        && convo_reply_failed(convo_redis_reply(redis, 0), "dead", "bury"))
    {
        result = -1;
    }

    if (result == 0) {
        tell(dead, pool, kind, reason);
    }

    clear(dead);

    return result;
}
