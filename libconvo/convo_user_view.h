/*
 * The user's document: from what the scripts reply to what clients read.
 *
 * A script answers with a status and a flat list of names and values, the
 * view (scripts/lib/view.lua).  It is taken apart into one plain struct here,
 * and the struct is made into the one JSON shape that join, leave, session
 * and events share.  No I/O; the LiveKit and TURN credentials of the document
 * are the caller's.
 *
 * How it fails: a reply that is none of ours (an error, holes, an odd number
 * of elements, numbers that are none, a state without what belongs to it) is
 * refused as a whole; nothing of it is used.
 */

#ifndef CONVO_USER_VIEW_H
#define CONVO_USER_VIEW_H

#include "convo_keys.h"

#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdint.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* the longest view accepted: status, names and values */
#define CONVO_VIEW_ELEMENTS_MAX 127

/* a number that the user has not */
#define CONVO_VIEW_NONE (-1)

/* a ban until then (ms, the year 10000) or later is for good */
#define CONVO_VIEW_FOR_GOOD INT64_C(253402300800000)

typedef enum {
    CONVO_VIEW_OK,
    CONVO_VIEW_NO_POINTS, /* join: nothing left in this window */
    CONVO_VIEW_BANNED,    /* join: not before banned_until_ms */
    CONVO_VIEW_AGAIN,     /* leave: call again with the session's keys */
    CONVO_VIEW_RESTORING, /* join: the pool is not served, nothing else set */
    CONVO_VIEW_REVOKED    /* the caller's sign-in is; nothing else set */
} convo_view_status_e;

typedef enum {
    CONVO_USER_IDLE,
    CONVO_USER_WAITING,
    CONVO_USER_MATCHED,
    CONVO_USER_LIVE
} convo_user_state_e;

typedef struct {
    convo_view_status_e status;
    convo_user_state_e state;
    int64_t version;
    int64_t now_ms; /* Redis's clock */
    int64_t lost;   /* version of what the store knew, else NONE: recall.lua */

    int64_t points_left;
    int64_t window_end_ms;   /* NONE: no window is open */
    int64_t last_session_s;  /* NONE: never had one */
    int64_t banned_until_ms; /* NONE: not banned */

    /* while waiting, else NONE */
    int64_t waiting_since_ms;
    int64_t position;   /* 1 is next */
    int64_t estimate_s; /* NONE also when nothing is known */

    /* while matched or live, else "", 0 and NONE */
    char sid[CONVO_SID_LEN + 1];
    char side;                     /* 'a' or 'b' */
    char peer[CONVO_USER_MAX + 1]; /* NUL terminated; may hold NULs */
    size_t peer_len;
    int64_t committed_ms;
    int64_t start_ms; /* NONE until live */
    int64_t ends_ms;  /* NONE until live */
    int64_t reserved;

    /* how the last session or wait ended; reason is "" when there was none */
    char last_reason[16];
    char last_sid[CONVO_SID_LEN + 1]; /* "": it ended without a session */
    int64_t last_duration_s;
    int64_t last_points;
} convo_user_view_t;

/*
 * Takes a script's reply apart.  Names that are not known are passed over, so
 * that a newer script may say more.  Returns 0, or -1 when the reply is no
 * view; the struct is then not to be used.  Keeps nothing of the reply.
 */
int convo_user_view_read(convo_user_view_t *view, const redisReply *reply);

/* "idle", "waiting", "matched" or "live". */
const char *convo_user_state_name(convo_user_state_e state);

/* The state of that name: 0, or -1 when there is none. */
int convo_user_state_read(const char *name, size_t len,
                          convo_user_state_e *state);

/* 1 while the document has a session, so that it takes credentials. */
int convo_user_view_has_session(const convo_user_view_t *view);

/*
 * When the LiveKit token of a document made now has to expire, epoch seconds:
 * the time to come (30 s), the whole session and a minute to spare.
 */
int64_t convo_user_view_access_ends(const convo_user_view_t *view);

/*
 * When the ban is over as clients are told: the second at whose begin it is,
 * or null where it is for good or there is none.
 */
json_t *convo_user_banned_until(const convo_user_view_t *view);

/*
 * The user's document, in the order of the API's reference.
 *
 *   user, user_len   the user's sub, UTF-8
 *   pool, pool_len   the user's pool, a valid name
 *   livekit          the session's {"url", "token"}, or NULL for null
 *   ice_servers      the session's array, or NULL for []
 *
 * Both references are taken over, also on failure, and are dropped where the
 * view has no session.  Returns a new reference, or NULL when memory is short
 * or the sub is not UTF-8.
 */
json_t *convo_user_document(const convo_user_view_t *view, const char *user,
                            size_t user_len, const char *pool,
                            size_t pool_len, json_t *livekit,
                            json_t *ice_servers);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_USER_VIEW_H */
