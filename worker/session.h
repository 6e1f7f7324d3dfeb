/*
 * What the jobs that change sessions share: the users of a session, read from
 * its hash, the keys that its scripts take, and the calls of those that more
 * than one job makes.
 *
 * A session's two users never change, so reading them first and calling the
 * script afterwards is safe.
 */

#ifndef CONVO_SESSION_H
#define CONVO_SESSION_H

#include "config.h"
#include "redis.h"

#include <stddef.h>
#include <stdint.h>

/* The most sessions in one read. */
#define CONVO_SESSIONS_MAX 64

typedef struct {
    char sid[CONVO_SID_LEN + 1];
    char user[2][CONVO_USER_MAX + 1]; /* a, b; any bytes */
    size_t user_len[2];               /* 0: there is no such session */
} convo_session_t;

/*
 * Reads the users of n sessions, whose sid is set; "" stands for none.
 * Returns 0, or -1 when Redis is down.
 */
int convo_session_read(convo_redis_t *redis, const convo_pool_t *pool,
                       convo_session_t *sessions, size_t n);

/* 1 when the session was found. */
int convo_session_found(const convo_session_t *session);

/* Adds a key of this kind for one side (0: a, 1: b); {pool}:none when the
 * session was not found. */
void convo_session_user_key(convo_redis_t *redis, const convo_pool_t *pool,
                            const convo_session_t *session, const char *kind,
                            int side);

/*
 * Adds the nine keys of a script that may end the session: session user_a
 * user_b sessions closing ended history_a history_b probes.
 */
void convo_session_keys(convo_redis_t *redis, const convo_pool_t *pool,
                        const convo_session_t *session);

/* Adds the two arguments that follow those keys: sid, room. */
void convo_session_args(convo_redis_t *redis, const convo_pool_t *pool,
                        const convo_session_t *session);

/*
 * Each of these adds a call of one script, whose head says what it does and
 * what it answers.
 *
 * participant: side 0 (a) or 1 (b); what is "joined" or "left"; psid, any
 * bytes, LiveKit's participant sid; at_ms by LiveKit's clock.
 * fail_session: at_ms is when the room went ("told"), or was seen to be gone
 * ("found"), as how says.
 * miss: at_ms is when LiveKit was asked in vain; 0: the room is there.
 */
void convo_session_participant(convo_redis_t *redis, const convo_pool_t *pool,
                               const convo_session_t *session, int side,
                               const char *what, const char *psid,
                               size_t psid_len, int64_t at_ms);
void convo_session_fail(convo_redis_t *redis, const convo_pool_t *pool,
                        const convo_session_t *session, int64_t at_ms,
                        const char *how);
void convo_session_miss(convo_redis_t *redis, const convo_pool_t *pool,
                        const convo_session_t *session, int64_t at_ms);
void convo_session_look(convo_redis_t *redis, const convo_pool_t *pool,
                        const convo_session_t *session);

#endif /* CONVO_SESSION_H */
