/*
 * TURN: the addresses of relays, and coturn's time-limited credentials (the
 * "TURN REST API", draft-uberti-behave-turn-rest-00; coturn's
 * use-auth-secret).
 */

#ifndef CONVO_TURN_H
#define CONVO_TURN_H

#include "convo_secrets.h"

#include <stddef.h>
#include <time.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_TURN_SECRET_MIN 16
#define CONVO_TURN_URL_MAX 512
#define CONVO_TURN_USER_MAX 255

#define CONVO_TURN_NAME_MAX (20 + 1 + CONVO_TURN_USER_MAX)
#define CONVO_TURN_PASSWORD_LEN 28 /* base 64 of 20 bytes */

typedef struct {
    char username[CONVO_TURN_NAME_MAX + 1];      /* NUL terminated */
    char credential[CONVO_TURN_PASSWORD_LEN + 1]; /* NUL terminated */
} convo_turn_credentials_t;

/*
 * Credentials for a user until expires_s (epoch seconds): the name is
 * "expires_s:user", the password base64(HMAC-SHA1(secret, name)).  A coturn
 * that knows several secrets tries each, so during a rotation the first of
 * the secrets is used here and both are given to coturn.  The user is what
 * coturn's user-quota counts.
 *
 * Returns 0, or -1 when the user is empty, longer than CONVO_TURN_USER_MAX or
 * holds a control character, or when memory is short.
 */
int convo_turn_credentials(convo_turn_credentials_t *credentials,
                           const convo_secret_t *secret, const char *user,
                           size_t len, time_t expires_s);

/*
 * What is wrong with the address of a STUN or TURN server (RFC 7064 section
 * 3.1, RFC 7065 section 3.1), as the end of a sentence; NULL when it is good.
 * The host is a name, an IPv4 address or an IPv6 address in brackets.
 */
const char *convo_turn_url_error(const char *url, size_t len);

/* 1 when a good address needs credentials (turn:, turns:), else 0. */
int convo_turn_url_is_relay(const char *url, size_t len);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_TURN_H */
