/*
 * Where finished sessions, users and reports are kept for good: one struct of
 * functions, one file or more for each kind of store.
 *
 * A store is used by the thread that opened it, and every call blocks: on a
 * disk, or on a service for a bounded time.  Writing is idempotent, as the
 * same record may be written twice, also by two workers at once: a session
 * is known by its sessionId, a report by (sessionId, reporter), a user by the
 * userId, where the newer version stands.  Of users nothing expires.
 *
 * How it fails: -1, with the reason in error, when the store cannot take or
 * tell now; of a batch some may be kept then, and the caller writes all of it
 * again later.  A record in the store that is rubbish (put there by hand) is
 * left out of what is read, and told in the log.
 */

#ifndef CONVO_STORE_H
#define CONVO_STORE_H

#include "config.h"
#include "convo_report.h"
#include "convo_user_view.h"

#include <stddef.h>
#include <stdint.h>

#define CONVO_STORE_ERROR 256

/* A session that was held: times in epoch seconds, duration in seconds. */
typedef struct {
    char session_id[CONVO_SID_LEN + 1];
    char user_a[CONVO_USER_MAX + 1];
    char user_b[CONVO_USER_MAX + 1];
    int64_t start_time;
    int64_t end_time;
    int64_t duration;
    int64_t expires_at; /* it may be forgotten from then on */
} convo_store_session_t;

/*
 * What a fresh Redis must know of a user.  A user has one pool: of the records
 * of two pools the newer one stands.  One whom the store knows by blocks alone
 * has version 0, and no points.
 */
typedef struct {
    char user_id[CONVO_USER_MAX + 1];
    char pool[CONVO_POOL_MAX + 1];
    int64_t points;       /* of a window, as last configured; 0: not known */
    int64_t points_left;
    int64_t spent;        /* in the open window */
    int64_t window_end;   /* epoch seconds, 0: none is open */
    int64_t last_session; /* its start in epoch seconds, 0: none */
    convo_user_state_e state;
    int64_t banned_until; /* epoch seconds, 0: not banned */
    int64_t version;      /* ms */
} convo_store_user_t;

typedef struct {
    char session_id[CONVO_SID_LEN + 1];
    char reporter[CONVO_USER_MAX + 1];
    char reported[CONVO_USER_MAX + 1];
    char reason[CONVO_REASON_MAX + 1]; /* may be empty */
    char pool[CONVO_POOL_MAX + 1];
    int64_t at;         /* epoch seconds */
    int64_t expires_at; /* the text may be forgotten from then on */
} convo_store_report_t;

/*
 * Told one record each, which is the callee's for the call alone; blocked are
 * the users with whom this one is never paired again.  They must not use the
 * store.  Not 0 ends the reading, which has then gone well.
 */
typedef int (*convo_store_user_pt)(void *data, const convo_store_user_t *user,
                                   const char *const *blocked,
                                   size_t nblocked);
typedef int (*convo_store_session_pt)(void *data,
                                      const convo_store_session_t *session);
typedef int (*convo_store_report_pt)(void *data,
                                     const convo_store_report_t *report);

typedef struct convo_store convo_store_t;

struct convo_store {
    /* Makes what the store keeps its records in (tables, indexes, expiry), as
     * far as it is missing.  0 when all of it is there and of the right shape,
     * or -1.  Blocks for minutes at most. */
    int (*init)(convo_store_t *store);

    /*
     * Writes n sessions.  Those it has already are left as they are.
     * refused[n], zeroed by the caller, gets 1 for each that the store will
     * never take, though it takes others; of several with the same id for the
     * first alone.  Returns 0 when all others are safe on disk or at the
     * service, or -1.
     */
    int (*write)(convo_store_t *store, const convo_store_session_t *sessions,
                 size_t n, char *refused);

    /* Writes n users, each where its version is newer than what the store
     * has; what the store has of the same or a newer version stands, which is
     * no failure.  Who has no points has never joined in that pool: such a
     * record adds its ban to what the store has, and nothing else.  A last
     * session of 0 leaves the one that the store has.  refused as for write.
     * 0 or -1. */
    int (*put_users)(convo_store_t *store, const convo_store_user_t *users,
                     size_t n, char *refused);

    /* Writes n reports, and for ever that reporter and reported are never
     * paired again, for either of them.  A report it has already stands.
     * refused as for write.  0 or -1. */
    int (*put_reports)(convo_store_t *store,
                       const convo_store_report_t *reports, size_t n,
                       char *refused);

    /* Tells the users, in an order of the store's own: all of them (after is
     * NULL), or those that come behind the userId after, the last one that was
     * told before a failure.  0 or -1; some may have been told. */
    int (*each_user)(convo_store_t *store, const char *after,
                     convo_store_user_pt told, void *data);

    /* Tells in the same way the sessions that ended at since_s or later and
     * have not expired at now_s; after is a sessionId. */
    int (*each_session)(convo_store_t *store, const char *after,
                        int64_t since_s, int64_t now_s,
                        convo_store_session_pt told, void *data);

    /* Tells, in any order, the reports made at since_s or later that have not
     * expired at now_s.  0 or -1. */
    int (*each_report)(convo_store_t *store, int64_t since_s, int64_t now_s,
                       convo_store_report_pt told, void *data);

    /* How many sessions it keeps, or -1; DynamoDB counts every six hours. */
    int64_t (*count)(convo_store_t *store);

    /* Forgets the sessions and reports that have expired at now_s: how many,
     * or -1.  0 of a store that does so by itself. */
    int64_t (*expire)(convo_store_t *store, int64_t now_s);

    void (*close)(convo_store_t *store);

    char error[CONVO_STORE_ERROR]; /* of the last call that failed */
};

/* The store that the configuration names, which must outlive it.  It opens
 * its file or connection when first used, and again after a failure.  Never
 * NULL. */
convo_store_t *convo_store_new(const convo_config_t *config);

/*
 * Whether any store can hold the record: texts are UTF-8 and not empty (but
 * for a reason), ids are ids, numbers are not negative.  1 or 0; to write one
 * that is not good is -1 for ever, so ask first.
 */
int convo_store_session_is_good(const convo_store_session_t *session);
int convo_store_user_is_good(const convo_store_user_t *user);
int convo_store_report_is_good(const convo_store_report_t *report);

/* The state of a record: that of this name, which may be NULL in one of an
 * earlier release, or else what isWaitingInQueue says. */
convo_user_state_e convo_store_state(const char *name, int is_waiting);

/* The kinds. */
convo_store_t *convo_store_sqlite_new(const char *path);
convo_store_t *convo_store_dynamodb_new(const convo_dynamodb_config_t *config);

#endif /* CONVO_STORE_H */
