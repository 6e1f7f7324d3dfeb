/*
 * The job that fills Redis from the store: what its files share.  The job
 * itself is in restore.c, its leases are in restore_lease.c, and what it reads
 * and writes is in restore_read.c.
 */

#ifndef CONVO_RESTORE_H
#define CONVO_RESTORE_H

#include "config.h"
#include "pools.h"
#include "redis.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;

    convo_run_t run;
    int mine[CONVO_CONFIG_POOLS];      /* being restored by this worker */
    int open[CONVO_CONFIG_POOLS];      /* and served meanwhile */
    int again[CONVO_CONFIG_POOLS];     /* the same, and for the last time */
    int told[CONVO_CONFIG_POOLS];      /* that it is being restored */
    int64_t count[CONVO_CONFIG_POOLS]; /* users, for the log */
    int64_t renewed_ms;                /* the leases, monotonic */
    const char *cut; /* why it was ended, or NULL; not the store's failing */
} convo_restore_t;

/* CLOCK_MONOTONIC in ms. */
int64_t convo_restore_clock(void);

/* --- leases --- */

/*
 * Takes the lease of every pool that is to be restored, or renews (renew) that
 * of those that are ours already, and sets mine[].  How many are ours, or -1.
 */
int convo_restore_lease(convo_restore_t *self, int renew);

/* Gives the leases back that are ours, so that another worker begins at once;
 * one that Redis does not hear of now is over by itself. */
void convo_restore_give_back(convo_restore_t *self);

/* The pool is not ours any more; when nobody has it we shall begin again. */
void convo_restore_lose(convo_restore_t *self, size_t index, const char *why);

/* Why a lease is nobody's. */
#define CONVO_RESTORE_LOST "it was over, or Redis was emptied"

/*
 * Makes the calls (what) that were collected so far, and begins anew.  Refused
 * ones are told, and the rest goes on; who is banned and in a session by older
 * data is taken out of it.  0, or -1 when Redis is away.
 */
int convo_restore_run(convo_restore_t *self, const char *what);

/*
 * Renews the leases when it is time, after the calls (what) that were collected
 * so far: 0, or -1 when there is nothing left to restore, Redis is away, or the
 * worker is to stop.
 */
int convo_restore_keep(convo_restore_t *self, const char *what);

/* Says why the pool could not be restored now. */
void convo_restore_tell(const convo_restore_t *self, size_t index,
                        const char *why);

/* --- reading --- */

/*
 * Reads the store through for the pools that are ours.  A store that fails is
 * asked again from where it was, with back-off, for as long as the leases are
 * ours.  0 when all of it is in Redis, or -1, with the reason in cut.
 */
int convo_restore_read(convo_restore_t *self);

#endif /* CONVO_RESTORE_H */
