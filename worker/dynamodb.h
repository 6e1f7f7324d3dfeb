/*
 * DynamoDB's own protocol, for one thread: JSON over HTTP, each request signed
 * (SigV4), many at once on libcurl's multi interface.  What the calls mean is
 * the store's concern (store_dynamodb.h).
 *
 * How it fails: what the service says it could not do now (throttling, its own
 * faults) is asked again after a pause that grows, with jitter, until
 * CONVO_DYNAMODB_BUDGET_MS have gone since convo_dynamodb_begin(); a connection
 * that broke is tried once more, a call that took too long is not.  Nothing of
 * an answer is logged or told but the name of an error that AWS documents:
 * messages quote what was sent, and whose key it was.
 *
 * Source: Amazon DynamoDB Developer Guide, "DynamoDB low-level API" and
 * "Error handling with DynamoDB".
 */

#ifndef CONVO_DYNAMODB_H
#define CONVO_DYNAMODB_H

#include "config.h"

#include <jansson.h>
#include <stddef.h>

/* Calls that are under way at once. */
#define CONVO_DYNAMODB_CONNECTIONS 16

typedef enum {
    CONVO_DYNAMODB_OK,
    CONVO_DYNAMODB_CONDITION, /* the condition did not hold */
    CONVO_DYNAMODB_MISSING,   /* no such table */
    CONVO_DYNAMODB_IN_USE,    /* the table is there, or is being changed */
    CONVO_DYNAMODB_INVALID,   /* a request that is never taken */
    CONVO_DYNAMODB_TOO_LARGE, /* an item cannot grow by this */
    CONVO_DYNAMODB_FAILED,    /* anything else: perhaps later */
} convo_dynamodb_result_e;

typedef struct {
    const char *operation; /* "PutItem" */
    json_t *request;       /* of the caller, who releases it */

    convo_dynamodb_result_e result;
    json_t *answer; /* where OK, for the caller to release; else NULL */
} convo_dynamodb_call_t;

typedef struct convo_dynamodb convo_dynamodb_t;

/* Ready for calls; config must outlive it; nothing is sent yet.  Never NULL:
 * without memory a worker ends. */
convo_dynamodb_t *convo_dynamodb_new(const convo_dynamodb_config_t *config);

void convo_dynamodb_free(convo_dynamodb_t *dynamodb);

/* Gives what follows a fresh budget for being tried again. */
void convo_dynamodb_begin(convo_dynamodb_t *dynamodb);

/*
 * Makes the calls and sets result and answer of each.  0 when each is OK or
 * CONDITION, else -1.  Blocks for at most the budget and, for every
 * CONVO_DYNAMODB_CONNECTIONS of the calls, the timeout; once the worker is to
 * stop, for what is under way and no more.
 */
int convo_dynamodb_run(convo_dynamodb_t *dynamodb,
                       convo_dynamodb_call_t *calls, size_t n);

/* Releases the answers of calls, and their requests. */
void convo_dynamodb_release(convo_dynamodb_call_t *calls, size_t n);

/*
 * Waits before what an answer left undone is asked for again.  0, or -1 when
 * the budget is used up or the worker is to stop.
 */
int convo_dynamodb_pause(convo_dynamodb_t *dynamodb);

/* Why the last call that was not OK was so: a phrase for the log, valid until
 * the next call. */
const char *convo_dynamodb_why(const convo_dynamodb_t *dynamodb);

/* For what only the caller can see in an answer. */
void convo_dynamodb_set_why(convo_dynamodb_t *dynamodb, const char *format,
                            ...) __attribute__((format(printf, 2, 3)));

#endif /* CONVO_DYNAMODB_H */
