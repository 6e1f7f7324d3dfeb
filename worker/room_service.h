/*
 * LiveKit's RoomService (Twirp: JSON over HTTP), for one job: many calls at
 * once on libcurl's multi interface.
 *
 * How it fails: LiveKit may be away, slow, refuse, or answer rubbish.  Every
 * call ends within the configured timeout with one of the results below, and
 * no more than ROOM_ANSWER_MAX bytes of an answer are kept.  Answers are never
 * logged: LiveKit quotes the token in a 401.
 *
 * Source: livekit/protocol livekit_room.proto; docs.livekit.io, "RoomService
 * API".  Answers have snake-case names.
 */

#ifndef CONVO_ROOM_SERVICE_H
#define CONVO_ROOM_SERVICE_H

#include "config.h"

#include <stddef.h>

/* The most calls at once, and rooms in one list. */
#define CONVO_ROOMS_MAX (CONVO_PAIRING_MAX / 2)

typedef enum {
    CONVO_ROOM_OK,
    CONVO_ROOM_REFUSED, /* a 4xx that is about this room: nobody else's */
    CONVO_ROOM_DOWN,    /* LiveKit cannot be asked now: anything else */
} convo_room_result_e;

/* A room's name, NUL terminated. */
typedef struct {
    char name[CONVO_ROOM_MAX + 1];
} convo_room_t;

typedef struct convo_room_service convo_room_service_t;

/* Ready for calls; config must outlive it; nothing is sent yet.  Never NULL:
 * without memory a worker ends. */
convo_room_service_t *convo_room_service_new(
    const convo_livekit_config_t *config);

void convo_room_service_free(convo_room_service_t *service);

/*
 * Creates n rooms at once (at most CONVO_ROOMS_MAX), each for two, and sets
 * results[n].  DOWN says only that nobody knows: the room may exist or may
 * come to exist.  Blocks for at most the timeout.
 */
void convo_room_service_create(convo_room_service_t *service,
                               const convo_room_t *rooms, size_t n,
                               convo_room_result_e *results);

/*
 * Deletes n rooms at once, which ends the calls in them, and asks which of
 * them LiveKit still has: results[n] is OK for a room that is gone.  Blocks
 * for at most twice the timeout.
 */
void convo_room_service_delete(convo_room_service_t *service,
                               const convo_room_t *rooms, size_t n,
                               convo_room_result_e *results);

/* Whether LiveKit serves us: 0, or -1.  Changes nothing there. */
int convo_room_service_probe(convo_room_service_t *service);

/* Why the last call that was DOWN was so: a phrase for the log, valid until
 * the next call. */
const char *convo_room_service_why(const convo_room_service_t *service);

#endif /* CONVO_ROOM_SERVICE_H */
