/*
 * A JWK Set (RFC 7517) turned into keys that verify, once for each document.
 *
 * What makes an entry a key is in convo_jwk.h.  An entry that is none, or
 * whose id an earlier key has, is left out; the others serve.
 */

#ifndef CONVO_JWKS_H
#define CONVO_JWKS_H

#include <stddef.h>
#include <stdint.h>

#include "convo_fault.h"
#include "convo_jwa.h"
#include "convo_jwk.h"
#include "convo_jws.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_JWKS_TEXT_MAX (256 * 1024)
#define CONVO_JWKS_KEYS_MAX 64
#define CONVO_JWKS_DIGEST_LEN 32

typedef struct convo_jwks_s convo_jwks_t;

/* What was wrong, for a log line; the reasons are string literals. */
typedef struct {
    size_t entries;     /* in the document */
    size_t refused;     /* of these */
    const char *reason; /* why the first, or why there is no set at all */
    const char *refusals[CONVO_JWKS_KEYS_MAX]; /* by entry; NULL: it serves */
} convo_jwks_report_t;

/*
 * Parses a document of len bytes.  Returns a set with at least one key that
 * the caller frees with convo_jwks_free(), or NULL when the text is no JWK
 * Set, is too large, or holds no usable key; report is filled either way.
 * Costs a few hundred microseconds; blocks on nothing.
 */
convo_jwks_t *convo_jwks_parse(const char *text, size_t len,
                               convo_jwks_report_t *report);

/* NULL is allowed. */
void convo_jwks_free(convo_jwks_t *set);

/* SHA-256 of the document: the identity of the set. */
const uint8_t *convo_jwks_digest(const convo_jwks_t *set);

/* The number of keys that serve, at least 1. */
size_t convo_jwks_count(const convo_jwks_t *set);

/*
 * The key that the header's "kid" names.  Without one the only key of the
 * set that serves the header's algorithm at this place, as of several the
 * token would choose.  NULL when there is none.  The key lives as long as
 * the set.
 */
const convo_jwk_t *convo_jwks_find(const convo_jwks_t *set,
                                   const convo_jws_header_t *header,
                                   const convo_jwa_accept_t *accept);

/*
 * Verifies a token's signature by the key that is found so; its header was
 * read from the same token.  Returns as convo_jwk_verify() does, or
 * CONVO_FAULT_UNKNOWN_KEY.
 */
convo_fault_e convo_jwks_verify(const convo_jwks_t *set,
                                const convo_jws_header_t *header,
                                const convo_jwa_accept_t *accept,
                                const convo_jws_t *jws);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_JWKS_H */
