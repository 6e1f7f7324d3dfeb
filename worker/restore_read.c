/*
 * What is restored: the users, with whom they are never paired with, and then
 * the sessions, each into the lists of its two users; see restore.h.
 *
 * The store is read once, page by page, for all pools that are ours, and what
 * it tells is written to Redis in batches as it comes: memory does not grow
 * with the store, and neither do its calls with the users.
 *
 * How it fails: what the store does not tell now is asked for again behind the
 * last record that it told.  Records that are told twice, or a batch of which
 * Redis took a part, do no harm: restoring twice is restoring once.
 */

#include "restore.h"
#include "backoff.h"
#include "log.h"
#include "stop.h"
#include "store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Calls of one batch. */
#define BATCH 200

/* Blocked users in one call of the script. */
#define BLOCKED_MAX 1000

/* A session is kept for so long, and two who met are not paired again. */
#define KEPT_S (90 * 86400)
#define MET_S  86400

/* What a JSON text of a session takes. */
#define ENTRY_MAX 256

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LIMIT_MS 15000

/* A nap of a worker that waits for the store, so that it keeps its leases. */
#define NAP_MS 500

/* The longest of the ids that a reading goes on behind. */
#define ID_MAX (CONVO_USER_MAX > CONVO_SID_LEN ? CONVO_USER_MAX : CONVO_SID_LEN)

typedef struct {
    convo_restore_t *restore;
    convo_store_t *store;
    int64_t now_s;
    char after[ID_MAX + 1]; /* the last that was told; "": none */
    const char *script;     /* that the calls are of, for the log */
} reading_t;

/* Reads on behind reading->after: as each_user() and each_session(). */
typedef int (*read_pt)(reading_t *reading);


/* --- users --- */

/* The index of the pool, or -1 when it is not being restored here. */
static int
pool_of(const convo_restore_t *self, const char *name)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]
            && strcmp(self->config->pools[i].name, name) == 0)
        {
            return (int) i;
        }
    }

    return -1;
}


/* A window in which nothing was spent is none. */
static void
call_restore_user(const reading_t *reading, const convo_pool_t *pool,
                  const convo_store_user_t *user, const char *const *blocked,
                  size_t nblocked)
{
    convo_redis_t *redis = reading->restore->redis;
    size_t len = strlen(user->user_id);
    int open = user->spent > 0 && user->window_end > reading->now_s;

    convo_redis_script(redis, CONVO_SCRIPT_RESTORE_USER);
    convo_redis_key(redis, pool, CONVO_KEY_USER, user->user_id, len);
    convo_redis_key(redis, pool, CONVO_KEY_BLOCKED, user->user_id, len);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
    convo_redis_int(redis, user->version);
    convo_redis_str(redis, convo_user_state_name(user->state));
    convo_redis_int(redis, user->points);
    convo_redis_int(redis, open ? user->spent : 0);
    convo_redis_int(redis, open ? user->window_end : 0);
    convo_redis_int(redis, user->last_session);
    convo_redis_int(redis, user->banned_until);

    for (size_t i = 0; i < nblocked; i++) {
        convo_redis_str(redis, blocked[i]);
    }
}


/* A ban holds in every pool, whichever one the user has joined in. */
static void
restore_ban(const reading_t *reading, const convo_store_user_t *user, int but)
{
    const convo_restore_t *self = reading->restore;
    convo_store_user_t banned = {
        .banned_until = user->banned_until, .version = user->version,
    };

    if (user->banned_until <= reading->now_s) {
        return;
    }

    strcpy(banned.user_id, user->user_id);

    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i] && (int) i != but) {
            call_restore_user(reading, &self->config->pools[i], &banned, NULL,
                              0);
        }
    }
}


/* What the store knows of a user, into their pool. */
static void
restore_user(const reading_t *reading, size_t index,
             const convo_store_user_t *user, const char *const *blocked,
             size_t nblocked)
{
    convo_restore_t *self = reading->restore;
    size_t first = 0;

    self->count[index]++;

    do {
        size_t some = nblocked - first < BLOCKED_MAX ? nblocked - first
                                                     : BLOCKED_MAX;

        call_restore_user(reading, &self->config->pools[index], user,
                          blocked + first, some);
        first += some;
    } while (first < nblocked);
}


/* Writes the calls when they are a batch, and keeps the leases: 0, or -1. */
static int
flush_some(const reading_t *reading)
{
    convo_restore_t *self = reading->restore;

    if (convo_restore_keep(self, reading->script) != 0) {
        return -1;
    }

    return convo_redis_calls(self->redis) < BATCH
               ? 0
               : convo_restore_run(self, reading->script);
}


static int
on_user(void *data, const convo_store_user_t *user,
        const char *const *blocked, size_t nblocked)
{
    reading_t *reading = data;
    int index = pool_of(reading->restore, user->pool);

    restore_ban(reading, user, index);
    if (index >= 0) {
        restore_user(reading, (size_t) index, user, blocked, nblocked);
    }

    strcpy(reading->after, user->user_id);

    return flush_some(reading);
}


/* --- sessions --- */

/* As a script would have written it, but for the reason, which no store keeps;
 * of so many seconds each begun minute was paid. */
static void
add_entry(convo_redis_t *redis, const convo_store_session_t *session)
{
    char text[ENTRY_MAX];
    int n;

    n = snprintf(text, sizeof(text),
                 "{\"sessionId\":\"%s\",\"startTime\":%" PRId64
                 ",\"endTime\":%" PRId64 ",\"duration\":%" PRId64
                 ",\"pointsSpent\":%" PRId64 "}",
                 session->session_id, session->start_time, session->end_time,
                 session->duration, (session->duration + 59) / 60);

    convo_redis_arg(redis, text, (size_t) n);
}


static void
call_restore_session(const reading_t *reading, const convo_pool_t *pool,
                     const convo_store_session_t *session)
{
    static const char *const kinds[] = { CONVO_KEY_USER, CONVO_KEY_BLOCKED,
                                         CONVO_KEY_HISTORY, CONVO_KEY_MET };
    convo_redis_t *redis = reading->restore->redis;
    char room[CONVO_ROOM_MAX + 1];
    size_t len_a = strlen(session->user_a), len_b = strlen(session->user_b);

    convo_redis_script(redis, CONVO_SCRIPT_RESTORE_SESSION);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        convo_redis_key(redis, pool, kinds[i], session->user_a, len_a);
        convo_redis_key(redis, pool, kinds[i], session->user_b, len_b);
    }
    convo_redis_key(redis, pool, CONVO_KEY_SESSION, session->session_id,
                    CONVO_SID_LEN);
    convo_redis_key(redis, pool, CONVO_KEY_SESSIONS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_PROBES, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_str(redis, session->session_id);
    convo_redis_arg(redis, session->user_a, len_a);
    convo_redis_arg(redis, session->user_b, len_b);
    convo_redis_int(redis, session->start_time);
    convo_redis_int(redis, (session->start_time + MET_S) * 1000);
    add_entry(redis, session);
    convo_room(room, pool->name, pool->len, session->session_id);
    convo_redis_str(redis, room);
}


/* The store does not say in which pool it was: the script sees who is there. */
static int
on_session(void *data, const convo_store_session_t *session)
{
    reading_t *reading = data;
    const convo_restore_t *self = reading->restore;

    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]) {
            call_restore_session(reading, &self->config->pools[i], session);
        }
    }

    strcpy(reading->after, session->session_id);

    return flush_some(reading);
}


/* --- the whole --- */

/* The place that is read on behind, as on_user() changes the other. */
static const char *
after_of(const reading_t *reading, char after[ID_MAX + 1])
{
    strcpy(after, reading->after);

    return after[0] != '\0' ? after : NULL;
}


static int
read_users(reading_t *reading)
{
    char after[ID_MAX + 1];

    return reading->store->each_user(reading->store, after_of(reading, after),
                                     on_user, reading);
}


static int
read_sessions(reading_t *reading)
{
    char after[ID_MAX + 1];

    return reading->store->each_session(reading->store,
                                        after_of(reading, after),
                                        reading->now_s - KEPT_S,
                                        reading->now_s, on_session, reading);
}


static void
tell_failure(const reading_t *reading)
{
    const convo_restore_t *self = reading->restore;

    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]) {
            convo_restore_tell(self, i, reading->store->error);
        }
    }
}


/* Waits before the store is asked again, and keeps the leases: 0, or -1. */
static int
wait_for_store(const reading_t *reading, int64_t wait_ms)
{
    int64_t end_ms = convo_restore_clock() + wait_ms, left_ms = wait_ms;

    while (left_ms > 0) {
        convo_stop_wait(left_ms < NAP_MS ? left_ms : NAP_MS);
        if (convo_restore_keep(reading->restore, reading->script) != 0) {
            return -1;
        }
        left_ms = end_ms - convo_restore_clock();
    }

    return 0;
}


/* All that read tells, however often the store fails: 0, or -1. */
static int
read_all(reading_t *reading, const char *script, read_pt read)
{
    convo_restore_t *self = reading->restore;
    convo_backoff_t backoff = { .first_ms = BACKOFF_FIRST_MS,
                                .limit_ms = BACKOFF_LIMIT_MS };
    char before[ID_MAX + 1];

    reading->script = script;
    reading->after[0] = '\0';

    do {
        strcpy(before, reading->after);

        if (read(reading) == 0) {
            return self->cut == NULL ? convo_restore_run(self, script) : -1;
        }

        tell_failure(reading);
        if (strcmp(before, reading->after) != 0) {
            convo_backoff_reset(&backoff);
        }
    } while (convo_restore_run(self, script) == 0
             && wait_for_store(reading, convo_backoff_next(&backoff)) == 0);

    return -1;
}


int
convo_restore_read(convo_restore_t *self)
{
    reading_t reading = { .restore = self };
    int result;

    self->cut = NULL;
    reading.now_s = convo_redis_now(self->redis) / 1000;
    if (reading.now_s <= 0) {
        self->cut = "Redis is away";
        return -1;
    }

    reading.store = convo_store_new(self->config);
    convo_redis_begin(self->redis);

    result = read_all(&reading, "restore_user", read_users);
    if (result == 0) {
        result = read_all(&reading, "restore_session", read_sessions);
    }

    reading.store->close(reading.store);

    return result;
}
