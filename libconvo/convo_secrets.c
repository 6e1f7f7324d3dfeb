/*
 * A file of secrets; see convo_secrets.h.  Parses what the caller has read:
 * opening the file, and saying which one was wrong, is the caller's work.
 */

#include "convo_secrets.h"

#include <openssl/crypto.h>
#include <string.h>


static convo_secrets_e
add(convo_secrets_t *secrets, const char *line, size_t len, size_t min)
{
    convo_secret_t *secret;

    if (len > 0 && line[len - 1] == '\r') {
        len--;
    }

    if (len == 0) {
        return CONVO_SECRETS_OK;
    }

    if (secrets->count == CONVO_SECRETS_MAX) {
        return CONVO_SECRETS_MANY;
    }

    if (len < min) {
        return CONVO_SECRETS_SHORT;
    }

    if (len > CONVO_SECRET_LEN_MAX) {
        return CONVO_SECRETS_LONG;
    }

    for (size_t i = 0; i < len; i++) {
        if (line[i] <= ' ' || line[i] >= 0x7f) {
            return CONVO_SECRETS_CHARACTER;
        }
    }

    secret = &secrets->secret[secrets->count++];
    memcpy(secret->text, line, len);
    secret->text[len] = '\0';
    secret->len = len;

    return CONVO_SECRETS_OK;
}


convo_secrets_e
convo_secrets_parse(convo_secrets_t *secrets, const char *text, size_t len,
                    size_t min)
{
    const char *end = text + len;
    convo_secrets_e error = CONVO_SECRETS_OK;

    memset(secrets, 0, sizeof(*secrets));

    while (text < end && error == CONVO_SECRETS_OK) {
        const char *lf = memchr(text, '\n', (size_t) (end - text));
        const char *stop = lf != NULL ? lf : end;

        error = add(secrets, text, (size_t) (stop - text), min);
        text = lf != NULL ? lf + 1 : end;
    }

    if (error == CONVO_SECRETS_OK && secrets->count == 0) {
        error = CONVO_SECRETS_NONE;
    }

    if (error != CONVO_SECRETS_OK) {
        convo_secrets_wipe(secrets);
    }

    return error;
}


const char *
convo_secrets_error(convo_secrets_e error)
{
    switch (error) {
    case CONVO_SECRETS_OK:
        return "is good";
    case CONVO_SECRETS_NONE:
        return "holds no secret";
    case CONVO_SECRETS_SHORT:
        return "holds a secret that is too short";
    case CONVO_SECRETS_LONG:
        return "holds a secret that is too long";
    case CONVO_SECRETS_CHARACTER:
        return "holds a secret with a character that is not printable ASCII";
    case CONVO_SECRETS_MANY:
        return "holds more than two secrets";
    }

    return "is not understood";
}


void
convo_secrets_wipe(convo_secrets_t *secrets)
{
    OPENSSL_cleanse(secrets, sizeof(*secrets));
}
