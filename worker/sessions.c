/*
 * The job that does what time demands: sessions whose no-show, absence or
 * deadline has come, claims whose lease is over, users who have been silent
 * for too long.
 *
 * Crash story.  It holds nothing: each step reads what is due and calls the
 * script that does it, which looks again and does nothing early or twice.
 * Killed anywhere, the next pass of any worker finds the same.
 *
 * Nobody is dropped for silence soon after a restart of Redis, and no session
 * ends before the store has been read for it, or a minute has passed; the
 * scripts see that by the run_id that is passed to them.
 */

#include "dead.h"
#include "jobs.h"
#include "log.h"
#include "redis.h"
#include "session.h"
#include "stop.h"

#include <stdio.h>
#include <string.h>

#define PASS_MS 250

/* Silence is looked for in every so many passes, and in each one until the
 * end of a long queue: seconds do not matter. */
#define SILENCE_PASSES 8

/* Sessions, claims and tickets looked at in one pass. */
#define IDS_MAX     CONVO_SESSIONS_MAX
#define TICKETS_MAX 128

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    unsigned long connects; /* when run_id was asked for */
    char run_id[CONVO_RUN_ID_MAX + 1];

    /* where in each queue silence is looked for next */
    int64_t from[CONVO_CONFIG_POOLS];
} sessions_t;


/*
 * Makes the call that was collected: the ids that are due, at most IDS_MAX, and
 * how many.  Members that are no id become dead letters.
 */
static size_t
read_due(convo_redis_t *redis, const convo_pool_t *pool, const char *kind,
         char ids[IDS_MAX][CONVO_SID_LEN + 1])
{
    convo_dead_t strange = { 0 };
    const redisReply *due;
    size_t n = 0;

    if (convo_redis_run(redis) != 0) {
        return 0;
    }

    due = convo_redis_reply(redis, 0);
    if (convo_reply_failed(due, "sessions", kind)
        || due->type != REDIS_REPLY_ARRAY)
    {
        return 0;
    }

    for (size_t i = 0; i < due->elements && n < IDS_MAX; i++) {
        const redisReply *id = due->element[i];

        if (id->type != REDIS_REPLY_STRING) {
            continue;
        }
        if (convo_is_sid(id->str, id->len)) {
            memcpy(ids[n++], id->str, CONVO_SID_LEN + 1);
        } else {
            convo_dead_add(&strange, id->str, id->len);
        }
    }

    (void) convo_dead_bury(&strange, redis, pool, kind, "no id of ours");

    return n;
}


/* --- sessions --- */

/* Sessions that cannot end by themselves become dead letters, and let go of
 * their users. */
static void
bury_broken(convo_redis_t *redis, const convo_pool_t *pool,
            const convo_session_t *sessions, const char *broken, size_t n)
{
    convo_redis_begin(redis);

    for (size_t i = 0; i < n; i++) {
        const convo_session_t *session = &sessions[i];

        if (!broken[i]) {
            continue;
        }
        convo_redis_script(redis, CONVO_SCRIPT_BURY_SESSION);
        convo_redis_key(redis, pool, CONVO_KEY_SESSION, session->sid,
                        CONVO_SID_LEN);
        convo_session_user_key(redis, pool, session, CONVO_KEY_USER, 0);
        convo_session_user_key(redis, pool, session, CONVO_KEY_USER, 1);
        convo_redis_key(redis, pool, CONVO_KEY_SESSIONS, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_PROBES, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_DEAD, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_STATS, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
        convo_session_args(redis, pool, session);
        convo_redis_str(redis, "damaged");
        convo_log(CONVO_LOG_ERROR, "sessions",
                  "session %s: damaged, a dead letter now", session->sid);
    }

    if (convo_redis_calls(redis) == 0 || convo_redis_run(redis) != 0) {
        return;
    }

    for (size_t i = 0; i < convo_redis_calls(redis); i++) {
        convo_reply_failed(convo_redis_reply(redis, i), "sessions",
                           "bury_session");
    }
}


/* What became of each session; how many of the looks failed.  An error is a
 * fault of the pool, not of the session: it is looked at again. */
static size_t
take_looks(convo_redis_t *redis, const convo_session_t *sessions, char *broken,
           size_t n)
{
    size_t failed = 0;

    for (size_t i = 0; i < n; i++) {
        const redisReply *reply = convo_redis_reply(redis, i);

        broken[i] = (char) convo_reply_is(reply, "broken");

        if (reply->type == REDIS_REPLY_ERROR) {
            /* one line for all, as the reason is the same */
            failed += failed > 0
                      || convo_reply_failed(reply, "sessions", "look");

        } else if (!broken[i] && !convo_reply_is(reply, "early")
                   && !convo_reply_is(reply, "ended"))
        {
            convo_log(CONVO_LOG_INFO, "sessions", "session %s: %s",
                      sessions[i].sid,
                      reply->type == REDIS_REPLY_STRING ? reply->str : "?");
        }
    }

    return failed;
}


static size_t
due_sessions(sessions_t *self, const convo_pool_t *pool,
             char ids[IDS_MAX][CONVO_SID_LEN + 1])
{
    convo_redis_t *redis = self->redis;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_DUE_SESSIONS);
    convo_redis_key(redis, pool, CONVO_KEY_SESSIONS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
    convo_redis_int(redis, IDS_MAX);
    convo_redis_str(redis, self->run_id);

    return read_due(redis, pool, CONVO_KEY_SESSIONS, ids);
}


/* Returns 1 when there may be more. */
static int
look_at_sessions(sessions_t *self, const convo_pool_t *pool)
{
    convo_redis_t *redis = self->redis;
    convo_session_t sessions[IDS_MAX];
    char ids[IDS_MAX][CONVO_SID_LEN + 1];
    char broken[IDS_MAX];
    size_t n, failed;

    n = due_sessions(self, pool, ids);
    for (size_t i = 0; i < n; i++) {
        memcpy(sessions[i].sid, ids[i], sizeof(ids[i]));
    }

    if (n == 0 || convo_session_read(redis, pool, sessions, n) != 0) {
        return 0;
    }

    convo_redis_begin(redis);
    for (size_t i = 0; i < n; i++) {
        convo_session_look(redis, pool, &sessions[i]);
    }

    if (convo_redis_run(redis) != 0) {
        return 0;
    }

    failed = take_looks(redis, sessions, broken, n);
    bury_broken(redis, pool, sessions, broken, n);

    return n == IDS_MAX && failed == 0;
}


/* --- claims --- */

static size_t
due_claims(sessions_t *self, const convo_pool_t *pool, int64_t now,
           char ids[IDS_MAX][CONVO_SID_LEN + 1])
{
    convo_redis_t *redis = self->redis;

    convo_redis_begin(redis);
    convo_redis_command(redis, "ZRANGEBYSCORE");
    convo_redis_key(redis, pool, CONVO_KEY_CLAIMS, NULL, 0);
    convo_redis_str(redis, "-inf");
    convo_redis_int(redis, now);
    convo_redis_str(redis, "LIMIT");
    convo_redis_str(redis, "0");
    convo_redis_int(redis, IDS_MAX);

    return read_due(redis, pool, CONVO_KEY_CLAIMS, ids);
}


static void
release_claims(sessions_t *self, const convo_pool_t *pool, int64_t now)
{
    convo_redis_t *redis = self->redis;
    char ids[IDS_MAX][CONVO_SID_LEN + 1];
    size_t n = due_claims(self, pool, now, ids);

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
        const redisReply *reply = convo_redis_reply(redis, i);
        int64_t back = convo_reply_int(reply);

        if (!convo_reply_failed(reply, "sessions", "release") && back > 0) {
            convo_log(CONVO_LOG_WARN, "sessions",
                      "pool %s: claim %s is over: %d tickets are back",
                      pool->name, ids[i], (int) back);
        }
    }
}


/* --- silent users --- */

/* The user of a ticket in the queue, as far as it is one. */
typedef struct {
    char ticket[CONVO_TICKET_MAX + 1];
    size_t len;
    size_t user; /* where the user begins */
} waiter_t;


/* The next tickets of the queue; at its end *from begins anew.  Nobody may be
 * overlooked for being far behind: the queue may stand still for hours. */
static size_t
read_waiters(sessions_t *self, const convo_pool_t *pool, int64_t *from,
             waiter_t *waiters)
{
    convo_redis_t *redis = self->redis;
    const redisReply *queue;
    size_t n = 0;

    convo_redis_begin(redis);
    convo_redis_command(redis, "LRANGE");
    convo_redis_key(redis, pool, CONVO_KEY_QUEUE, NULL, 0);
    convo_redis_int(redis, *from);
    convo_redis_int(redis, *from + TICKETS_MAX - 1);

    if (convo_redis_run(redis) != 0) {
        return 0;
    }

    queue = convo_redis_reply(redis, 0);
    if (convo_reply_failed(queue, "sessions", "queue")
        || queue->type != REDIS_REPLY_ARRAY)
    {
        return 0;
    }

    *from = queue->elements == TICKETS_MAX ? *from + TICKETS_MAX : 0;

    for (size_t i = 0; i < queue->elements && n < TICKETS_MAX; i++) {
        const redisReply *ticket = queue->element[i];
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
drop_silent(sessions_t *self, const convo_pool_t *pool, int64_t *from,
            int64_t now)
{
    convo_redis_t *redis = self->redis;
    waiter_t waiters[TICKETS_MAX];
    size_t n, dropped = 0;

    n = read_waiters(self, pool, from, waiters);
    n = keep_silent(self, pool, now, waiters, n);

    if (n == 0) {
        return;
    }

    convo_redis_begin(redis);
    for (size_t i = 0; i < n; i++) {
        convo_redis_script(redis, CONVO_SCRIPT_SILENCE);
        add_user_key(redis, pool, &waiters[i]);
        convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
        convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
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

        for (size_t i = 0; i < config->npools && !convo_stopping(); i++) {
            const convo_pool_t *pool = &config->pools[i];

            more |= look_at_sessions(&self, pool);
            release_claims(&self, pool, now);
            if (self.from[i] > 0 || pass % SILENCE_PASSES == 0) {
                drop_silent(&self, pool, &self.from[i], now);
            }
        }
        pass++;

        if (!more) {
            convo_stop_wait(PASS_MS);
        }
    }

    convo_redis_free(self.redis);
}
