/*
 * The tickets that one round of matching holds: claimed, looked at, settled.
 *
 * A round claims up to CONVO_CLAIM_BATCHES batches of one pool, going on only
 * while it has met nobody but silent users and void tickets: so whoever waits
 * behind those is not held up by them.
 *
 * Every function that asks Redis returns 0, or -1 when Redis is down; what is
 * claimed then comes back by convo_claim_salvage(), or by lease.
 */

#ifndef CONVO_CLAIM_H
#define CONVO_CLAIM_H

#include "config.h"
#include "redis.h"

#include <stddef.h>

#define CONVO_CLAIM_BATCHES 4
#define CONVO_CLAIM_MAX    (CONVO_CLAIM_BATCHES * CONVO_PAIRING_MAX)

/* What becomes of a ticket.  Every ticket of a claim is BACK until something
 * better is known. */
typedef enum {
    CONVO_TICKET_BACK,    /* to the front of the queue, in the old order */
    CONVO_TICKET_GOOD,    /* may be paired; else it goes back, too */
    CONVO_TICKET_VOID,    /* nobody waits with it: forgotten */
    CONVO_TICKET_FAULTY,  /* counts a fault of its own */
    CONVO_TICKET_SETTLED, /* out of the claim already */
} convo_fate_e;

typedef struct {
    char *text; /* owned; any bytes */
    size_t len;
    const char *user; /* in text; NULL when it is no ticket */
    size_t user_len;
    convo_fate_e fate;
    const char *fault; /* of a faulty one: why */
} convo_ticket_t;

typedef struct {
    const convo_config_t *config;
    const convo_pool_t *pool;
    convo_redis_t *redis;
    char id[CONVO_SID_LEN + 1]; /* of the claim; fresh for each round */
    convo_ticket_t tickets[CONVO_CLAIM_MAX];
    size_t n;
    int full;    /* there is more in the queue */
    int64_t now; /* Redis's clock when the users were read, ms */
} convo_claim_t;

/*
 * Claims and looks at what is in the queue.  odd: also an odd number.  The
 * tickets that may be paired are GOOD afterwards.
 */
int convo_claim_take(convo_claim_t *claim, int odd);

/* Settles every ticket by its fate. */
int convo_claim_settle(convo_claim_t *claim);

/*
 * After a failure of Redis: connects again and gives back whatever is still
 * in the claim, unless the worker is to stop.
 */
void convo_claim_salvage(convo_claim_t *claim);

/* Forgets the tickets and frees their memory. */
void convo_claim_clear(convo_claim_t *claim);

/* How many tickets have this fate. */
size_t convo_claim_count(const convo_claim_t *claim, convo_fate_e fate);

#endif /* CONVO_CLAIM_H */
