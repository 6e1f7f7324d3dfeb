/*
 * The job that moves finished sessions from each pool's stream to the history
 * store.
 *
 * Crash story.  An entry leaves the stream only after the store has it for
 * good; killed in between, it is written again, which the store takes for the
 * same.  Store down: the entries wait in Redis, and the job tries again with
 * back-off: nothing is lost, only late.
 * An entry that is no session (put there by hand) becomes a dead letter.
 */

#include "backoff.h"
#include "jobs.h"
#include "log.h"
#include "stop.h"
#include "store.h"
#include "stream.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LIMIT_MS 15000

/* How often the store forgets what has expired. */
#define EXPIRE_S 3600

typedef struct {
    convo_stream_t stream;
    convo_store_t *store;
    convo_backoff_t backoff;
    time_t expired_at; /* monotonic seconds; 0: never yet */
} history_t;


/* --- reading an entry --- */

static int
take_text(const redisReply *entries, size_t index, const char *name,
          char *out, size_t max)
{
    convo_field_t field = convo_stream_field(entries, index, name);

    if (field.text == NULL || field.len == 0 || field.len > max
        || memchr(field.text, '\0', field.len) != NULL)
    {
        return -1;
    }

    memcpy(out, field.text, field.len);
    out[field.len] = '\0';

    return 0;
}


static int
take_number(const redisReply *entries, size_t index, const char *name,
            int64_t *number)
{
    char text[16], *end;

    if (take_text(entries, index, name, text, sizeof(text) - 1) != 0
        || text[0] < '0' || text[0] > '9')
    {
        return -1;
    }

    *number = strtoll(text, &end, 10);

    return *end == '\0' ? 0 : -1;
}


static int
take_session(const redisReply *entries, size_t i, convo_store_session_t *s)
{
    return take_text(entries, i, "sessionId", s->session_id, CONVO_SID_LEN)
                       == 0
                   && take_text(entries, i, "userA", s->user_a, CONVO_USER_MAX)
                          == 0
                   && take_text(entries, i, "userB", s->user_b, CONVO_USER_MAX)
                          == 0
                   && take_number(entries, i, "startTime", &s->start_time) == 0
                   && take_number(entries, i, "endTime", &s->end_time) == 0
                   && take_number(entries, i, "duration", &s->duration) == 0
                   && take_number(entries, i, "expiresAt", &s->expires_at) == 0
               ? 0
               : -1;
}


/* --- writing --- */

static int
write_batch(history_t *self, const convo_pool_t *pool,
            const convo_store_session_t *sessions, size_t n)
{
    if (n == 0) {
        return 0;
    }

    if (self->store->write(self->store, sessions, n) != 0) {
        convo_log(CONVO_LOG_WARN, "history",
                  "pool %s: the store takes nothing now, %zu or more wait: %s",
                  pool->name, n, self->store->error);
        convo_stop_wait(convo_backoff_next(&self->backoff));
        return -1;
    }

    convo_backoff_reset(&self->backoff);
    convo_log(CONVO_LOG_DEBUG, "history", "pool %s: %zu sessions stored",
              pool->name, n);

    return 0;
}


static int
on_entries(void *data, const convo_pool_t *pool, const redisReply *entries)
{
    history_t *self = data;
    convo_store_session_t sessions[CONVO_STREAM_BATCH];
    size_t n = 0;

    for (size_t i = 0; i < entries->elements; i++) {
        if (take_session(entries, i, &sessions[n]) != 0) {
            if (convo_stream_bury(&self->stream, pool, entries, i,
                                  "no session")
                != 0)
            {
                return -1;
            }
            continue;
        }
        if (++n == CONVO_STREAM_BATCH) {
            if (write_batch(self, pool, sessions, n) != 0) {
                return -1;
            }
            n = 0;
        }
    }

    return write_batch(self, pool, sessions, n);
}


/* --- the job --- */

/* Redis's clock is the one that the sessions' times came from. */
static void
expire(history_t *self)
{
    struct timespec now;
    int64_t now_ms, gone;

    clock_gettime(CLOCK_MONOTONIC, &now);

    if (self->expired_at != 0 && now.tv_sec - self->expired_at < EXPIRE_S) {
        return;
    }
    if (convo_redis_ready(self->stream.work) != 0) {
        return;
    }

    now_ms = convo_redis_now(self->stream.work);
    if (now_ms < 0) {
        return;
    }

    self->expired_at = now.tv_sec;
    gone = self->store->expire(self->store, now_ms / 1000);

    if (gone < 0) {
        convo_log(CONVO_LOG_WARN, "history", "nothing expires now: %s",
                  self->store->error);
    } else if (gone > 0) {
        convo_log(CONVO_LOG_INFO, "history", "%d sessions have expired",
                  (int) gone);
    }
}


void
convo_history(const convo_config_t *config)
{
    history_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, "history", "out of memory");
        abort();
    }

    self->store = convo_store_new(config);
    self->backoff.first_ms = BACKOFF_FIRST_MS;
    self->backoff.limit_ms = BACKOFF_LIMIT_MS;
    convo_stream_open(&self->stream, config, "history", CONVO_KEY_ENDED,
                      on_entries, self);

    while (!convo_stopping()) {
        expire(self);
        convo_stream_pass(&self->stream);
    }

    convo_stream_close(&self->stream);
    self->store->close(self->store);
    free(self);
}
