/*
 * The DynamoDB store's own: what its files share.  Tables are made in
 * store_dynamodb_init.c, written in store_dynamodb_write.c (what never changes)
 * and store_dynamodb_users.c, and read in store_dynamodb_read.c; what is never
 * taken is told in store_dynamodb_judge.c; dynamodb.h speaks the protocol.
 *
 * How sessions are written, each once and many at a time: one alone by a put
 * on the condition that its sessionId is not there.  Batches know no
 * conditions, and transactions, which do, cost twice as much for a guarantee
 * across items that nobody needs.  So of several, those that are there already
 * are found first (consistent reads of keys alone, a fifth of what the write
 * costs) and left as they are; the others go in batches.  Two workers that
 * hold the same stream entry at the same moment may both write it: they write
 * the same bytes, as what an ended session was never changes.  The same holds
 * for reports.
 */

#ifndef CONVO_STORE_DYNAMODB_H
#define CONVO_STORE_DYNAMODB_H

#include "dynamodb.h"
#include "store.h"

/* The longest name of a table. */
#define CONVO_DYNAMODB_TABLE (CONVO_DYNAMODB_PREFIX_MAX + 16)

/* The indexes of the sessions: by user, then startTime. */
#define CONVO_DYNAMODB_INDEX_A "userA-startTime"
#define CONVO_DYNAMODB_INDEX_B "userB-startTime"

typedef struct {
    convo_store_t store; /* first: a store is one of these */
    convo_dynamodb_t *dynamodb;
    char sessions[CONVO_DYNAMODB_TABLE]; /* the tables' names */
    char users[CONVO_DYNAMODB_TABLE];
    char reports[CONVO_DYNAMODB_TABLE];
    int takes_sessions; /* the table takes some: it is as it should be */
    int takes_users;
    int takes_reports;
} convo_store_dynamodb_t;

/* A table that is written to. */
typedef struct {
    const char *name;
    const char *key; /* the first of its keys */
    int *takes;      /* that of the store */
} convo_store_dynamodb_table_t;

/* Keeps what was being done and why it could not be.  -1. */
int convo_store_dynamodb_fail(convo_store_dynamodb_t *self, const char *what);

/* Makes one call, of which it takes over the request: its answer, a new
 * reference, or NULL.  result may be NULL. */
json_t *convo_store_dynamodb_call(convo_store_dynamodb_t *self,
                                  const char *operation, json_t *request,
                                  convo_dynamodb_result_e *result);

/*
 * What became of n calls that wrote one item each to the table: sets refused[i]
 * to 1 for each that it will never take, though it takes others, else to 0.  0
 * when all are taken, refused or too large to grow, or -1.  May ask the table
 * whether it has an item.
 */
int convo_store_dynamodb_judge(convo_store_dynamodb_t *self,
                               const convo_store_dynamodb_table_t *table,
                               const convo_dynamodb_call_t *calls, size_t n,
                               char *refused);

/* Adds both directions of the blocks of n reports (at most half of
 * CONVO_DYNAMODB_CONNECTIONS).  0 or -1. */
int convo_store_dynamodb_add_blocks(convo_store_dynamodb_t *self,
                                    const convo_store_report_t *reports,
                                    size_t n);

/* Those functions of a store. */
int convo_store_dynamodb_init(convo_store_t *store);
int convo_store_dynamodb_write(convo_store_t *store,
                               const convo_store_session_t *sessions,
                               size_t n, char *refused);
int convo_store_dynamodb_put_users(convo_store_t *store,
                                   const convo_store_user_t *users, size_t n,
                                   char *refused);
int convo_store_dynamodb_put_reports(convo_store_t *store,
                                     const convo_store_report_t *reports,
                                     size_t n, char *refused);
int convo_store_dynamodb_each_user(convo_store_t *store, const char *after,
                                   convo_store_user_pt told, void *data);
int convo_store_dynamodb_each_session(convo_store_t *store, const char *after,
                                      int64_t since_s, int64_t now_s,
                                      convo_store_session_pt told,
                                      void *data);
int convo_store_dynamodb_each_report(convo_store_t *store, int64_t since_s,
                                     int64_t now_s,
                                     convo_store_report_pt told, void *data);

#endif /* CONVO_STORE_DYNAMODB_H */
