/*
 * The compact serialization of a signed token (RFC 7515, section 7.1) and
 * its JOSE header.
 *
 * Nothing here trusts the token: the header only says which key is meant
 * ("kid") and which algorithm its maker claims to have used.  Keys inside
 * the header (jwk, jku, x5u, x5c) are never looked at; any "crit" is
 * refused, as no extension is understood (RFC 7515, section 4.1.11).
 */

#ifndef CONVO_JWS_H
#define CONVO_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convo_fault.h"
#include "convo_text.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* Encoded bytes: as much as NGINX takes in one header line of 16 KB. */
#define CONVO_JWS_TOKEN_MAX 16384
#define CONVO_JWS_HEADER_MAX 2048
#define CONVO_JWS_SIGNATURE_MAX 1400 /* RSA of 8192 bits in base64url */

/* Values in a header; real ones have three members. */
#define CONVO_JWS_HEADER_COUNT_MAX 64

#define CONVO_JWS_KID_MAX 255
#define CONVO_JWS_ALG_MAX 15

#define CONVO_JWS_SHA256_LEN 32

/*
 * Three views into the token, still encoded.  Who needs the SHA-256 of the
 * signed input may leave it here for convo_jwk_verify().
 */
typedef struct {
    convo_text_t header;
    convo_text_t payload;
    convo_text_t signature;
    convo_text_t signed_input; /* header "." payload */
    bool is_hashed;            /* sha256 is the signed input's */
    uint8_t sha256[CONVO_JWS_SHA256_LEN];
} convo_jws_t;

typedef struct {
    char alg[CONVO_JWS_ALG_MAX + 1];
    char kid[CONVO_JWS_KID_MAX + 1]; /* "" when the header has none */
} convo_jws_header_t;

/*
 * Splits a compact token; jws points into it afterwards, each part no longer
 * than its maximum.  Looks at dots and lengths only.  CONVO_FAULT_NONE or
 * _MALFORMED.
 */
convo_fault_e convo_jws_split(convo_jws_t *jws, const char *token,
                              size_t len);

/*
 * Reads the JOSE header.  CONVO_FAULT_NONE, _MALFORMED (encoding, JSON,
 * duplicate members, types, lengths, no "alg", a "typ" that is not a
 * token's, "b64" or "zip") or _CRITICAL.
 */
convo_fault_e convo_jws_read_header(const convo_jws_t *jws,
                                    convo_jws_header_t *header);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_JWS_H */
