/*
 * convo_turn: any bytes as the address of a relay, and as the user for whom
 * credentials are made.
 */

#include "input.h"

#include <string.h>

#include "convo_turn.h"

#define SECRET "0123456789abcdef"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const convo_secret_t secret = { 16, SECRET };
    const char *text = (const char *) data;
    convo_turn_credentials_t credentials;

    if (convo_turn_url_error(text, len) == NULL) {
        MUST(len <= CONVO_TURN_URL_MAX);
        /* a scheme may be in capitals */
        MUST(convo_turn_url_is_relay(text, len)
             == (text[0] == 't' || text[0] == 'T'));
    }

    if (convo_turn_credentials(&credentials, &secret, text, len, 1) == 0) {
        MUST(strlen(credentials.username) == len + 2);
        MUST(strlen(credentials.credential) == CONVO_TURN_PASSWORD_LEN);
    }

    return 0;
}
