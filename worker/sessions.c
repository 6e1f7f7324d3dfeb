/*
 * The job that does what time demands: sessions whose no-show, absence or
 * deadline has come, claims whose lease is over, users who have been silent
 * for too long.
 *
 * Crash story.  It holds nothing: each step reads what is due and calls the
 * script that does it, which looks again and does nothing early or twice.
 * Killed anywhere, the next pass of any worker finds the same.
 *
 * Nobody is dropped for silence soon after a restart of Redis; the script
 * sees that by the run_id that is passed to it.
 */

#include "jobs.h"
#include "log.h"
#include "redis.h"
#include "session.h"
#include "stop.h"

#include <stdio.h>
#include <string.h>

#define PASS_MS 250

/* Silence is looked for in every so many passes: seconds do not matter. */
#define SILENCE_PASSES 8

/* Claims and tickets looked at in one pass. */
#define CLAIMS_MAX  64
#define TICKETS_MAX 128

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    unsigned long connects; /* when run_id was asked for */
    char run_id[CONVO_RUN_ID_MAX + 1];
} sessions_t;


/* The members of a sorted set that are due, by Redis's clock. */
static const redisReply *
read_due(convo_redis_t *redis, const convo_pool_t *pool, const char *kind,
         int64_t now, int max)
{
    const redisReply *reply;

    convo_redis_begin(redis);
    convo_redis_command(redis, "ZRANGEBYSCORE");
    convo_redis_key(redis, pool, kind, NULL, 0);
    convo_redis_str(redis, "-inf");
    convo_redis_int(redis, now);
    convo_redis_str(redis, "LIMIT");
    convo_redis_str(redis, "0");
    convo_redis_int(redis, max);

    if (convo_redis_run(redis) != 0) {
        return NULL;
    }

    reply = convo_redis_reply(redis, 0);

    return convo_reply_failed(reply, "sessions", kind)
                   || reply->type != REDIS_REPLY_ARRAY
               ? NULL
               : reply;
}


/* --- sessions --- */

static void
call_look(convo_redis_t *redis, const convo_pool_t *pool,
          const convo_session_t *session)
{
    convo_redis_script(redis, CONVO_SCRIPT_LOOK);
    convo_session_keys(redis, pool, session);
    convo_redis_key(redis, pool, CONVO_KEY_QUEUE, NULL, 0);
    convo_session_args(redis, pool, session);
}


static void
tell_look(const convo_session_t *session, const redisReply *reply)
{
    if (!convo_reply_failed(reply, "sessions", "look")
        && !convo_reply_is(reply, "early") && !convo_reply_is(reply, "ended"))
    {
        convo_log(CONVO_LOG_INFO, "sessions", "session %s: %s", session->sid,
                  reply->type == REDIS_REPLY_STRING ? reply->str : "?");
    }
}


/* The ids of a reply; what is no session id is left out. */
static size_t
take_ids(const redisReply *due, convo_session_t *sessions)
{
    size_t n = 0;

    for (size_t i = 0; i < due->elements && n < CONVO_SESSIONS_MAX; i++) {
        const redisReply *sid = due->element[i];

        if (sid->type == REDIS_REPLY_STRING
            && convo_is_sid(sid->str, sid->len))
        {
            memcpy(sessions[n].sid, sid->str, CONVO_SID_LEN);
            sessions[n++].sid[CONVO_SID_LEN] = '\0';
        }
    }

    return n;
}


/* Returns 1 when there may be more. */
static int
look_at_sessions(sessions_t *self, const convo_pool_t *pool, int64_t now)
{
    convo_redis_t *redis = self->redis;
    convo_session_t sessions[CONVO_SESSIONS_MAX];
    const redisReply *due;
    size_t n;

    due = read_due(redis, pool, CONVO_KEY_SESSIONS, now, CONVO_SESSIONS_MAX);
    n = due != NULL ? take_ids(due, sessions) : 0;

    if (n == 0 || convo_session_read(redis, pool, sessions, n) != 0) {
        return 0;
    }

    convo_redis_begin(redis);
    for (size_t i = 0; i < n; i++) {
        call_look(redis, pool, &sessions[i]);
    }

    if (convo_redis_run(redis) != 0) {
        return 0;
    }

    for (size_t i = 0; i < n; i++) {
        tell_look(&sessions[i], convo_redis_reply(redis, i));
    }

    return n == CONVO_SESSIONS_MAX;
}


/* --- claims --- */

static void
release_claims(sessions_t *self, const convo_pool_t *pool, int64_t now)
{
    convo_redis_t *redis = self->redis;
    char ids[CLAIMS_MAX][CONVO_SID_LEN + 1];
    const redisReply *due;
    size_t n = 0;

    due = read_due(redis, pool, CONVO_KEY_CLAIMS, now, CLAIMS_MAX);

    for (size_t i = 0; due != NULL && i < due->elements; i++) {
        const redisReply *id = due->element[i];

        if (id->type == REDIS_REPLY_STRING && convo_is_sid(id->str, id->len)) {
            memcpy(ids[n++], id->str, CONVO_SID_LEN + 1);
        }
    }

    if (n == 0) {
        return;
    }

    convo_redis_begin(redis);
    for (size_t i = 0; i < n; i++) {
        convo_redis_script(redis, CONVO_SCRIPT_RELEASE);
        convo_redis_key(redis, pool, CONVO_KEY_QUEUE, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_CLAIMS, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_CLAIM, ids[i], CONVO_SID_LEN);
        convo_redis_str(redis, ids[i]);
        convo_redis_str(redis, "expired");
    }

    if (convo_redis_run(redis) != 0) {
        return;
    }

    for (size_t i = 0; i < n; i++) {
        int64_t back = convo_reply_int(convo_redis_reply(redis, i));

        if (back > 0) {
            convo_log(CONVO_LOG_WARN, "sessions",
                      "pool %s: claim %s is over: %d tickets are back",
                      pool->name, ids[i], (int) back);
        }
    }
}


/* --- silent users --- */

/* The user of a ticket at the front, as far as it is one. */
typedef struct {
    char ticket[CONVO_TICKET_MAX + 1];
    size_t len;
    size_t user; /* where the user begins */
} waiter_t;


static size_t
read_front(sessions_t *self, const convo_pool_t *pool, waiter_t *waiters)
{
    convo_redis_t *redis = self->redis;
    const redisReply *front;
    size_t n = 0;

    convo_redis_begin(redis);
    convo_redis_command(redis, "LRANGE");
    convo_redis_key(redis, pool, CONVO_KEY_QUEUE, NULL, 0);
    convo_redis_str(redis, "0");
    convo_redis_int(redis, TICKETS_MAX - 1);

    if (convo_redis_run(redis) != 0) {
        return 0;
    }

    front = convo_redis_reply(redis, 0);
    if (convo_reply_failed(front, "sessions", "queue")
        || front->type != REDIS_REPLY_ARRAY)
    {
        return 0;
    }

    for (size_t i = 0; i < front->elements && n < TICKETS_MAX; i++) {
        const redisReply *ticket = front->element[i];
        const char *user;
        size_t user_len;

        if (ticket->type != REDIS_REPLY_STRING
            || ticket->len > CONVO_TICKET_MAX)
        {
            continue;
        }
        user = convo_ticket_user(ticket->str, ticket->len, &user_len);
        if (user != NULL) {
            memcpy(waiters[n].ticket, ticket->str, ticket->len);
            waiters[n].len = ticket->len;
            waiters[n++].user = (size_t) (user - ticket->str);
        }
    }

    return n;
}


static void
add_user_key(convo_redis_t *redis, const convo_pool_t *pool,
             const waiter_t *waiter)
{
    convo_redis_key(redis, pool, CONVO_KEY_USER, waiter->ticket + waiter->user,
                    waiter->len - waiter->user);
}


/* Keeps those who have been silent for too long; returns how many. */
static size_t
keep_silent(sessions_t *self, const convo_pool_t *pool, int64_t now,
            waiter_t *waiters, size_t n)
{
    convo_redis_t *redis = self->redis;
    size_t kept = 0;

    convo_redis_begin(redis);
    for (size_t i = 0; i < n; i++) {
        convo_redis_command(redis, "HGET");
        add_user_key(redis, pool, &waiters[i]);
        convo_redis_str(redis, "seen");
    }

    if (n == 0 || convo_redis_run(redis) != 0) {
        return 0;
    }

    for (size_t i = 0; i < n; i++) {
        int64_t seen = convo_reply_int(convo_redis_reply(redis, i));

        if (seen >= 0 && now - seen >= self->config->drop_after_ms) {
            waiters[kept++] = waiters[i];
        }
    }

    return kept;
}


static void
drop_silent(sessions_t *self, const convo_pool_t *pool, int64_t now)
{
    convo_redis_t *redis = self->redis;
    waiter_t waiters[TICKETS_MAX];
    size_t n, dropped = 0;

    n = read_front(self, pool, waiters);
    n = keep_silent(self, pool, now, waiters, n);

    if (n == 0) {
        return;
    }

    convo_redis_begin(redis);
    for (size_t i = 0; i < n; i++) {
        convo_redis_script(redis, CONVO_SCRIPT_SILENCE);
        add_user_key(redis, pool, &waiters[i]);
        convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
        convo_redis_arg(redis, waiters[i].ticket, waiters[i].len);
        convo_redis_str(redis, self->run_id);
        convo_redis_int(redis, self->config->drop_after_ms);
        convo_redis_int(redis, self->config->restart_grace_ms);
    }

    if (convo_redis_run(redis) != 0) {
        return;
    }

    for (size_t i = 0; i < n; i++) {
        dropped += (size_t) convo_reply_is(convo_redis_reply(redis, i),
                                           "dropped");
    }

    if (dropped > 0) {
        convo_log(CONVO_LOG_INFO, "sessions",
                  "pool %s: %zu users dropped for silence", pool->name,
                  dropped);
    }
}


/* --- the job --- */

/* Redis's clock and, on a new connection, its run_id: 0, or -1. */
static int
greet(sessions_t *self, int64_t *now)
{
    unsigned long connects = convo_redis_connects(self->redis);

    if (self->connects != connects) {
        if (convo_redis_run_id(self->redis, self->run_id) != 0) {
            return -1;
        }
        self->connects = connects;
    }

    *now = convo_redis_now(self->redis);

    return *now < 0 ? -1 : 0;
}


void
convo_sessions(const convo_config_t *config)
{
    sessions_t self = { .config = config };
    unsigned int pass = 0;

    self.redis = convo_redis_new(config, "sessions");

    while (!convo_stopping()) {
        int64_t now;
        int more = 0;

        if (convo_redis_ready(self.redis) != 0) {
            continue;
        }
        if (greet(&self, &now) != 0) {
            convo_stop_wait(PASS_MS);
            continue;
        }

        for (size_t i = 0; i < config->npools; i++) {
            const convo_pool_t *pool = &config->pools[i];

            more |= look_at_sessions(&self, pool, now);
            release_claims(&self, pool, now);
            if (pass % SILENCE_PASSES == 0) {
                drop_silent(&self, pool, now);
            }
        }
        pass++;

        if (!more) {
            convo_stop_wait(PASS_MS);
        }
    }

    convo_redis_free(self.redis);
}
