/*
 * One entry of a JWK Set (RFC 7517, section 4) as a key that verifies.
 *
 * The entry, never the token, decides how a token is verified: its "alg" if
 * it has one, else its type and what the place accepts.  An entry that is
 * weak, symmetric, private, for encryption or of an unknown algorithm is no
 * key.
 *
 * A key holds what OpenSSL needs, made ready once: verifying fetches no
 * algorithm, and allocates only what OpenSSL's arithmetic does.  So a key is
 * used by one thread at a time.
 */

#ifndef CONVO_JWK_H
#define CONVO_JWK_H

#include <jansson.h>
#include <stdbool.h>

#include "convo_fault.h"
#include "convo_jwa.h"
#include "convo_jws.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

typedef struct convo_jwk_s convo_jwk_t;

/*
 * The key of an entry, which the caller frees with convo_jwk_free(), or NULL
 * with *reason, a string literal.  Costs up to a few hundred microseconds.
 */
convo_jwk_t *convo_jwk_create(const json_t *entry, const char **reason);

/* NULL is allowed. */
void convo_jwk_free(convo_jwk_t *key);

/* Its id, "" when it has none.  Lives as long as the key. */
const char *convo_jwk_kid(const convo_jwk_t *key);

/* True when the key verifies this algorithm at a place that accepts so. */
bool convo_jwk_serves(const convo_jwk_t *key, convo_jwa_e algorithm,
                      const convo_jwa_accept_t *accept);

/*
 * Verifies the signature; alg is what the token's header claims and must be
 * one that the key serves at this place.  CONVO_FAULT_NONE, _ALGORITHM,
 * _MALFORMED (encoding), _SIGNATURE or _INTERNAL (out of memory).  OpenSSL's
 * error queue is empty afterwards.
 */
convo_fault_e convo_jwk_verify(const convo_jwk_t *key, const char *alg,
                               const convo_jwa_accept_t *accept,
                               const convo_jws_t *jws);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_JWK_H */
