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
 * API".  Answers have snake-case names.  What the documents leave open was
 * seen with livekit-server 1.13.5:
 *
 * - Lists come from LiveKit's store, not from the node that has the room.
 *   ListParticipants of a room that does not exist, or no longer, is 200 with
 *   nobody in it, just as of an empty room; only ListRooms tells them apart.
 * - A single server that was restarted knows no room, and 200 says so at once;
 *   its clients are told that their room is gone.
 * - A participant is stored at the join (JOINED), gets ACTIVE with its media
 *   some 0.1 s later, and only then is participant_joined sent.  One whose
 *   process was killed is listed until LiveKit gives it up, some 20 s later.
 * - A participant is removed from the store by identity.  If the old one of
 *   two with the same identity were removed late, the new one would not be
 *   listed until its next change, though num_participants counts it.
 * - num_participants is written at most every 5 s (twice that at worst), while
 *   participants are stored and removed as they come and go.
 *   UpdateRoomMetadata asks the node that has the room: it counts anew, writes
 *   that, and answers with it.  Clients are told no more than what is new, and
 *   rooms of ours have no metadata, before and after.
 */

#ifndef CONVO_ROOM_SERVICE_H
#define CONVO_ROOM_SERVICE_H

#include "config.h"
#include "convo_room_list.h"

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

/* What LiveKit knew of a session's room at some time during the call. */
typedef struct {
    convo_room_result_e result; /* other than OK: the rest is not known */
    int exists;                 /* 0: there is no room and nobody in it */
    int64_t counted;            /* num_participants */
    convo_room_people_t people;
} convo_room_state_t;

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

/*
 * Asks at once for n rooms of sessions (at most CONVO_ROOMS_MAX) whether they
 * exist and who is in them, and sets states[n].  Returns 0, or -1 when LiveKit
 * is down: nothing is known of any room then.  Blocks for at most the timeout.
 */
int convo_room_service_look(convo_room_service_t *service,
                            const convo_room_t *rooms, size_t n,
                            convo_room_state_t *states);

/*
 * Has LiveKit count anew who is in each of n rooms (at most CONVO_ROOMS_MAX),
 * and sets counted[n]; -1 where it could not.  Blocks for at most the timeout.
 */
void convo_room_service_count(convo_room_service_t *service,
                              const convo_room_t *rooms, size_t n,
                              int64_t *counted);

/*
 * Calls each() for every room that LiveKit has, anybody's.  Returns 0, or -1
 * without a call: LiveKit is down or has more than CONVO_ROOM_LIST_MAX rooms.
 * Blocks for at most the timeout.
 */
int convo_room_service_each(convo_room_service_t *service,
                            convo_room_each_pt each, void *data);

/* No call takes longer than this from now on, nor than the configured timeout.
 * INT64_MAX: the latter alone. */
void convo_room_service_limit(convo_room_service_t *service, int64_t limit_ms);

/* Whether LiveKit serves us: 0, or -1.  Changes nothing there. */
int convo_room_service_probe(convo_room_service_t *service);

/* Why the last call that was DOWN was so: a phrase for the log, valid until
 * the next call. */
const char *convo_room_service_why(const convo_room_service_t *service);

#endif /* CONVO_ROOM_SERVICE_H */
