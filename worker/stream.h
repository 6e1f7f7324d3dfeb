/*
 * Reading one stream of each pool, as one of a group of workers.
 *
 * An entry is delivered to one worker and stays pending with it until it is
 * done.  What a dead worker left pending is taken over once it has been idle
 * for long enough; what this one left pending is read again after a lost
 * connection or a failure.  So an entry is handled at least once, perhaps
 * twice, and not always in order: whatever handles it must be idempotent.
 *
 * A stream that cannot be read (its key holds something else, its group is
 * missing) is left out for a while; those of the other pools are read on.
 *
 * Two connections: one that waits for entries and keeps the reply they lie
 * in, and one on which they are handled and acknowledged.
 */

#ifndef CONVO_STREAM_H
#define CONVO_STREAM_H

#include "config.h"
#include "redis.h"

#include <stddef.h>
#include <stdint.h>

/* The most entries of one pool in one read. */
#define CONVO_STREAM_BATCH 64

/* The longest id: two 64-bit numbers and a dash. */
#define CONVO_STREAM_ID 48

typedef struct {
    const char *text; /* any bytes; NULL: there is no such field */
    size_t len;
} convo_field_t;

/*
 * Handles the entries of a pool.  Returns 0 when all of them are done with,
 * -1 when they are to come again.
 */
typedef int (*convo_entries_pt)(void *data, const convo_pool_t *pool,
                                const redisReply *entries);

typedef struct {
    const convo_config_t *config;
    const char *who;
    const char *kind;    /* CONVO_KEY_LIVEKIT or CONVO_KEY_ENDED */
    convo_redis_t *wait; /* reads */
    convo_redis_t *work; /* handles; the handler uses it, too */
    convo_entries_pt handle;
    void *data;

    unsigned long connects;   /* of wait, when last looked at */
    int64_t taken_over_at_ms; /* monotonic */

    /* a stream that cannot be read is left out until then; monotonic */
    int64_t left_out_until_ms[CONVO_CONFIG_POOLS];

    /* where own pending entries are read from; "" when there are none */
    char cursor[CONVO_CONFIG_POOLS][CONVO_STREAM_ID];
} convo_stream_t;

/*
 * Opens the connections and sets everything; who is the job's name.  The
 * stream is the caller's memory and is closed by convo_stream_close().
 */
void convo_stream_open(convo_stream_t *stream, const convo_config_t *config,
                       const char *who, const char *kind,
                       convo_entries_pt handle, void *data);

void convo_stream_close(convo_stream_t *stream);

/*
 * One pass over all pools: own pending entries, those of dead workers, and
 * new ones, for which it waits up to half a second.  Returns 0, or -1 when
 * Redis is down or a handler failed.
 */
int convo_stream_pass(convo_stream_t *stream);

/* A field of the entry at index; {NULL, 0} when there is none. */
convo_field_t convo_stream_field(const redisReply *entries, size_t index,
                                 const char *name);

/*
 * The entry at index makes no sense: it is a dead letter, and done.  Returns
 * 0, or -1 when it could not be buried: the entries are to come again.
 */
int convo_stream_bury(convo_stream_t *stream, const convo_pool_t *pool,
                      const redisReply *entries, size_t index,
                      const char *reason);

/* The id of the entry at index for the log: never NULL. */
const char *convo_stream_id(const redisReply *entries, size_t index);

#endif /* CONVO_STREAM_H */
