/*
 * LiveKit's tokens: minting them for users and for the worker, and verifying
 * those on LiveKit's webhooks.
 *
 * A token is a JWT (RFC 7519) signed with HS256 by an API secret; "iss" names
 * the API key and "video" holds what is granted
 * (docs.livekit.io, "Tokens and grants" and "Webhooks").
 */

#ifndef CONVO_LIVEKIT_TOKEN_H
#define CONVO_LIVEKIT_TOKEN_H

#include "convo_secrets.h"

#include <stddef.h>
#include <time.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_LIVEKIT_KEY_MAX 128

/* The fewest bytes of a secret: an HS256 key is no shorter than its hash
 * (RFC 7518 section 3.2). */
#define CONVO_LIVEKIT_SECRET_MIN 32

/* The longest token that is made or taken.  One of LiveKit's webhooks has
 * about 300 bytes, one of ours about 500. */
#define CONVO_LIVEKIT_TOKEN_MAX 2048

/* One API key with its secrets; both stay the caller's. */
typedef struct {
    const char *key; /* NUL terminated, as convo_livekit_is_key() says */
    const convo_secrets_t *secrets;
} convo_livekit_key_t;

/* What a token of the worker may do. */
typedef enum {
    CONVO_LIVEKIT_ROOM_CREATE = 1, /* create and delete rooms */
    CONVO_LIVEKIT_ROOM_LIST = 2,   /* list rooms */
    CONVO_LIVEKIT_ROOM_ADMIN = 4   /* list, remove the room's participants */
} convo_livekit_grant_e;

typedef enum {
    CONVO_LIVEKIT_OK = 0,
    CONVO_LIVEKIT_MALFORMED, /* no token at all, or too long */
    CONVO_LIVEKIT_SIGNATURE, /* signed by none of the secrets */
    CONVO_LIVEKIT_ALGORITHM, /* the header says anything but plain HS256 */
    CONVO_LIVEKIT_ISSUER,    /* another key's */
    CONVO_LIVEKIT_EXPIRED,   /* or it never expires */
    CONVO_LIVEKIT_EARLY,     /* not valid yet */
    CONVO_LIVEKIT_BODY,      /* the body is not the one that was signed */
    CONVO_LIVEKIT_MEMORY
} convo_livekit_verdict_e;

/* 1 when the text is an API key: 1..CONVO_LIVEKIT_KEY_MAX bytes of
 * [A-Za-z0-9_-], else 0. */
int convo_livekit_is_key(const char *key, size_t len);

/*
 * A user's token for one room: joining, publishing, subscribing, sending
 * data, and nothing else; no name and no metadata, so that strangers learn
 * nothing.  Room and identity are NUL terminated.  Valid from a minute before
 * now_s, as clocks differ, until expires_s (epoch seconds).
 *
 * Writes the token and a NUL into token[CONVO_LIVEKIT_TOKEN_MAX + 1].
 * Returns its length, or 0 when memory is short or a text is too long; the
 * token is then "".
 */
size_t convo_livekit_user_token(char *token, const convo_livekit_key_t *key,
                                const char *room, const char *identity,
                                time_t now_s, time_t expires_s);

/*
 * A token for calls of RoomService with the given grants (a mask).  room is
 * the one that CONVO_LIVEKIT_ROOM_ADMIN is for, otherwise NULL.  The rest is
 * as above.
 */
size_t convo_livekit_admin_token(char *token, const convo_livekit_key_t *key,
                                 unsigned int grants, const char *room,
                                 time_t now_s, time_t expires_s);

/*
 * Whether an Authorization header's value ("TOKEN" or "Bearer TOKEN") comes
 * from the LiveKit that shares the key, for exactly this body: HS256 by any
 * of the secrets, "iss" is the key, "exp" and "nbf" hold within leeway_s, and
 * "sha256" is the base 64 of the body's SHA-256.  Nothing of the token is
 * parsed before its signature has been found good.
 */
convo_livekit_verdict_e convo_livekit_verify(const convo_livekit_key_t *key,
                                             const char *header, size_t len,
                                             const void *body,
                                             size_t body_len, time_t now_s,
                                             time_t leeway_s);

/* The verdict as an English phrase for a log. */
const char *convo_livekit_verdict(convo_livekit_verdict_e verdict);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_LIVEKIT_TOKEN_H */
