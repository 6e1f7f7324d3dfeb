/*
 * The published numbers of a key (RFC 7518, section 6; RFC 8037, section 2)
 * turned into OpenSSL's form, if they are those of a key that cannot be
 * forged for.
 *
 * Refused are an RSA modulus of a length out of bounds or an exponent that
 * is none, a point that is not on its curve, coordinates of another length
 * than the curve's, and the few points of Ed25519 under which anybody can
 * make a signature.
 */

#ifndef CONVO_JWK_NUMBERS_H
#define CONVO_JWK_NUMBERS_H

#include <jansson.h>
#include <openssl/evp.h>

#include "convo_jwa.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* Weaker can be forged, larger only burns the server's time. */
#define CONVO_JWK_RSA_BITS_MIN 2048
#define CONVO_JWK_RSA_BITS_MAX 8192

/*
 * Reads "kty", "crv" and the numbers of an entry.  Returns NULL with *type
 * and *pkey, which the caller frees with EVP_PKEY_free(), or why they are of
 * no use: a string literal.  OpenSSL's error queue is empty afterwards.
 */
const char *convo_jwk_numbers(const json_t *entry, convo_jwa_key_e *type,
                              EVP_PKEY **pkey);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_JWK_NUMBERS_H */
