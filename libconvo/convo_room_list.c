/*
 * Lists of rooms and of who is in one; contracts are in convo_room_list.h.
 */

#include "convo_room_list.h"
#include "convo_json.h"
#include "convo_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Two people with their tracks, codecs and layers; and whoever else may be
 * in a room. */
static const convo_json_limits_t people_limits = { .depth = 16,
                                                   .count = 16384 };

/* A room with its codecs has some 50 values. */
static const convo_json_limits_t rooms_limits = {
    .depth = 16,
    .count = CONVO_ROOM_LIST_MAX * 64,
};


/* A whole number above 0, as Twirp writes those of 64 bits, or -1. */
static int64_t
positive(const json_t *value)
{
    const char *text = json_string_value(value);
    char *end;
    long long number;

    if (text == NULL) {
        number = json_is_integer(value) ? json_integer_value(value) : -1;

    } else if (*text < '0' || *text > '9') {
        number = -1;

    } else {
        errno = 0;
        number = strtoll(text, &end, 10);
        if (errno != 0 || *end != '\0') {
            number = -1;
        }
    }

    return number > 0 ? number : -1;
}


static int64_t
joined_ms(const json_t *info)
{
    int64_t ms = positive(json_object_get(info, "joined_at_ms"));
    int64_t seconds;

    if (ms > 0) {
        return ms;
    }

    /* older releases know only this */
    seconds = positive(json_object_get(info, "joined_at"));

    return seconds > 0 && seconds <= INT64_MAX / 1000 ? seconds * 1000 : -1;
}


/* The array of this name in an answer, or NULL. */
static json_t *
list_of(json_t *answer, const char *name)
{
    json_t *list = json_object_get(answer, name);

    return json_is_array(list) ? list : NULL;
}


/* Takes an active participant of a side: 0, or -1. */
static int
take_active(convo_room_person_t *person, const json_t *info)
{
    const json_t *psid = json_object_get(info, "sid");
    size_t len = json_string_length(psid);
    int64_t at = joined_ms(info);

    if (len == 0 || len > CONVO_PSID_MAX || at < 0) {
        return -1;
    }

    if (person->active && person->joined_ms >= at) {
        return 0;
    }

    person->active = 1;
    person->joined_ms = at;
    memcpy(person->psid, json_string_value(psid), len + 1);

    return 0;
}


static int
take_participant(convo_room_people_t *people, const json_t *info,
                 const char *sid)
{
    const json_t *identity = json_object_get(info, "identity");
    const char *state = json_string_value(json_object_get(info, "state"));
    char side;

    if (!json_is_string(identity) || state == NULL) {
        return -1;
    }

    if (strcmp(state, "DISCONNECTED") == 0) {
        return 0;
    }

    people->listed++;

    side = convo_identity_side(json_string_value(identity),
                               json_string_length(identity), sid);
    if (side == 0) {
        return 0;
    }

    people->side[side - 'a'].there = 1;

    /* JOINING, JOINED, and whatever comes to be between them and ACTIVE */
    if (strcmp(state, "ACTIVE") != 0) {
        return 0;
    }

    return take_active(&people->side[side - 'a'], info);
}


int
convo_room_people(const char *text, size_t len, const char *sid,
                  convo_room_people_t *people)
{
    json_t *answer = convo_json_load_object(text, len, &people_limits);
    json_t *list = list_of(answer, "participants");
    int result = list != NULL ? 0 : -1;

    memset(people, 0, sizeof(*people));

    for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
        result = take_participant(people, json_array_get(list, i), sid);
    }

    json_decref(answer);

    return result;
}


static int
has_names(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *name = json_object_get(json_array_get(list, i), "name");

        if (json_string_length(name) == 0) {
            return 0;
        }
    }

    return 1;
}


int
convo_room_each(const char *text, size_t len, convo_room_each_pt each,
                void *data)
{
    json_t *answer = convo_json_load_object(text, len, &rooms_limits);
    json_t *list = list_of(answer, "rooms");

    if (list == NULL || json_array_size(list) > CONVO_ROOM_LIST_MAX
        || !has_names(list))
    {
        json_decref(answer);
        return -1;
    }

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *room = json_array_get(list, i);
        const json_t *name = json_object_get(room, "name");
        int64_t count = positive(json_object_get(room, "num_participants"));

        each(data, json_string_value(name), json_string_length(name),
             count > 0 ? count : 0);
    }

    json_decref(answer);

    return 0;
}
