/*
 * TURN addresses and credentials; see convo_turn.h.
 *
 * How it fails: a user that could not be a name, or a hash that cannot be
 * computed, gives no credentials at all.  coturn refuses expired ones by its
 * own clock but does not end a relay that runs.
 */

#include "convo_turn.h"
#include "convo_base64.h"
#include "convo_url.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHA1_LEN 20


int
convo_turn_credentials(convo_turn_credentials_t *credentials,
                       const convo_secret_t *secret, const char *user,
                       size_t len, time_t expires_s)
{
    unsigned char mac[SHA1_LEN];
    unsigned int mac_len;
    int name_len;

    if (len == 0 || len > CONVO_TURN_USER_MAX) {
        return -1;
    }

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char) user[i];

        if (c < ' ' || c == 0x7f) {
            return -1;
        }
    }

    name_len = snprintf(credentials->username, sizeof(credentials->username),
                        "%lld:%.*s", (long long) expires_s, (int) len, user);

    if (HMAC(EVP_sha1(), secret->text, (int) secret->len,
             (const unsigned char *) credentials->username,
             (size_t) name_len, mac, &mac_len)
        == NULL)
    {
        return -1;
    }

    convo_base64(credentials->credential, mac, mac_len);
    return 0;
}


/* Whether the text goes on with the word, in any case; moves behind it. */
static int
take(const char **text, const char *end, const char *word)
{
    size_t len = strlen(word);

    if ((size_t) (end - *text) < len || strncasecmp(*text, word, len) != 0) {
        return 0;
    }

    *text += len;
    return 1;
}


const char *
convo_turn_url_error(const char *url, size_t len)
{
    const char *end = url + len;
    int relay = convo_turn_url_is_relay(url, len);
    const char *error;

    if (len > CONVO_TURN_URL_MAX) {
        return "is too long";
    }

    if (!take(&url, end, "turn:") && !take(&url, end, "turns:")
        && !take(&url, end, "stun:") && !take(&url, end, "stuns:"))
    {
        return "does not begin with \"turn:\", \"turns:\", \"stun:\" or "
               "\"stuns:\"";
    }

    if (take(&url, end, "//")) {
        return "has a \"//\" that such an address does not have";
    }

    error = convo_url_authority(&url, end);
    if (error != NULL) {
        return error;
    }

    if (relay && take(&url, end, "?transport=") && !take(&url, end, "udp")
        && !take(&url, end, "tcp"))
    {
        return "has a transport that is neither \"udp\" nor \"tcp\"";
    }

    return url == end ? NULL : "goes on after what such an address has";
}


int
convo_turn_url_is_relay(const char *url, size_t len)
{
    const char *end = url + len;

    return take(&url, end, "turn:") || take(&url, end, "turns:");
}
