/*
 * The users of sessions and the keys of their scripts; see session.h.
 */

#include "session.h"

#include <string.h>


/* A side's user as the hash has it; one that cannot be is none. */
static void
take_user(convo_session_t *session, int side, const redisReply *reply)
{
    session->user_len[side] = 0;

    if (reply->type == REDIS_REPLY_STRING && reply->len > 0
        && reply->len <= CONVO_USER_MAX)
    {
        memcpy(session->user[side], reply->str, reply->len);
        session->user_len[side] = reply->len;
    }
}


int
convo_session_read(convo_redis_t *redis, const convo_pool_t *pool,
                   convo_session_t *sessions, size_t n)
{
    size_t call = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < n; i++) {
        sessions[i].user_len[0] = 0;
        sessions[i].user_len[1] = 0;

        if (sessions[i].sid[0] != '\0') {
            convo_redis_command(redis, "HMGET");
            convo_redis_key(redis, pool, CONVO_KEY_SESSION, sessions[i].sid,
                            CONVO_SID_LEN);
            convo_redis_str(redis, "a");
            convo_redis_str(redis, "b");
        }
    }

    if (convo_redis_calls(redis) == 0) {
        return 0;
    }
    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < n; i++) {
        const redisReply *reply;

        if (sessions[i].sid[0] == '\0') {
            continue;
        }
        reply = convo_redis_reply(redis, call++);
        if (convo_reply_is_array(reply, 2)) {
            take_user(&sessions[i], 0, reply->element[0]);
            take_user(&sessions[i], 1, reply->element[1]);
        }
    }

    return 0;
}


int
convo_session_found(const convo_session_t *session)
{
    return session->user_len[0] > 0 && session->user_len[1] > 0;
}


void
convo_session_user_key(convo_redis_t *redis, const convo_pool_t *pool,
                       const convo_session_t *session, const char *kind,
                       int side)
{
    if (convo_session_found(session)) {
        convo_redis_key(redis, pool, kind, session->user[side],
                        session->user_len[side]);
    } else {
        convo_redis_key(redis, pool, CONVO_KEY_NONE, NULL, 0);
    }
}


void
convo_session_keys(convo_redis_t *redis, const convo_pool_t *pool,
                   const convo_session_t *session)
{
    convo_redis_key(redis, pool, CONVO_KEY_SESSION, session->sid,
                    CONVO_SID_LEN);
    convo_session_user_key(redis, pool, session, CONVO_KEY_USER, 0);
    convo_session_user_key(redis, pool, session, CONVO_KEY_USER, 1);
    convo_redis_key(redis, pool, CONVO_KEY_SESSIONS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_ENDED, NULL, 0);
    convo_session_user_key(redis, pool, session, CONVO_KEY_HISTORY, 0);
    convo_session_user_key(redis, pool, session, CONVO_KEY_HISTORY, 1);
    convo_redis_key(redis, pool, CONVO_KEY_PROBES, NULL, 0);
}


void
convo_session_args(convo_redis_t *redis, const convo_pool_t *pool,
                   const convo_session_t *session)
{
    char room[CONVO_ROOM_MAX + 1];

    convo_room(room, pool->name, pool->len, session->sid);

    convo_redis_str(redis, session->sid);
    convo_redis_str(redis, room);
}


/* --- calls --- */

void
convo_session_participant(convo_redis_t *redis, const convo_pool_t *pool,
                          const convo_session_t *session, int side,
                          const char *what, const char *psid, size_t psid_len,
                          int64_t at_ms)
{
    convo_redis_script(redis, CONVO_SCRIPT_PARTICIPANT);
    convo_redis_key(redis, pool, CONVO_KEY_SESSION, session->sid,
                    CONVO_SID_LEN);
    convo_session_user_key(redis, pool, session, CONVO_KEY_USER, 0);
    convo_session_user_key(redis, pool, session, CONVO_KEY_USER, 1);
    convo_redis_key(redis, pool, CONVO_KEY_SESSIONS, NULL, 0);
    convo_session_user_key(redis, pool, session, CONVO_KEY_MET, 0);
    convo_session_user_key(redis, pool, session, CONVO_KEY_MET, 1);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_str(redis, session->sid);
    convo_redis_str(redis, side == 0 ? "a" : "b");
    convo_redis_str(redis, what);
    convo_redis_arg(redis, psid, psid_len);
    convo_redis_int(redis, at_ms);
}


void
convo_session_fail(convo_redis_t *redis, const convo_pool_t *pool,
                   const convo_session_t *session, int64_t at_ms,
                   const char *how)
{
    convo_redis_script(redis, CONVO_SCRIPT_FAIL_SESSION);
    convo_session_keys(redis, pool, session);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_session_args(redis, pool, session);
    convo_redis_int(redis, at_ms);
    convo_redis_str(redis, how);
}


void
convo_session_miss(convo_redis_t *redis, const convo_pool_t *pool,
                   const convo_session_t *session, int64_t at_ms)
{
    convo_redis_script(redis, CONVO_SCRIPT_MISS);
    convo_redis_key(redis, pool, CONVO_KEY_SESSION, session->sid,
                    CONVO_SID_LEN);
    convo_redis_int(redis, at_ms);
}


void
convo_session_look(convo_redis_t *redis, const convo_pool_t *pool,
                   const convo_session_t *session)
{
    convo_redis_script(redis, CONVO_SCRIPT_LOOK);
    convo_session_keys(redis, pool, session);
    convo_redis_key(redis, pool, CONVO_KEY_QUEUE, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_session_args(redis, pool, session);
}
