/*
 * Where finished sessions are kept: one struct of functions, one file for
 * each kind of store.
 *
 * A store is used by the thread that opened it.  Writing is idempotent by
 * sessionId, as the same session may be written twice, also by two workers.
 */

#ifndef CONVO_STORE_H
#define CONVO_STORE_H

#include "config.h"

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

typedef struct convo_store convo_store_t;

struct convo_store {
    /*
     * Writes n sessions: all of them, or none.  Those it has already are left
     * as they are.  Returns 0 when they are safe on disk or at the service,
     * -1 with the reason in error when the store cannot take them now: the
     * caller tries again later.
     */
    int (*write)(convo_store_t *store, const convo_store_session_t *sessions,
                 size_t n);

    /* How many sessions it keeps, or -1. */
    int64_t (*count)(convo_store_t *store);

    /* Forgets what has expired at now_s: how many, or -1. */
    int64_t (*expire)(convo_store_t *store, int64_t now_s);

    void (*close)(convo_store_t *store);

    char error[CONVO_STORE_ERROR]; /* of the last call that failed */
};

/* The store that the configuration names.  It opens its file or connection
 * when first used, and again after a failure.  Never NULL. */
convo_store_t *convo_store_new(const convo_config_t *config);

/* The kinds. */
convo_store_t *convo_store_sqlite_new(const char *path);

#endif /* CONVO_STORE_H */
