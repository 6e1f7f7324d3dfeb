/*
 * convo_secrets: any bytes as a file of secrets.  What is taken has one or
 * two, none shorter than was asked for.
 */

#include "input.h"

#include <string.h>

#include "convo_secrets.h"

#define LEAST 4


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    convo_secrets_t secrets;
    convo_secrets_e verdict = convo_secrets_parse(
        &secrets, (const char *) data, len, LEAST);

    MUST(convo_secrets_error(verdict) != NULL);
    MUST((verdict == CONVO_SECRETS_OK) == (secrets.count > 0));
    MUST(secrets.count <= CONVO_SECRETS_MAX);

    for (size_t i = 0; i < secrets.count; i++) {
        MUST(secrets.secret[i].len >= LEAST);
        MUST(strlen(secrets.secret[i].text) == secrets.secret[i].len);
    }

    convo_secrets_wipe(&secrets);

    return 0;
}
