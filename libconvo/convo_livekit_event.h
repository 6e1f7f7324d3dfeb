/*
 * What a webhook of LiveKit says: the body, whose signature was checked
 * (convo_livekit_token.h), as the little that a conversation takes of it.
 *
 * The body is trusted to be LiveKit's, but its shape is checked, as a room's
 * name and a participant's identity become parts of keys, and users choose
 * names of tracks in it.
 *
 * How it fails: what concerns nobody here is IGNORED, what LiveKit would never
 * send is UNKNOWN; nothing of such an event is used.
 */

#ifndef CONVO_LIVEKIT_EVENT_H
#define CONVO_LIVEKIT_EVENT_H

#include "convo_keys.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* LiveKit's own ids: EV_..., PA_... */
#define CONVO_LIVEKIT_ID_MAX 64

typedef enum {
    CONVO_LIVEKIT_EVENT_OK,
    CONVO_LIVEKIT_EVENT_IGNORED,
    CONVO_LIVEKIT_EVENT_UNKNOWN
} convo_livekit_event_e;

/* Strings point into the JSON; they are set after OK only. */
typedef struct {
    json_t *json;
    const char *what; /* "joined", "left" or "finished" */
    const char *id;   /* 1 to CONVO_LIVEKIT_ID_MAX of [A-Za-z0-9_-] */
    size_t id_len;
    const char *pool; /* a valid name */
    size_t pool_len;
    const char *sid;  /* CONVO_SID_LEN bytes, a session id */
    char side;        /* 'a', 'b', or 0: the room */
    const char *psid; /* the participant's, as id; "" of the room */
    size_t psid_len;
    int64_t at_ms; /* above 0, and exact as a double */
} convo_livekit_event_t;

/*
 * Reads a webhook's body.  Whatever it returns, the event is released by
 * convo_livekit_event_free().
 */
convo_livekit_event_e convo_livekit_event_read(convo_livekit_event_t *event,
                                               const char *text, size_t len);

void convo_livekit_event_free(convo_livekit_event_t *event);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_LIVEKIT_EVENT_H */
