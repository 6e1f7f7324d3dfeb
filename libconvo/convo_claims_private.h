/*
 * The block of a token's claims, for convo_claims.c and convo_claims_check.c.
 *
 * What every request asks is found once, when the token is read.
 */

#ifndef CONVO_CLAIMS_PRIVATE_H
#define CONVO_CLAIMS_PRIVATE_H

#include "convo_claims.h"

typedef enum {
    CONVO_CLAIMS_EXP = 0,
    CONVO_CLAIMS_NBF,
    CONVO_CLAIMS_IAT,
    CONVO_CLAIMS_TIMES, /* how many of the known are times */

    CONVO_CLAIMS_ISS = CONVO_CLAIMS_TIMES,
    CONVO_CLAIMS_AUD,
    CONVO_CLAIMS_SUB,
    CONVO_CLAIMS_CLIENT_ID,
    CONVO_CLAIMS_TOKEN_USE,
    CONVO_CLAIMS_JTI,
    CONVO_CLAIMS_SCOPE,
    CONVO_CLAIMS_IDENTITIES,
    CONVO_CLAIMS_ORIGIN_JTI,
    CONVO_CLAIMS_KNOWN,
} convo_claims_known_e;

/* Instead of a time; no acceptable one is negative. */
#define CONVO_CLAIMS_TIME_MISSING (-1.0)
#define CONVO_CLAIMS_TIME_BAD (-2.0)

struct convo_claims_s {
    size_t size;
    const convo_value_t *known[CONVO_CLAIMS_KNOWN]; /* NULL: missing */
    double times[CONVO_CLAIMS_TIMES];               /* epoch seconds */

    /* the array, also when it was sent as JSON text; NULL: no array */
    const convo_value_t *identities;

    convo_value_t values[]; /* and after them the text they point into */
};

#endif /* CONVO_CLAIMS_PRIVATE_H */
