/*
 * What LiveKit's RoomService answers when it is asked for a list: who is in a
 * room, and which rooms there are.
 *
 * Pure: the bytes of an answer in, structs out.  How it fails: an answer from
 * which anything could be concluded wrongly is refused as a whole, since
 * "nobody of that name is listed" ends sessions.
 *
 * Source: livekit/protocol livekit_models.proto (ParticipantInfo, Room) in
 * Twirp's JSON: snake-case names, enums by name, 64-bit integers as strings,
 * members always there.
 */

#ifndef CONVO_ROOM_LIST_H
#define CONVO_ROOM_LIST_H

#include <stddef.h>
#include <stdint.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* LiveKit's participant ids are some 15 characters. */
#define CONVO_PSID_MAX 128

/*
 * The most rooms that are taken from one answer, and the bytes of each: some
 * 830 with the longest name of ours.  LiveKit lists all rooms in one answer or
 * those that are named, and knows no pages.  As many as are allowed are 32 MB,
 * and some 200 MB for the moment that they are looked at.
 */
#define CONVO_ROOM_LIST_MAX   32768
#define CONVO_ROOM_LIST_BYTES 1024

/* One side of a session, as the list of its room has it. */
typedef struct {
    int there;         /* in the room, or on the way in */
    int active;        /* in the room with media, which is when LiveKit tells
                        * "participant_joined"; the rest is set only then */
    int64_t joined_ms; /* epoch, LiveKit's clock; above 0 */
    char psid[CONVO_PSID_MAX + 1]; /* LiveKit's participant sid, not "" */
} convo_room_person_t;

typedef struct {
    convo_room_person_t side[2]; /* a, b */
    size_t listed;               /* everybody who is there, strangers, too */
} convo_room_people_t;

/*
 * Reads an answer of ListParticipants of the room of a session (sid is NUL
 * terminated, CONVO_SID_LEN characters).  Returns 0, or -1 when the answer is
 * none, or one of the session's sides lacks what is said above; people is
 * undefined then.  Of two participants of a side the active one counts, of
 * two of these the one who joined last.  Blocks on nothing.
 */
int convo_room_people(const char *text, size_t len, const char *sid,
                      convo_room_people_t *people);

/* A room and how many LiveKit counts in it; the name is any UTF-8, NUL
 * terminated, and valid during the call. */
typedef void (*convo_room_each_pt)(void *data, const char *name, size_t len,
                                   int64_t participants);

/*
 * Reads an answer of ListRooms and calls each() for every room in it.  The
 * count is some seconds old: LiveKit notes it every 5 s.  Returns 0, or -1,
 * without a call, when the answer is none, has more than CONVO_ROOM_LIST_MAX
 * rooms, or has one without a name.  Blocks on nothing.
 */
int convo_room_each(const char *text, size_t len, convo_room_each_pt each,
                    void *data);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_ROOM_LIST_H */
