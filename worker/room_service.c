/*
 * LiveKit's RoomService; see room_service.h.
 *
 * A call is a struct with its own easy handle, request and answer; perform()
 * runs any number of them on one multi handle, which keeps the connections.
 */

#include "room_service.h"
#include "convo_json.h"
#include "convo_livekit_token.h"
#include "log.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The largest answer: a list of CONVO_ROOMS_MAX rooms, or of who is in one; and
 * that of all rooms there are. */
#define ROOM_ANSWER_MAX (512 * 1024)
#define LIST_ANSWER_MAX (CONVO_ROOM_LIST_MAX * CONVO_ROOM_LIST_BYTES)

/* A token is made for one run of calls. */
#define TOKEN_LIFE_S 120

#define URL_MAX     (CONVO_CONFIG_URL_MAX + 64)
#define HEADER_MAX  (CONVO_LIVEKIT_TOKEN_MAX + 32)
#define WHY_MAX     256
#define POLL_MS     1000
#define CONNECTIONS 64

typedef struct {
    CURL *easy;
    char *request;
    struct curl_slist *headers; /* its own, or NULL */
    char *answer;
    size_t len;   /* of the answer */
    size_t room;  /* allocated for it */
    size_t limit; /* of len */
    CURLcode code;
    long status;
    char error[CURL_ERROR_SIZE];
} call_t;

struct convo_room_service {
    const convo_livekit_config_t *config;
    CURLM *multi;
    int64_t timeout_ms; /* of a call */
    call_t calls[CONVO_ROOMS_MAX + 1];
    char why[WHY_MAX];
};

static const convo_json_limits_t limits = {
    .depth = 16,
    .count = CONVO_ROOMS_MAX * 256,
};


static void
out_of_memory(void)
{
    convo_log(CONVO_LOG_ERROR, "livekit", "out of memory");
    abort();
}


convo_room_service_t *
convo_room_service_new(const convo_livekit_config_t *config)
{
    convo_room_service_t *service = calloc(1, sizeof(*service));

    if (service == NULL) {
        out_of_memory();
    }

    service->config = config;
    service->timeout_ms = config->timeout_ms;
    service->multi = curl_multi_init();
    if (service->multi == NULL) {
        out_of_memory();
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


/* --- one call --- */

/* libcurl's write function: keeps what comes, up to the limit. */
static size_t
on_answer(char *bytes, size_t size, size_t n, void *data)
{
    call_t *call = data;
    size_t len = size * n;

    if (len > call->limit - call->len) {
        return 0;
    }

    if (call->len + len > call->room) {
        size_t room = (call->len + len) * 2;
        char *answer = realloc(call->answer, room);

        if (answer == NULL) {
            return 0;
        }
        call->answer = answer;
        call->room = room;
    }

    memcpy(call->answer + call->len, bytes, len);
    call->len += len;

    return len;
}


static void
set_options(const convo_room_service_t *service, call_t *call,
            const char *url, struct curl_slist *headers)
{
    CURL *easy = call->easy;

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->request);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE,
                     (long) strlen(call->request));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long) service->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long) CURL_HTTP_VERSION_1_1);

    /* LiveKit is ours and near: no proxy of the environment stands between */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
}


/* Takes over request. */
static void
begin_call(convo_room_service_t *service, call_t *call, const char *method,
           char *request, struct curl_slist *headers)
{
    char url[URL_MAX];

    memset(call, 0, sizeof(*call));
    call->code = CURLE_OPERATION_TIMEDOUT;
    call->request = request;
    call->limit = ROOM_ANSWER_MAX;
    call->easy = curl_easy_init();

    if (call->easy == NULL || request == NULL) {
        out_of_memory();
    }

    snprintf(url, sizeof(url), "%s/twirp/livekit.RoomService/%s",
             service->config->url, method);

    set_options(service, call, url, headers);

    if (curl_multi_add_handle(service->multi, call->easy) != CURLM_OK) {
        out_of_memory();
    }
}


static void
end_call(convo_room_service_t *service, call_t *call)
{
    curl_multi_remove_handle(service->multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    free(call->request);
    free(call->answer);
}


/* --- running the calls --- */

static void
take_results(convo_room_service_t *service)
{
    CURLMsg *message;
    call_t *call;
    int left;

    while ((message = curl_multi_info_read(service->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE,
                          &call->status);
        call->code = message->data.result;
    }
}


/* Until all have ended; each does so by its timeout at the latest. */
static void
perform(convo_room_service_t *service)
{
    int running = 1;

    while (running > 0) {
        if (curl_multi_perform(service->multi, &running) != CURLM_OK) {
            break;
        }
        take_results(service);
        if (running > 0) {
            curl_multi_poll(service->multi, NULL, 0, POLL_MS, NULL);
        }
    }
}


/* room is that of CONVO_LIVEKIT_ROOM_ADMIN, otherwise NULL. */
static struct curl_slist *
make_headers(const convo_room_service_t *service, unsigned int grants,
             const char *room)
{
    const convo_livekit_config_t *config = service->config;
    convo_livekit_key_t key = { config->key, &config->secrets };
    char token[CONVO_LIVEKIT_TOKEN_MAX + 1];
    char header[HEADER_MAX];
    struct curl_slist *headers, *more;
    time_t now_s = time(NULL);

    if (convo_livekit_admin_token(token, &key, grants, room, now_s,
                                  now_s + TOKEN_LIFE_S)
        == 0)
    {
        out_of_memory();
    }

    snprintf(header, sizeof(header), "Authorization: Bearer %s", token);

    headers = curl_slist_append(NULL, header);
    more = curl_slist_append(headers, "Content-Type: application/json");

    if (headers == NULL || more == NULL) {
        out_of_memory();
    }

    explicit_bzero(token, sizeof(token));
    explicit_bzero(header, sizeof(header));

    return more;
}


/* --- judging an answer --- */

/* The answer of a 200 as an object (a new reference), or NULL. */
static json_t *
load_answer(const call_t *call)
{
    if (call->code != CURLE_OK || call->status != 200 || call->len == 0) {
        return NULL;
    }

    return convo_json_load_object(call->answer, call->len, &limits);
}


static void
explain(convo_room_service_t *service, const call_t *call)
{
    if (call->code == CURLE_WRITE_ERROR) {
        snprintf(service->why, WHY_MAX, "answer of more than %zu bytes",
                 call->limit);
    } else if (call->code != CURLE_OK) {
        snprintf(service->why, WHY_MAX, "%.200s",
                 call->error[0] != '\0' ? call->error
                                        : curl_easy_strerror(call->code));
    } else if (call->status != 200) {
        snprintf(service->why, WHY_MAX, "status %ld%s", call->status,
                 call->status == 401 || call->status == 403
                     ? ": are key and secret those of LiveKit?"
                     : "");
    } else {
        snprintf(service->why, WHY_MAX, "an answer that is not LiveKit's");
    }
}


/*
 * A 4xx that speaks of this request.  401, 403 and 404 speak of our key and
 * of the address, 408 and 429 of the time.
 */
static int
is_refusal(const call_t *call)
{
    long status = call->status;

    return call->code == CURLE_OK && status >= 400 && status < 500
           && status != 401 && status != 403 && status != 404 && status != 405
           && status != 408 && status != 429;
}


static convo_room_result_e
judge_creation(convo_room_service_t *service, const call_t *call,
               const char *room)
{
    json_t *answer = load_answer(call);
    const char *name = json_string_value(json_object_get(answer, "name"));
    int good = name != NULL && strcmp(name, room) == 0;

    json_decref(answer);

    if (good) {
        return CONVO_ROOM_OK;
    }

    explain(service, call);

    return is_refusal(call) ? CONVO_ROOM_REFUSED : CONVO_ROOM_DOWN;
}


/* --- the calls --- */

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

    headers = make_headers(service, CONVO_LIVEKIT_ROOM_CREATE, NULL);

    for (size_t i = 0; i < n; i++) {
        begin_call(service, &service->calls[i], "CreateRoom",
                   creation_request(service->config, rooms[i].name), headers);
    }

    perform(service);

    for (size_t i = 0; i < n; i++) {
        results[i] = judge_creation(service, &service->calls[i],
                                    rooms[i].name);
        end_call(service, &service->calls[i]);
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
begin_list(convo_room_service_t *service, call_t *call,
           const convo_room_t *rooms, size_t n)
{
    struct curl_slist *headers;

    headers = make_headers(service, CONVO_LIVEKIT_ROOM_LIST, NULL);
    begin_call(service, call, "ListRooms", list_request(rooms, n), headers);
    call->headers = headers;
}


/* Ends the call; tells each room of its answer: 0, or -1. */
static int
end_list(convo_room_service_t *service, call_t *call, convo_room_each_pt each,
         void *data)
{
    int result = -1;

    if (call->code == CURLE_OK && call->status == 200 && call->len > 0) {
        result = convo_room_each(call->answer, call->len, each, data);
    }

    if (result != 0) {
        explain(service, call);
    }

    end_call(service, call);

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

    headers = make_headers(service, CONVO_LIVEKIT_ROOM_CREATE, NULL);

    for (size_t i = 0; i < n; i++) {
        begin_call(service, &service->calls[i], "DeleteRoom",
                   room_request(rooms[i].name), headers);
    }

    perform(service);

    for (size_t i = 0; i < n; i++) {
        end_call(service, &service->calls[i]);
    }

    curl_slist_free_all(headers);

    /* What the deletions were answered does not matter, the list does. */
    begin_list(service, &service->calls[0], rooms, n);
    perform(service);
    known = end_list(service, &service->calls[0], on_room, &listed) == 0;

    for (size_t i = 0; i < n; i++) {
        results[i] = known && !states[i].exists ? CONVO_ROOM_OK
                                                : CONVO_ROOM_DOWN;
    }

    if (listed.found > 0) {
        snprintf(service->why, WHY_MAX, "%zu rooms are still there",
                 listed.found);
    }
}


static void
begin_look(convo_room_service_t *service, call_t *call, const char *room)
{
    struct curl_slist *headers;

    headers = make_headers(service, CONVO_LIVEKIT_ROOM_ADMIN, room);
    begin_call(service, call, "ListParticipants", room_request(room), headers);
    call->headers = headers;
}


/* Ends the call; what it was answered. */
static convo_room_result_e
end_look(convo_room_service_t *service, call_t *call, const char *room,
         convo_room_people_t *people)
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
        explain(service, call);
    }

    end_call(service, call);

    return result == 0 ? CONVO_ROOM_OK : CONVO_ROOM_DOWN;
}


int
convo_room_service_look(convo_room_service_t *service,
                        const convo_room_t *rooms, size_t n,
                        convo_room_state_t *states)
{
    listed_t listed = { rooms, n, states, 0 };
    call_t *list = &service->calls[n];
    int known;

    memset(states, 0, n * sizeof(*states));

    for (size_t i = 0; i < n; i++) {
        begin_look(service, &service->calls[i], rooms[i].name);
    }

    begin_list(service, list, rooms, n);
    perform(service);

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
end_count(convo_room_service_t *service, call_t *call)
{
    json_t *answer = load_answer(call);
    const json_t *number = json_object_get(answer, "num_participants");
    int64_t counted = json_is_integer(number) ? json_integer_value(number)
                                              : -1;

    json_decref(answer);

    if (counted < 0) {
        explain(service, call);
    }

    end_call(service, call);

    return counted;
}


void
convo_room_service_count(convo_room_service_t *service,
                         const convo_room_t *rooms, size_t n,
                         int64_t *counted)
{
    for (size_t i = 0; i < n; i++) {
        struct curl_slist *headers = make_headers(
            service, CONVO_LIVEKIT_ROOM_ADMIN, rooms[i].name);

        begin_call(service, &service->calls[i], "UpdateRoomMetadata",
                   count_request(rooms[i].name), headers);
        service->calls[i].headers = headers;
    }

    perform(service);

    for (size_t i = 0; i < n; i++) {
        counted[i] = end_count(service, &service->calls[i]);
    }
}


int
convo_room_service_each(convo_room_service_t *service, convo_room_each_pt each,
                        void *data)
{
    call_t *call = &service->calls[0];

    begin_list(service, call, NULL, 0);
    call->limit = LIST_ANSWER_MAX;
    perform(service);

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
    call_t *call = &service->calls[0];

    begin_list(service, call, &nowhere, 1);
    perform(service);

    return end_list(service, call, on_nowhere, NULL);
}
