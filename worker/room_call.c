/*
 * Calls of LiveKit's RoomService; see room_call.h.
 */

#include "room_call.h"
#include "convo_json.h"
#include "convo_livekit_token.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A token is made for one run of calls. */
#define TOKEN_LIFE_S 120

#define URL_MAX    (CONVO_CONFIG_URL_MAX + 64)
#define HEADER_MAX (CONVO_LIVEKIT_TOKEN_MAX + 32)
#define POLL_MS    1000

static const convo_json_limits_t limits = {
    .depth = 16,
    .count = CONVO_ROOMS_MAX * 256,
};


void
convo_room_out_of_memory(void)
{
    convo_log(CONVO_LOG_ERROR, "livekit", "out of memory");
    abort();
}


/* --- one call --- */

/* libcurl's write function: keeps what comes, up to the limit. */
static size_t
on_answer(char *bytes, size_t size, size_t n, void *data)
{
    convo_room_call_t *call = data;
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
set_options(const convo_room_service_t *service, convo_room_call_t *call,
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


void
convo_room_call_begin(convo_room_service_t *service, convo_room_call_t *call,
                      const char *method, char *request,
                      struct curl_slist *headers)
{
    char url[URL_MAX];

    memset(call, 0, sizeof(*call));
    call->code = CURLE_OPERATION_TIMEDOUT;
    call->request = request;
    call->limit = CONVO_ROOM_ANSWER_MAX;
    call->easy = curl_easy_init();

    if (call->easy == NULL || request == NULL) {
        convo_room_out_of_memory();
    }

    snprintf(url, sizeof(url), "%s/twirp/livekit.RoomService/%s",
             service->config->url, method);

    set_options(service, call, url, headers);

    if (curl_multi_add_handle(service->multi, call->easy) != CURLM_OK) {
        convo_room_out_of_memory();
    }
}


void
convo_room_call_end(convo_room_service_t *service, convo_room_call_t *call)
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
    convo_room_call_t *call;
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
void
convo_room_calls_run(convo_room_service_t *service)
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


struct curl_slist *
convo_room_call_headers(const convo_room_service_t *service,
                        unsigned int grants, const char *room)
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
        convo_room_out_of_memory();
    }

    snprintf(header, sizeof(header), "Authorization: Bearer %s", token);

    headers = curl_slist_append(NULL, header);
    more = curl_slist_append(headers, "Content-Type: application/json");

    if (headers == NULL || more == NULL) {
        convo_room_out_of_memory();
    }

    explicit_bzero(token, sizeof(token));
    explicit_bzero(header, sizeof(header));

    return more;
}


/* --- answers --- */

json_t *
convo_room_call_answer(const convo_room_call_t *call)
{
    if (call->code != CURLE_OK || call->status != 200 || call->len == 0) {
        return NULL;
    }

    return convo_json_load_object(call->answer, call->len, &limits);
}


void
convo_room_call_explain(convo_room_service_t *service,
                        const convo_room_call_t *call)
{
    if (call->code == CURLE_WRITE_ERROR) {
        snprintf(service->why, CONVO_ROOM_WHY, "answer of more than %zu bytes",
                 call->limit);
    } else if (call->code != CURLE_OK) {
        snprintf(service->why, CONVO_ROOM_WHY, "%.200s",
                 call->error[0] != '\0' ? call->error
                                        : curl_easy_strerror(call->code));
    } else if (call->status != 200) {
        snprintf(service->why, CONVO_ROOM_WHY, "status %ld%s", call->status,
                 call->status == 401 || call->status == 403
                     ? ": are key and secret those of LiveKit?"
                     : "");
    } else {
        snprintf(service->why, CONVO_ROOM_WHY,
                 "an answer that is not LiveKit's");
    }
}


int
convo_room_call_is_refused(const convo_room_call_t *call)
{
    long status = call->status;

    return call->code == CURLE_OK && status >= 400 && status < 500
           && status != 401 && status != 403 && status != 404 && status != 405
           && status != 408 && status != 429;
}
