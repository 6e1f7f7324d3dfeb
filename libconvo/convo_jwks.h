/*
 * A JWK Set (RFC 7517) turned into keys that verify, once for each document.
 *
 * The set's entry, never the token, decides how a token is verified: its
 * "alg" if it has one, else RS256 for an RSA key.  An entry that is weak,
 * symmetric, private, for encryption or of an unknown algorithm is left out;
 * the others serve.  Only RS256 is known yet; an algorithm is one line in
 * convo_jwks.c.
 */

#ifndef CONVO_JWKS_H
#define CONVO_JWKS_H

#include <stddef.h>
#include <stdint.h>

#include "convo_fault.h"
#include "convo_jws.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_JWKS_TEXT_MAX (256 * 1024)
#define CONVO_JWKS_KEYS_MAX 64
#define CONVO_JWKS_DIGEST_LEN 32

/* Weaker can be forged, larger only burns the server's time. */
#define CONVO_JWKS_RSA_BITS_MIN 2048
#define CONVO_JWKS_RSA_BITS_MAX 8192

typedef struct convo_jwk_s convo_jwk_t;
typedef struct convo_jwks_s convo_jwks_t;

/* What was wrong, for a log line; the reasons are string literals. */
typedef struct {
    size_t entries;      /* in the document */
    size_t refused;      /* of these */
    size_t first;        /* index of the first refused, from 0 */
    const char *reason;  /* why that one, or why there is no set at all */
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
 * The key with this id.  Without one ("") the only key of a set that has
 * just one, as more would let the token choose.  NULL when there is none.
 * The key lives as long as the set.
 */
const convo_jwk_t *convo_jwks_find(const convo_jwks_t *set, const char *kid);

/*
 * Verifies the signature; alg is what the token's header claims and must be
 * what the key is for.  CONVO_FAULT_NONE, _ALGORITHM, _MALFORMED (encoding),
 * _SIGNATURE or _INTERNAL (out of memory).
 */
convo_fault_e convo_jwk_verify(const convo_jwk_t *key, const char *alg,
                               const convo_jws_t *jws);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_JWKS_H */
