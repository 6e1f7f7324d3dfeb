/*
 * The algorithms that sign tokens (RFC 7518, section 3.1; RFC 8037), and
 * which of them a place accepts.
 *
 * There is no symmetric one and no "none": a name that is not here is no
 * algorithm.  A set of them is a mask of CONVO_JWA_BIT().
 */

#ifndef CONVO_JWA_H
#define CONVO_JWA_H

#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_JWA_NAMES                                                       \
    "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA"

typedef enum {
    CONVO_JWA_RS256,
    CONVO_JWA_RS384,
    CONVO_JWA_RS512,
    CONVO_JWA_PS256,
    CONVO_JWA_PS384,
    CONVO_JWA_PS512,
    CONVO_JWA_ES256,
    CONVO_JWA_ES384,
    CONVO_JWA_ES512,
    CONVO_JWA_EDDSA,

    CONVO_JWA_COUNT
} convo_jwa_e;

#define CONVO_JWA_BIT(algorithm) (1u << (algorithm))
#define CONVO_JWA_ALL (CONVO_JWA_BIT(CONVO_JWA_COUNT) - 1)

/* What a key must be to serve an algorithm. */
typedef enum {
    CONVO_JWA_KEY_RSA,
    CONVO_JWA_KEY_P256,
    CONVO_JWA_KEY_P384,
    CONVO_JWA_KEY_P521,
    CONVO_JWA_KEY_ED25519,
} convo_jwa_key_e;

typedef enum {
    CONVO_JWA_PKCS1, /* RSASSA-PKCS1-v1_5 */
    CONVO_JWA_PSS,   /* RSASSA-PSS, MGF1 and salt as the digest is */
    CONVO_JWA_ECDSA, /* r and s, each as long as the curve's order */
    CONVO_JWA_ED,    /* Ed25519 */
} convo_jwa_scheme_e;

typedef struct {
    const char *name;
    convo_jwa_key_e key;
    convo_jwa_scheme_e scheme;
    const char *digest; /* OpenSSL's name of it; NULL: the scheme's own */
} convo_jwa_t;

/* What a place accepts: masks. */
typedef struct {
    unsigned named;   /* of keys that say their "alg" */
    unsigned unnamed; /* of keys that do not */
} convo_jwa_accept_t;

/* Whatever a key's "alg" says; of RSA keys without, RS256. */
#define CONVO_JWA_ACCEPT_DEFAULT                                              \
    { CONVO_JWA_ALL, CONVO_JWA_BIT(CONVO_JWA_RS256) }

/* What the algorithm stands for; never NULL. */
const convo_jwa_t *convo_jwa(convo_jwa_e algorithm);

/* The algorithm of this exact name, or CONVO_JWA_COUNT. */
convo_jwa_e convo_jwa_by_name(const char *name);

/* The mask of those that such a key can serve. */
unsigned convo_jwa_of_key(convo_jwa_key_e key);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_JWA_H */
