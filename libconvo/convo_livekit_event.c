/*
 * A webhook's body; contracts are in convo_livekit_event.h.
 *
 * protobuf writes an int64 as a string in JSON, and readers take numbers, too.
 */

#include "convo_livekit_event.h"

#include <stdbool.h>
#include <string.h>

/* times go through Lua, whose numbers are exact up to here */
#define TIME_MAX INT64_C(9007199254740991)

/* digits of the largest time in seconds or ms that is taken */
#define DIGITS_MAX 16

static const struct {
    const char *name;
    const char *what;
} names[] = {
    { "participant_joined", "joined" },
    { "participant_left", "left" },
    { "participant_connection_aborted", "left" },
    { "room_finished", "finished" },
};

#define NNAMES (sizeof(names) / sizeof(names[0]))


static const char *
what_of(const json_t *name)
{
    for (size_t i = 0; i < NNAMES; i++) {
        if (strcmp(names[i].name, json_string_value(name)) == 0) {
            return names[i].what;
        }
    }

    return NULL;
}


static bool
read_id(const json_t *value, const char **id, size_t *len)
{
    if (!json_is_string(value)) {
        return false;
    }

    *id = json_string_value(value);
    *len = json_string_length(value);

    if (*len == 0 || *len > CONVO_LIVEKIT_ID_MAX) {
        return false;
    }

    for (size_t i = 0; i < *len; i++) {
        char c = (*id)[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_' || c == '-'))
        {
            return false;
        }
    }

    return true;
}


static int64_t
digits_of(const char *text, size_t len)
{
    int64_t n = 0;

    if (len == 0 || len > DIGITS_MAX) {
        return 0;
    }

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return 0;
        }

        n = n * 10 + (text[i] - '0');
    }

    return n;
}


/*
 * A time in seconds or milliseconds; 0 when it is missing or none, and never
 * so large that seconds times 1000 are not exact.
 */

static int64_t
read_time(const json_t *value)
{
    int64_t time = 0;

    if (json_is_integer(value)) {
        time = json_integer_value(value);

    } else if (json_is_string(value)) {
        time = digits_of(json_string_value(value), json_string_length(value));
    }

    return time > 0 && time <= TIME_MAX / 1000 ? time : 0;
}


static convo_livekit_event_e
read_participant(convo_livekit_event_t *event, const json_t *participant)
{
    const json_t *identity = json_object_get(participant, "identity");
    int64_t joined_ms = read_time(json_object_get(participant, "joinedAtMs"));
    int64_t joined = read_time(json_object_get(participant, "joinedAt"));

    if (!json_is_string(identity)
        || !read_id(json_object_get(participant, "sid"), &event->psid,
                    &event->psid_len))
    {
        return CONVO_LIVEKIT_EVENT_UNKNOWN;
    }

    event->side = convo_identity_side(json_string_value(identity),
                                      json_string_length(identity),
                                      event->sid);
    if (event->side == 0) {
        return CONVO_LIVEKIT_EVENT_IGNORED;
    }

    if (strcmp(event->what, "joined") == 0) {
        if (joined_ms > 0) {
            event->at_ms = joined_ms;

        } else if (joined > 0) {
            event->at_ms = 1000 * joined;
        }
    }

    return CONVO_LIVEKIT_EVENT_OK;
}


/*
 * LiveKit has signed these bytes, and an escaped NUL in the name of a user's
 * track must not make its word unreadable.
 */

convo_livekit_event_e
convo_livekit_event_read(convo_livekit_event_t *event, const char *text,
                         size_t len)
{
    const json_t *name;

    memset(event, 0, sizeof(*event));
    event->psid = "";
    event->json = json_loadb(text, len, JSON_REJECT_DUPLICATES
                                            | JSON_ALLOW_NUL, NULL);

    name = json_object_get(event->json, "event");

    if (!json_is_string(name)
        || !read_id(json_object_get(event->json, "id"), &event->id,
                    &event->id_len))
    {
        return CONVO_LIVEKIT_EVENT_UNKNOWN;
    }

    event->what = what_of(name);
    if (event->what == NULL) {
        return CONVO_LIVEKIT_EVENT_IGNORED;
    }

    event->at_ms =
        1000 * read_time(json_object_get(event->json, "createdAt"));
    name = json_object_get(json_object_get(event->json, "room"), "name");

    if (event->at_ms <= 0 || !json_is_string(name)) {
        return CONVO_LIVEKIT_EVENT_UNKNOWN;
    }

    if (convo_room_parse(json_string_value(name), json_string_length(name),
                         &event->pool, &event->pool_len, &event->sid)
        != 0)
    {
        return CONVO_LIVEKIT_EVENT_IGNORED;
    }

    if (strcmp(event->what, "finished") == 0) {
        return CONVO_LIVEKIT_EVENT_OK;
    }

    return read_participant(event,
                            json_object_get(event->json, "participant"));
}


void
convo_livekit_event_free(convo_livekit_event_t *event)
{
    json_decref(event->json);
    event->json = NULL;
}
