/*
 * convo_jwks: any bytes as the document at an issuer's address.  A set that
 * is taken has keys that can be found and asked; none finds the signatures
 * here good, which are zeros, as long as real ones.
 */

#include "input.h"

#include <stdio.h>
#include <string.h>

#include "convo_jwks.h"

static const convo_jwa_accept_t accept = { CONVO_JWA_ALL, CONVO_JWA_ALL };


/* "e30.e30." and zeros of this many characters */
static convo_fault_e
verify(const convo_jwk_t *key, const char *alg, int len)
{
    char token[512] = "e30.e30.";
    convo_jws_t jws;

    memset(token + 8, 'A', (size_t) len);
    MUST(convo_jws_split(&jws, token, (size_t) len + 8) == CONVO_FAULT_NONE);

    return convo_jwk_verify(key, alg, &accept, &jws);
}


/* Zeros of 64, 96, 132 and 256 bytes, and of one */
static void
ask(const convo_jwks_t *set, const char *kid)
{
    static const int lengths[] = { 86, 128, 176, 342, 2 };
    convo_jws_header_t header;

    snprintf(header.kid, sizeof(header.kid), "%s", kid);

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        const char *alg = convo_jwa((convo_jwa_e) i)->name;
        const convo_jwk_t *key;

        snprintf(header.alg, sizeof(header.alg), "%s", alg);
        key = convo_jwks_find(set, &header, &accept);

        for (size_t j = 0; key != NULL && j < 5; j++) {
            convo_fault_e fault = verify(key, alg, lengths[j]);

            MUST(fault == CONVO_FAULT_SIGNATURE
                 || (kid[0] != '\0' && fault == CONVO_FAULT_ALGORITHM));
            MUST(verify(key, "none", lengths[j]) == CONVO_FAULT_ALGORITHM);
        }
    }
}


static unsigned
served(const convo_jwks_t *set)
{
    convo_jws_header_t header = { .kid = "" };
    unsigned n = 0;

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        snprintf(header.alg, sizeof(header.alg), "%s",
                 convo_jwa((convo_jwa_e) i)->name);
        n += convo_jwks_find(set, &header, &accept) != NULL;
    }

    return n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    convo_jwks_report_t report;
    convo_jwks_t *set = convo_jwks_parse((const char *) data, len, &report);

    MUST(report.refused <= report.entries);

    if (set == NULL) {
        MUST(report.reason != NULL);
        return 0;
    }

    MUST(convo_jwks_count(set) == report.entries - report.refused);
    MUST(convo_jwks_count(set) > 1 || served(set) > 0);
    ask(set, "");
    ask(set, "k1");
    convo_jwks_free(set);

    return 0;
}
