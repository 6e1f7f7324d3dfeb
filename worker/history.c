/*
 * The jobs that move what happened from each pool's streams to the store:
 * "history" the sessions that were held, "reports" what users reported.
 *
 * Crash story.  An entry leaves the stream only after the store has it for
 * good; killed in between, it is written again, which the store takes for the
 * same.  Store down: the entries wait in Redis, and the job tries again with
 * back-off: nothing is lost, only late.
 * An entry that is no record (put there by hand), or one that the store will
 * never take, becomes a dead letter.
 */

#include "backoff.h"
#include "jobs.h"
#include "log.h"
#include "records.h"
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

typedef struct history history_t;

/* What the two jobs do differently: reads an entry, and writes those read. */
typedef struct {
    const char *name;
    const char *stream;
    const char *noun;
    const char *strange; /* the reason of a dead letter */
    const char *refused; /* the same, of one that the store will not take */
    int (*take)(history_t *self, const convo_pool_t *pool,
                const redisReply *entries, size_t index);
    int (*put)(history_t *self);
} kind_t;

struct history {
    const kind_t *kind;
    convo_stream_t stream;
    convo_store_t *store;
    convo_backoff_t backoff;
    int failed;        /* the store, in this pass */
    time_t expired_at; /* monotonic seconds; 0: never yet */
    size_t n;
    size_t index[CONVO_STREAM_BATCH]; /* the entries of the records */
    char refused[CONVO_STREAM_BATCH];
    union {
        convo_store_session_t sessions[CONVO_STREAM_BATCH];
        convo_store_report_t reports[CONVO_STREAM_BATCH];
    } records;
};


/* --- the two kinds --- */

static int
take_session(history_t *self, const convo_pool_t *pool,
             const redisReply *entries, size_t index)
{
    (void) pool;

    return convo_records_session(entries, index,
                                 &self->records.sessions[self->n]);
}


static int
put_sessions(history_t *self)
{
    return self->store->write(self->store, self->records.sessions, self->n,
                              self->refused);
}


static int
take_report(history_t *self, const convo_pool_t *pool,
            const redisReply *entries, size_t index)
{
    return convo_records_report(entries, index, pool,
                                &self->records.reports[self->n]);
}


static int
put_reports(history_t *self)
{
    return self->store->put_reports(self->store, self->records.reports,
                                    self->n, self->refused);
}


static const kind_t sessions_kind = {
    .name = "history",
    .stream = CONVO_KEY_ENDED,
    .noun = "session",
    .strange = "no session",
    .refused = "the store refuses the session",
    .take = take_session,
    .put = put_sessions,
};

static const kind_t reports_kind = {
    .name = "reports",
    .stream = CONVO_KEY_REPORTS,
    .noun = "report",
    .strange = "no report",
    .refused = "the store refuses the report",
    .take = take_report,
    .put = put_reports,
};


/* --- writing --- */

/* Those that the store will never take: they hold up no other. */
static int
bury_refused(history_t *self, const convo_pool_t *pool,
             const redisReply *entries)
{
    for (size_t i = 0; i < self->n; i++) {
        if (self->refused[i]
            && convo_stream_bury(&self->stream, pool, entries, self->index[i],
                                 self->kind->refused)
                   != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
write_batch(history_t *self, const convo_pool_t *pool,
            const redisReply *entries)
{
    const kind_t *kind = self->kind;
    int result;

    if (self->n == 0) {
        return 0;
    }

    memset(self->refused, 0, sizeof(self->refused));

    if (kind->put(self) != 0) {
        convo_log(CONVO_LOG_WARN, kind->name,
                  "pool %s: the store takes nothing now, %zu or more wait: %s",
                  pool->name, self->n, self->store->error);
        self->failed = 1;
        return -1;
    }

    convo_backoff_reset(&self->backoff);
    convo_log(CONVO_LOG_DEBUG, kind->name, "pool %s: %zu %ss stored",
              pool->name, self->n, kind->noun);
    result = bury_refused(self, pool, entries);
    self->n = 0;

    return result;
}


static int
on_entries(void *data, const convo_pool_t *pool, const redisReply *entries)
{
    history_t *self = data;

    self->n = 0;

    for (size_t i = 0; i < entries->elements; i++) {
        if (self->kind->take(self, pool, entries, i) != 0) {
            if (convo_stream_bury(&self->stream, pool, entries, i,
                                  self->kind->strange)
                != 0)
            {
                return -1;
            }
            continue;
        }
        self->index[self->n] = i;
        if (++self->n == CONVO_STREAM_BATCH
            && write_batch(self, pool, entries) != 0)
        {
            return -1;
        }
    }

    return write_batch(self, pool, entries);
}


/* --- the jobs --- */

/* Redis's clock is the one that the records' times came from. */
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
        convo_log(CONVO_LOG_WARN, self->kind->name, "nothing expires now: %s",
                  self->store->error);
    } else if (gone > 0) {
        convo_log(CONVO_LOG_INFO, self->kind->name, "%d records have expired",
                  (int) gone);
    }
}


static void
run(const convo_config_t *config, const kind_t *kind)
{
    history_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, kind->name, "out of memory");
        abort();
    }

    self->kind = kind;
    self->store = convo_store_new(config);
    self->backoff.first_ms = BACKOFF_FIRST_MS;
    self->backoff.limit_ms = BACKOFF_LIMIT_MS;
    convo_stream_open(&self->stream, config, kind->name, kind->stream,
                      on_entries, self);

    while (!convo_stopping()) {
        if (kind == &sessions_kind) {
            expire(self);
        }

        self->failed = 0;
        convo_stream_pass(&self->stream);

        /* once for all pools: each of them was tried */
        if (self->failed) {
            convo_stop_wait(convo_backoff_next(&self->backoff));
        }
    }

    convo_stream_close(&self->stream);
    self->store->close(self->store);
    free(self);
}


void
convo_history(const convo_config_t *config)
{
    run(config, &sessions_kind);
}


void
convo_reports(const convo_config_t *config)
{
    run(config, &reports_kind);
}
