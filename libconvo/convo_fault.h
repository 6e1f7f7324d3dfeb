/*
 * Why a token is not accepted: every reason, and what a client is told.
 *
 * Each fault has a word of its own for logs and $convo_auth_error, and one
 * of the few codes on which clients act.  The sentence is ours alone: no
 * byte of the token is ever in it.
 */

#ifndef CONVO_FAULT_H
#define CONVO_FAULT_H

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

typedef enum {
    CONVO_FAULT_NONE = 0,

    /* 401: no token, or a token's own fault */
    CONVO_FAULT_MISSING,
    CONVO_FAULT_MALFORMED,
    CONVO_FAULT_CRITICAL,
    CONVO_FAULT_ALGORITHM,
    CONVO_FAULT_UNKNOWN_KEY,
    CONVO_FAULT_SIGNATURE,
    CONVO_FAULT_CLAIMS,
    CONVO_FAULT_ISSUER,
    CONVO_FAULT_TOKEN_USE,
    CONVO_FAULT_CLIENT,
    CONVO_FAULT_EXPIRED,
    CONVO_FAULT_NOT_YET_VALID,
    CONVO_FAULT_LIFETIME,
    CONVO_FAULT_SUBJECT,
    CONVO_FAULT_REVOKED,

    /* 403: a good token that is not enough here */
    CONVO_FAULT_EMAIL_NOT_VERIFIED,
    CONVO_FAULT_PROVIDER,
    CONVO_FAULT_REQUIRED_CLAIM,

    /* 503, 500: ours */
    CONVO_FAULT_KEYS_UNAVAILABLE,
    CONVO_FAULT_REVOCATIONS_UNKNOWN,
    CONVO_FAULT_EMAIL_UNKNOWN,
    CONVO_FAULT_INTERNAL,

    CONVO_FAULT_COUNT
} convo_fault_e;

typedef struct {
    int status;         /* HTTP status */
    const char *word;   /* "expired", for logs */
    const char *code;   /* "invalid_token", for clients */
    const char *detail; /* one sentence without quotation marks */
} convo_fault_reply_t;

/* What the fault means outside; never NULL.  fault is not _NONE. */
const convo_fault_reply_t *convo_fault_reply(convo_fault_e fault);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_FAULT_H */
