/*
 * The algorithms that sign tokens; see convo_jwa.h.
 */

#include "convo_jwa.h"

#include <string.h>

static const convo_jwa_t convo_jwa_table[CONVO_JWA_COUNT] = {
    [CONVO_JWA_RS256] = { "RS256", CONVO_JWA_KEY_RSA, CONVO_JWA_PKCS1,
                          "SHA256" },
    [CONVO_JWA_RS384] = { "RS384", CONVO_JWA_KEY_RSA, CONVO_JWA_PKCS1,
                          "SHA384" },
    [CONVO_JWA_RS512] = { "RS512", CONVO_JWA_KEY_RSA, CONVO_JWA_PKCS1,
                          "SHA512" },
    [CONVO_JWA_PS256] = { "PS256", CONVO_JWA_KEY_RSA, CONVO_JWA_PSS,
                          "SHA256" },
    [CONVO_JWA_PS384] = { "PS384", CONVO_JWA_KEY_RSA, CONVO_JWA_PSS,
                          "SHA384" },
    [CONVO_JWA_PS512] = { "PS512", CONVO_JWA_KEY_RSA, CONVO_JWA_PSS,
                          "SHA512" },
    [CONVO_JWA_ES256] = { "ES256", CONVO_JWA_KEY_P256, CONVO_JWA_ECDSA,
                          "SHA256" },
    [CONVO_JWA_ES384] = { "ES384", CONVO_JWA_KEY_P384, CONVO_JWA_ECDSA,
                          "SHA384" },
    [CONVO_JWA_ES512] = { "ES512", CONVO_JWA_KEY_P521, CONVO_JWA_ECDSA,
                          "SHA512" },
    [CONVO_JWA_EDDSA] = { "EdDSA", CONVO_JWA_KEY_ED25519, CONVO_JWA_ED,
                          NULL },
};

const convo_jwa_t *
convo_jwa(convo_jwa_e algorithm)
{
    return &convo_jwa_table[algorithm];
}

convo_jwa_e
convo_jwa_by_name(const char *name)
{
    unsigned i = 0;

    while (i < CONVO_JWA_COUNT
           && strcmp(convo_jwa_table[i].name, name) != 0) {
        i++;
    }

    return (convo_jwa_e) i;
}

unsigned
convo_jwa_of_key(convo_jwa_key_e key)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        if (convo_jwa_table[i].key == key) {
            mask |= CONVO_JWA_BIT(i);
        }
    }

    return mask;
}
