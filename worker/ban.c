/*
 * Banning a user; see ban.h.
 */

#include "ban.h"
#include "session.h"

#include <string.h>

/* How often a user may be found in yet another session. */
#define TRIES 3

/* Those of convo_session_keys(). */
#define SESSION_KEYS 9

typedef struct {
    convo_redis_t *redis;
    const convo_pool_t *pool;
    const char *user;
    size_t len;
    int64_t until_ms;
} ban_t;


/* One call, with the keys of the session when there is one: the reply, or NULL
 * when Redis does not answer. */
static const redisReply *
call(const ban_t *self, const convo_session_t *session)
{
    convo_redis_t *redis = self->redis;
    const convo_pool_t *pool = self->pool;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_BAN);
    convo_redis_key(redis, pool, CONVO_KEY_USER, self->user, self->len);
    convo_redis_key(redis, pool, CONVO_KEY_READY, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_SCHEMA, NULL, 0);

    if (session != NULL) {
        convo_session_keys(redis, pool, session);
    } else {
        for (int i = 0; i < SESSION_KEYS; i++) {
            convo_redis_key(redis, pool, CONVO_KEY_NONE, NULL, 0);
        }
    }

    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_int(redis, self->until_ms);

    if (session != NULL) {
        convo_session_args(redis, pool, session);
    } else {
        convo_redis_str(redis, "");
        convo_redis_str(redis, "");
    }

    return convo_redis_ready(redis) == 0 && convo_redis_run(redis) == 0
               ? convo_redis_reply(redis, 0)
               : NULL;
}


/* The session that "again" names, with its users: 0, or -1. */
static int
read_session(const ban_t *self, const redisReply *reply,
             convo_session_t *session)
{
    const redisReply *sid;

    if (!convo_reply_is_array(reply, 2)) {
        return -1;
    }

    sid = reply->element[1];
    if (sid->type != REDIS_REPLY_STRING || !convo_is_sid(sid->str, sid->len)) {
        return -1;
    }

    memset(session, 0, sizeof(*session));
    memcpy(session->sid, sid->str, CONVO_SID_LEN + 1);

    return convo_session_read(self->redis, self->pool, session, 1);
}


convo_ban_e
convo_ban(convo_redis_t *redis, const convo_pool_t *pool, const char *user,
          size_t len, int64_t until_ms)
{
    const ban_t self = { redis, pool, user, len, until_ms };
    convo_session_t session, *known = NULL;

    for (int i = 0; i < TRIES; i++) {
        const redisReply *reply = call(&self, known);

        if (reply == NULL) {
            return CONVO_BAN_AWAY;
        }
        if (reply->type == REDIS_REPLY_ERROR) {
            return CONVO_BAN_REFUSED;
        }
        if (!convo_reply_is_array(reply, 1)) {
            break;
        }
        if (convo_reply_is(reply->element[0], "ok")) {
            return CONVO_BAN_DONE;
        }
        if (convo_reply_is(reply->element[0], "restoring")) {
            return CONVO_BAN_CLOSED;
        }
        if (read_session(&self, reply, &session) != 0) {
            break;
        }
        known = &session;
    }

    return CONVO_BAN_SESSION;
}
