/*
 * Calls of LiveKit's RoomService, for room_service.c alone: any number at once
 * on one multi handle, which keeps the connections.  A call is a struct with
 * its own easy handle, request and answer.
 *
 *     headers = convo_room_call_headers(service, grants, NULL);
 *     convo_room_call_begin(service, &calls[i], method, request, headers);
 *     convo_room_calls_run(service);
 *     answer = convo_room_call_answer(&calls[i]);
 *     convo_room_call_end(service, &calls[i]);
 *
 * How it fails: a call ends by its timeout at the latest, with a code of
 * libcurl other than CURLE_OK; without memory the worker ends.
 */

#ifndef CONVO_ROOM_CALL_H
#define CONVO_ROOM_CALL_H

#include "room_service.h"

#include <curl/curl.h>
#include <jansson.h>

/* The largest answer: a list of CONVO_ROOMS_MAX rooms, or of who is in one; and
 * that of all rooms there are. */
#define CONVO_ROOM_ANSWER_MAX (512 * 1024)
#define CONVO_ROOM_ALL_MAX    (CONVO_ROOM_LIST_MAX * CONVO_ROOM_LIST_BYTES)

#define CONVO_ROOM_WHY 256

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
} convo_room_call_t;

struct convo_room_service {
    const convo_livekit_config_t *config;
    CURLM *multi;
    int64_t timeout_ms; /* of a call */
    convo_room_call_t calls[CONVO_ROOMS_MAX + 1];
    char why[CONVO_ROOM_WHY];
};

/* Ends the worker. */
_Noreturn void convo_room_out_of_memory(void);

/* The headers with a token of these grants, for the caller to free; room is
 * that of CONVO_LIVEKIT_ROOM_ADMIN, otherwise NULL. */
struct curl_slist *convo_room_call_headers(
    const convo_room_service_t *service, unsigned int grants,
    const char *room);

/* Makes the call ready.  Takes over request; headers must outlive the call. */
void convo_room_call_begin(convo_room_service_t *service,
                           convo_room_call_t *call, const char *method,
                           char *request, struct curl_slist *headers);

/* Runs all that were begun until they have ended. */
void convo_room_calls_run(convo_room_service_t *service);

/* The answer of a 200 as an object (a new reference), or NULL. */
json_t *convo_room_call_answer(const convo_room_call_t *call);

/* Keeps why the call was not answered as it should be. */
void convo_room_call_explain(convo_room_service_t *service,
                             const convo_room_call_t *call);

/* Whether the answer is a 4xx that speaks of this request: 401, 403 and 404
 * speak of our key and of the address, 408 and 429 of the time. */
int convo_room_call_is_refused(const convo_room_call_t *call);

/* Frees the call, its request and answer, and headers of its own. */
void convo_room_call_end(convo_room_service_t *service,
                         convo_room_call_t *call);

#endif /* CONVO_ROOM_CALL_H */
