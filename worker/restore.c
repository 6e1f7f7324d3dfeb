/*
 * The job that fills a Redis that has lost its data (or is a new one) from the
 * store, and only then lets its pools be served: what the store knows of each
 * user, whom they are never paired with, and their last sessions.  A Redis that
 * was started with its data may have an older snapshot of it: for each new one
 * the store is read as well, and what it knows of later is taken, while the
 * pool is served.  And so it is once more after each of these: what a worker
 * was writing to the store when Redis lost its data may have come there when
 * that had been read.
 *
 * Crash story.  One worker at a time restores a pool, under a lease that it
 * renews, also while the store takes its time; killed at any moment, another
 * begins again when the lease is over, and at once when it was told to stop.
 * Who has lost the lease (it hung, or Redis was emptied once more) opens no
 * pool, and begins again from the start.
 * Restoring twice is restoring once: a user whom Redis knows of a later time
 * is left alone, and a session takes its place in a history once.  When the
 * store is to be read once more stands in Redis, so that any worker does it.
 *
 * How it fails: while the store does not answer, such a pool stays closed (the
 * edge answers 503 "restoring") and the log says so; the store is asked again
 * from where it failed, so that one that throttles is read through all the
 * same.  Pools that are ready are served all the time.
 */

#include "backoff.h"
#include "jobs.h"
#include "log.h"
#include "pools.h"
#include "restore.h"
#include "stop.h"

#include <inttypes.h>
#include <stdlib.h>

/* How often pools are looked at. */
#define INTERVAL_MS 1000

#define BACKOFF_FIRST_MS 500
#define BACKOFF_LIMIT_MS 15000

typedef struct {
    convo_restore_t restore; /* what its files share */
    convo_backoff_t backoff;
} job_t;


static const char *
beginning(const convo_restore_t *self, size_t index)
{
    return self->again[index]
               ? ": the store is read once more, for what was being written "
                 "when Redis lost its data"
           : self->open[index]
               ? ": Redis was started, perhaps with older data: what the "
                 "store knows is read again"
               : " is new to Redis: it is filled from the store";
}


static void
tell_begin(convo_restore_t *self)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i] && !self->told[i]) {
            convo_log(CONVO_LOG_INFO, "restore", "pool %s%s",
                      self->config->pools[i].name, beginning(self, i));
            self->told[i] = 1;
        }
        self->count[i] = 0;
    }
}


static void
tell_failure(convo_restore_t *self, const char *why)
{
    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]) {
            convo_restore_tell(self, i, why);
        }
    }
}


static void
tell_done(const convo_restore_t *self, size_t index, int64_t began_ms)
{
    const char *name = self->config->pools[index].name;

    if (self->open[index]) {
        convo_log(CONVO_LOG_INFO, "restore",
                  "pool %s: Redis has what the store knows of %" PRId64
                  " users, read in %" PRId64 " ms",
                  name, self->count[index],
                  convo_restore_clock() - began_ms);
    } else if (self->count[index] == 0) {
        convo_log(CONVO_LOG_INFO, "restore",
                  "pool %s is ready: the store knows nobody of it", name);
    } else {
        convo_log(CONVO_LOG_WARN, "restore",
                  "pool %s is ready: %" PRId64 " users were restored in %"
                  PRId64 " ms", name, self->count[index],
                  convo_restore_clock() - began_ms);
    }
}


/* Opens what has been filled: 0, or -1 when one could not be opened.  One that
 * is restoring still is not ours any more. */
static int
open_pools(convo_restore_t *self, int64_t began_ms)
{
    int64_t beat = 0;
    int result = 0;

    for (size_t i = 0; i < self->config->npools; i++) {
        if (!self->mine[i]) {
            continue;
        }

        switch (convo_pool_open(self->redis, self->config,
                                &self->config->pools[i], &self->run,
                                self->config->name, &beat))
        {
        case CONVO_POOL_READY:
            self->mine[i] = 0;
            self->told[i] = 0;
            tell_done(self, i, began_ms);
            break;

        case CONVO_POOL_RESTORING:
            convo_restore_lose(self, i, CONVO_RESTORE_LOST);
            result = -1;
            break;

        default:
            break;
        }
    }

    for (size_t i = 0; i < self->config->npools; i++) {
        if (self->mine[i]) {
            self->cut = "Redis does not open it";
            result = -1;
        }
    }

    return result;
}


/* Restores those that are ours: 0, or -1 when it is to be tried again. */
static int
restore(convo_restore_t *self)
{
    int64_t began_ms = convo_restore_clock();
    int result;

    tell_begin(self);

    result = convo_restore_read(self);
    if (result == 0) {
        result = open_pools(self, began_ms);
    }
    if (result != 0) {
        tell_failure(self, self->cut);
    }

    return result;
}


void
convo_restore(const convo_config_t *config)
{
    job_t *job = calloc(1, sizeof(*job));

    if (job == NULL) {
        convo_log(CONVO_LOG_ERROR, "restore", "out of memory");
        abort();
    }

    job->restore.config = config;
    job->restore.redis = convo_redis_new(config, "restore");
    job->backoff.first_ms = BACKOFF_FIRST_MS;
    job->backoff.limit_ms = BACKOFF_LIMIT_MS;

    while (!convo_stopping()) {
        int64_t wait_ms = INTERVAL_MS;

        if (convo_run_know(&job->restore.run, job->restore.redis) == 0
            && convo_restore_lease(&job->restore, 0) > 0)
        {
            if (restore(&job->restore) == 0) {
                convo_backoff_reset(&job->backoff);
            } else {
                wait_ms = convo_backoff_next(&job->backoff);
            }
        }

        convo_stop_wait(wait_ms);
    }

    convo_restore_give_back(&job->restore);
    convo_redis_free(job->restore.redis);
    free(job);
}
