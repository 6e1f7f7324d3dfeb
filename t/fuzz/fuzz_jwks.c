/*
 * convo_jwks: any bytes as the document at an issuer's address.  A set that
 * is taken has keys that can be found and asked; none finds the signature
 * here good, which is no signature.
 */

#include "input.h"

#include "convo_jwks.h"

#define TOKEN "e30.e30.AQAB"


static void
ask(const convo_jwk_t *key)
{
    convo_jws_t jws;

    MUST(convo_jws_split(&jws, TOKEN, sizeof(TOKEN) - 1) == CONVO_FAULT_NONE);

    if (key != NULL) {
        MUST(convo_jwk_verify(key, "RS256", &jws) == CONVO_FAULT_SIGNATURE);
        MUST(convo_jwk_verify(key, "none", &jws) == CONVO_FAULT_ALGORITHM);
    }
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
    MUST(convo_jwks_count(set) > 1 || convo_jwks_find(set, "") != NULL);
    ask(convo_jwks_find(set, ""));
    ask(convo_jwks_find(set, "k1"));
    convo_jwks_free(set);

    return 0;
}
