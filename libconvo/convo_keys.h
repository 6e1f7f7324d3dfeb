/*
 * Names of keys, tickets, rooms and identities: the only place that makes or
 * takes them apart.  docs/redis.md says what each key holds.
 *
 * Every function writes into the caller's memory and allocates nothing.
 */

#ifndef CONVO_KEYS_H
#define CONVO_KEYS_H

#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_POOL_MAX 63 /* [a-z0-9-], a DNS label */
#define CONVO_USER_MAX 255
#define CONVO_SID_LEN 26
#define CONVO_ROOM_MAX (CONVO_POOL_MAX + 1 + CONVO_SID_LEN)
#define CONVO_IDENTITY_LEN (CONVO_SID_LEN + 2)
#define CONVO_TICKET_MAX (20 + 1 + 20 + 1 + CONVO_USER_MAX)

/* "{pool}:history:" is the longest fixed part; an event id is the longest
 * other tail and is refused above CONVO_USER_MAX. */
#define CONVO_KEY_MAX (CONVO_POOL_MAX + 16 + CONVO_USER_MAX + 1)

/* The tag of what belongs to no pool. */
#define CONVO_POOL_NONE "convo"

/* Kinds without an id ... */
#define CONVO_KEY_READY "ready"
#define CONVO_KEY_SCHEMA "schema"
#define CONVO_KEY_ALIVE "alive"
#define CONVO_KEY_RUN "run"
#define CONVO_KEY_QUEUE "queue"
#define CONVO_KEY_ORDER "order"
#define CONVO_KEY_CLAIMS "claims"
#define CONVO_KEY_DEAD "dead"
#define CONVO_KEY_SESSIONS "sessions"
#define CONVO_KEY_CLOSING "closing"
#define CONVO_KEY_ENDED "ended"
#define CONVO_KEY_LIVEKIT "livekit"
#define CONVO_KEY_SWEPT "swept"
#define CONVO_KEY_STATS "stats"
#define CONVO_KEY_DIRTY "dirty"
#define CONVO_KEY_REPORTS "reports"
#define CONVO_KEY_PROBES "probes"
#define CONVO_KEY_RESTORING "restoring"
#define CONVO_KEY_REVOKED "revoked"
#define CONVO_KEY_NONE "none" /* holds nothing, ever: see leave.lua */

/* ... and with one. */
#define CONVO_KEY_USER "user"
#define CONVO_KEY_CLAIM "claim"
#define CONVO_KEY_SESSION "session"
#define CONVO_KEY_EVENT "event"
#define CONVO_KEY_HISTORY "history"
#define CONVO_KEY_MET "met"
#define CONVO_KEY_BLOCKED "blocked"

/* What no pool owns has this tag instead of a pool's name. */
#define CONVO_KEY_TAG "convo"
#define CONVO_KEY_VERIFIED "verified"

/* The consumer group of the streams that workers share. */
#define CONVO_GROUP "workers"

typedef struct {
    char name[CONVO_KEY_MAX]; /* NUL terminated */
    size_t len;
} convo_key_t;

/*
 * "{pool}:kind", or "{pool}:kind:id" when id is not NULL.  Returns 0, or -1
 * when the pool is no pool name or the id is empty or too long; the key is
 * then "" and must not be used.
 */
int convo_key(convo_key_t *key, const char *pool, size_t pool_len,
              const char *kind, const char *id, size_t id_len);

/* 1 when the bytes are a pool's name, else 0. */
int convo_is_pool(const char *pool, size_t len);

/* 1 when the bytes are a session id, else 0. */
int convo_is_sid(const char *sid, size_t len);

/*
 * Writes the session id of 128 random bits (RFC 4648 base 32, lower case) and
 * a NUL into sid[CONVO_SID_LEN + 1].
 */
void convo_sid(char *sid, const unsigned char random[16]);

/*
 * The user of a ticket "ORDER.VERSION:SUB": a pointer into the ticket and its
 * length, or NULL when the bytes are no ticket.
 */
const char *convo_ticket_user(const char *ticket, size_t len,
                              size_t *user_len);

/* "POOL.SID" and a NUL into room[CONVO_ROOM_MAX + 1]; the length. */
size_t convo_room(char *room, const char *pool, size_t pool_len,
                  const char *sid);

/*
 * Takes a room's name apart: pointers into it.  Returns 0, or -1 when it is
 * none of ours.
 */
int convo_room_parse(const char *room, size_t len, const char **pool,
                     size_t *pool_len, const char **sid);

/* "SID-a" or "SID-b" and a NUL into identity[CONVO_IDENTITY_LEN + 1]. */
void convo_identity(char *identity, const char *sid, char side);

/*
 * The side ('a' or 'b') of an identity in the session's room, or 0 when it is
 * nobody of that session.
 */
char convo_identity_side(const char *identity, size_t len, const char *sid);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_KEYS_H */
