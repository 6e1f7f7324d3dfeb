/*
 * TURN addresses and credentials; see convo_turn.h.
 *
 * How it fails: a user that could not be a name, or a hash that cannot be
 * computed, gives no credentials at all.  coturn refuses expired ones by its
 * own clock but does not end a relay that runs.
 */

#include "convo_turn.h"
#include "convo_base64.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHA1_LEN 20
#define HOST_MAX 253


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


/* A URL that is being read, from left to right. */
typedef struct {
    const char *p;
    const char *end;
} reader_t;


static int
take(reader_t *in, const char *word)
{
    size_t len = strlen(word);

    if ((size_t) (in->end - in->p) < len
        || strncasecmp(in->p, word, len) != 0)
    {
        return 0;
    }

    in->p += len;
    return 1;
}


static size_t
skip(reader_t *in, const char *characters)
{
    const char *start = in->p;

    while (in->p < in->end && *in->p != '\0'
           && strchr(characters, *in->p) != NULL)
    {
        in->p++;
    }

    return (size_t) (in->p - start);
}


static const char *
read_host(reader_t *in)
{
    size_t len;

    if (take(in, "[")) {
        if (skip(in, "0123456789abcdefABCDEF:.") < 2 || !take(in, "]")) {
            return "has no IPv6 address between its brackets";
        }

        return NULL;
    }

    len = skip(in, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                   "0123456789.-_");

    return len > 0 && len <= HOST_MAX ? NULL : "names no host";
}


static const char *
read_port(reader_t *in)
{
    unsigned long port = 0;
    const char *digits = in->p;

    if (skip(in, "0123456789") == 0 || in->p - digits > 5) {
        return "has no port from 1 to 65535 after its colon";
    }

    while (digits < in->p) {
        port = port * 10 + (unsigned long) (*digits++ - '0');
    }

    return port >= 1 && port <= 65535
               ? NULL
               : "has no port from 1 to 65535 after its colon";
}


const char *
convo_turn_url_error(const char *url, size_t len)
{
    reader_t in = { url, url + len };
    int relay = convo_turn_url_is_relay(url, len);
    const char *error;

    if (len > CONVO_TURN_URL_MAX) {
        return "is too long";
    }

    if (!take(&in, "turn:") && !take(&in, "turns:") && !take(&in, "stun:")
        && !take(&in, "stuns:"))
    {
        return "does not begin with \"turn:\", \"turns:\", \"stun:\" or "
               "\"stuns:\"";
    }

    if (take(&in, "//")) {
        return "has a \"//\" that such an address does not have";
    }

    error = read_host(&in);
    if (error == NULL && take(&in, ":")) {
        error = read_port(&in);
    }

    if (error != NULL) {
        return error;
    }

    if (relay && take(&in, "?transport=") && !take(&in, "udp")
        && !take(&in, "tcp"))
    {
        return "has a transport that is neither \"udp\" nor \"tcp\"";
    }

    return in.p == in.end ? NULL : "goes on after what such an address has";
}


int
convo_turn_url_is_relay(const char *url, size_t len)
{
    reader_t in = { url, url + len };

    return take(&in, "turn:") || take(&in, "turns:");
}
