/*
 * LiveKit's RoomService: what is asked, and what the answers mean; see
 * room_service.h.  How calls are made is in room_call.c.
 */

#include "room_call.h"
#include "convo_livekit_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 64


convo_room_service_t *
convo_room_service_new(const convo_livekit_config_t *config)
{
    convo_room_service_t *service = calloc(1, sizeof(*service));

    if (service == NULL) {
        convo_room_out_of_memory();
    }

    service->config = config;
    service->timeout_ms = config->timeout_ms;
    service->multi = curl_multi_init();
    if (service->multi == NULL) {
        convo_room_out_of_memory();
    }

    curl_multi_setopt(service->multi, CURLMOPT_MAXCONNECTS, (long) CONNECTIONS);

    return service;
}


void
convo_room_service_free(convo_room_service_t *service)
{
    curl_multi_cleanup(service->multi);
    free(service);
}


void
convo_room_service_limit(convo_room_service_t *service, int64_t limit_ms)
{
    int64_t timeout_ms = service->config->timeout_ms;

    service->timeout_ms = limit_ms < timeout_ms ? limit_ms : timeout_ms;
}


const char *
convo_room_service_why(const convo_room_service_t *service)
{
    return service->why;
}


/* --- the calls --- */

static convo_room_result_e
judge_creation(convo_room_service_t *service, const convo_room_call_t *call,
               const char *room)
{
    json_t *answer = convo_room_call_answer(call);
    const char *name = json_string_value(json_object_get(answer, "name"));
    int good = name != NULL && strcmp(name, room) == 0;

    json_decref(answer);

    if (good) {
        return CONVO_ROOM_OK;
    }

    convo_room_call_explain(service, call);

    return convo_room_call_is_refused(call) ? CONVO_ROOM_REFUSED
                                            : CONVO_ROOM_DOWN;
}


static char *
creation_request(const convo_livekit_config_t *config, const char *room)
{
    json_t *object;
    char *text;

    object = json_pack("{s:s, s:I, s:I, s:i}", "name", room, "empty_timeout",
                       (json_int_t) config->empty_s, "departure_timeout",
                       (json_int_t) config->departure_s, "max_participants",
                       2);
    text = json_dumps(object, JSON_COMPACT);
    json_decref(object);

    return text;
}


void
convo_room_service_create(convo_room_service_t *service,
                          const convo_room_t *rooms, size_t n,
                          convo_room_result_e *results)
{
    struct curl_slist *headers;

    headers = convo_room_call_headers(service, CONVO_LIVEKIT_ROOM_CREATE, NULL);

    for (size_t i = 0; i < n; i++) {
        convo_room_call_begin(service, &service->calls[i], "CreateRoom",
                              creation_request(service->config, rooms[i].name),
                              headers);
    }

    convo_room_calls_run(service);

    for (size_t i = 0; i < n; i++) {
        results[i] = judge_creation(service, &service->calls[i],
                                    rooms[i].name);
        convo_room_call_end(service, &service->calls[i]);
    }

    curl_slist_free_all(headers);
}


static char *
room_request(const char *room)
{
    json_t *object = json_pack("{s:s}", "room", room);
    char *text = json_dumps(object, JSON_COMPACT);

    json_decref(object);

    return text;
}


/* rooms may be NULL: all there are. */
static char *
list_request(const convo_room_t *rooms, size_t n)
{
    json_t *names = json_array();
    json_t *object;
    char *text;

    for (size_t i = 0; i < n; i++) {
        json_array_append_new(names, json_string(rooms[i].name));
    }

    object = json_pack("{s:o}", "names", names);
    text = json_dumps(object, JSON_COMPACT);
    json_decref(object);

    return text;
}


static void
begin_list(convo_room_service_t *service, convo_room_call_t *call,
           const convo_room_t *rooms, size_t n)
{
    struct curl_slist *headers;

    headers = convo_room_call_headers(service, CONVO_LIVEKIT_ROOM_LIST, NULL);
    convo_room_call_begin(service, call, "ListRooms", list_request(rooms, n),
                          headers);
    call->headers = headers;
}


/* Ends the call; tells each room of its answer: 0, or -1. */
static int
end_list(convo_room_service_t *service, convo_room_call_t *call,
         convo_room_each_pt each, void *data)
{
    int result = -1;

    if (call->code == CURLE_OK && call->status == 200 && call->len > 0) {
        result = convo_room_each(call->answer, call->len, each, data);
    }

    if (result != 0) {
        convo_room_call_explain(service, call);
    }

    convo_room_call_end(service, call);

    return result;
}


/* Rooms that were asked for, and what is told of them. */
typedef struct {
    const convo_room_t *rooms;
    size_t n;
    convo_room_state_t *states;
    size_t found;
} listed_t;


static void
on_room(void *data, const char *name, size_t len, int64_t participants)
{
    listed_t *listed = data;

    (void) len;

    for (size_t i = 0; i < listed->n; i++) {
        if (strcmp(name, listed->rooms[i].name) == 0) {
            listed->states[i].exists = 1;
            listed->states[i].counted = participants;
            listed->found++;
        }
    }
}


void
convo_room_service_delete(convo_room_service_t *service,
                          const convo_room_t *rooms, size_t n,
                          convo_room_result_e *results)
{
    convo_room_state_t states[CONVO_ROOMS_MAX] = { 0 };
    listed_t listed = { rooms, n, states, 0 };
    struct curl_slist *headers;
    int known;

    headers = convo_room_call_headers(service, CONVO_LIVEKIT_ROOM_CREATE, NULL);

    for (size_t i = 0; i < n; i++) {
        convo_room_call_begin(service, &service->calls[i], "DeleteRoom",
                              room_request(rooms[i].name), headers);
    }

    convo_room_calls_run(service);

    for (size_t i = 0; i < n; i++) {
        convo_room_call_end(service, &service->calls[i]);
    }

    curl_slist_free_all(headers);

    /* What the deletions were answered does not matter, the list does. */
    begin_list(service, &service->calls[0], rooms, n);
    convo_room_calls_run(service);
    known = end_list(service, &service->calls[0], on_room, &listed) == 0;

    for (size_t i = 0; i < n; i++) {
        results[i] = known && !states[i].exists ? CONVO_ROOM_OK
                                                : CONVO_ROOM_DOWN;
    }

    if (listed.found > 0) {
        snprintf(service->why, CONVO_ROOM_WHY, "%zu rooms are still there",
                 listed.found);
    }
}


static void
begin_look(convo_room_service_t *service, convo_room_call_t *call,
           const char *room)
{
    struct curl_slist *headers;

    headers = convo_room_call_headers(service, CONVO_LIVEKIT_ROOM_ADMIN, room);
    convo_room_call_begin(service, call, "ListParticipants",
                          room_request(room), headers);
    call->headers = headers;
}


/* Ends the call; what it was answered. */
static convo_room_result_e
end_look(convo_room_service_t *service, convo_room_call_t *call,
         const char *room, convo_room_people_t *people)
{
    const char *pool, *sid;
    size_t pool_len;
    int result = -1;

    if (call->code == CURLE_OK && call->status == 404) {
        /* where it was asked, others were answered: of no such room */
        memset(people, 0, sizeof(*people));
        result = 0;

    } else if (call->code == CURLE_OK && call->status == 200 && call->len > 0
               && convo_room_parse(room, strlen(room), &pool, &pool_len, &sid)
                      == 0)
    {
        result = convo_room_people(call->answer, call->len, sid, people);
    }

    if (result != 0) {
        convo_room_call_explain(service, call);
    }

    convo_room_call_end(service, call);

    return result == 0 ? CONVO_ROOM_OK : CONVO_ROOM_DOWN;
}


int
convo_room_service_look(convo_room_service_t *service,
                        const convo_room_t *rooms, size_t n,
                        convo_room_state_t *states)
{
    listed_t listed = { rooms, n, states, 0 };
    convo_room_call_t *list = &service->calls[n];
    int known;

    memset(states, 0, n * sizeof(*states));

    for (size_t i = 0; i < n; i++) {
        begin_look(service, &service->calls[i], rooms[i].name);
    }

    begin_list(service, list, rooms, n);
    convo_room_calls_run(service);

    for (size_t i = 0; i < n; i++) {
        states[i].result = end_look(service, &service->calls[i],
                                    rooms[i].name, &states[i].people);
    }

    known = end_list(service, list, on_room, &listed) == 0;

    for (size_t i = 0; i < n; i++) {
        if (!known) {
            states[i].result = CONVO_ROOM_DOWN;
        }
        states[i].exists |= states[i].people.listed > 0;
    }

    return known ? 0 : -1;
}


/* No metadata is what a room of ours has. */
static char *
count_request(const char *room)
{
    json_t *object = json_pack("{s:s, s:s}", "room", room, "metadata", "");
    char *text = json_dumps(object, JSON_COMPACT);

    json_decref(object);

    return text;
}


/* Ends the call: how many there are, or -1. */
static int64_t
end_count(convo_room_service_t *service, convo_room_call_t *call)
{
    json_t *answer = convo_room_call_answer(call);
    const json_t *number = json_object_get(answer, "num_participants");
    int64_t counted = json_is_integer(number) ? json_integer_value(number)
                                              : -1;

    json_decref(answer);

    if (counted < 0) {
        convo_room_call_explain(service, call);
    }

    convo_room_call_end(service, call);

    return counted;
}


void
convo_room_service_count(convo_room_service_t *service,
                         const convo_room_t *rooms, size_t n,
                         int64_t *counted)
{
    for (size_t i = 0; i < n; i++) {
        struct curl_slist *headers = convo_room_call_headers(
            service, CONVO_LIVEKIT_ROOM_ADMIN, rooms[i].name);

        convo_room_call_begin(service, &service->calls[i], "UpdateRoomMetadata",
                              count_request(rooms[i].name), headers);
        service->calls[i].headers = headers;
    }

    convo_room_calls_run(service);

    for (size_t i = 0; i < n; i++) {
        counted[i] = end_count(service, &service->calls[i]);
    }
}


int
convo_room_service_each(convo_room_service_t *service, convo_room_each_pt each,
                        void *data)
{
    convo_room_call_t *call = &service->calls[0];

    begin_list(service, call, NULL, 0);
    call->limit = CONVO_ROOM_ALL_MAX;
    convo_room_calls_run(service);

    return end_list(service, call, each, data);
}


static void
on_nowhere(void *data, const char *name, size_t len, int64_t participants)
{
    (void) data;
    (void) name;
    (void) len;
    (void) participants;
}


int
convo_room_service_probe(convo_room_service_t *service)
{
    static const convo_room_t nowhere = { "convo-probe" };
    convo_room_call_t *call = &service->calls[0];

    begin_list(service, call, &nowhere, 1);
    convo_room_calls_run(service);

    return end_list(service, call, on_nowhere, NULL);
}
