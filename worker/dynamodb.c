/*
 * DynamoDB's protocol; see dynamodb.h.
 *
 * Calls go out in waves: a wave is signed, performed and judged, and what is
 * to be tried again goes into the next one.  The judgement is in
 * dynamodb_error.c, which sees no connection.
 */

#include "dynamodb.h"
#include "aws_credentials.h"
#include "backoff.h"
#include "convo_json.h"
#include "convo_sigv4.h"
#include "dynamodb_error.h"
#include "log.h"
#include "stop.h"

#include <curl/curl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_LIMIT_MS 1000
#define POLL_MS          1000

/* A page is at most 1 MB of items, which JSON makes larger; 16 MB of
 * BatchGetItem never come, as keys alone are asked for. */
#define ANSWER_MAX (8 * 1024 * 1024)
#define WHY_MAX    224
#define HEADER_MAX (CONVO_AWS_SESSION_MAX + 64)
#define TARGET_MAX 64
#define HEADERS    8

#define CONTENT_TYPE "application/x-amz-json-1.0"

/* An answer's Date, when it had one: how far our clock may be off. */
#define SKEW_S 60

typedef struct {
    CURL *easy;
    struct curl_slist *headers;
    convo_dynamodb_call_t *call;
    char *request;
    char *answer;
    size_t len;  /* of the answer */
    size_t room; /* allocated for it */
    CURLcode code;
    long status;
    time_t date; /* of the answer, 0: none */
    char error[CURL_ERROR_SIZE];
} transfer_t;

struct convo_dynamodb {
    const convo_dynamodb_config_t *config;
    const char *host; /* in the endpoint */
    convo_aws_credentials_t *credentials;
    CURLM *multi;
    transfer_t transfers[CONVO_DYNAMODB_CONNECTIONS];
    int64_t deadline_ms; /* monotonic */
    convo_backoff_t backoff;
    int refused;   /* 1: our key was, in this wave; 2: in one before */
    int reconnect; /* a broken connection may be tried again */
    char why[WHY_MAX];
};

static const convo_json_limits_t limits = { .depth = 16, .count = 500000 };


static void
out_of_memory(void)
{
    convo_log(CONVO_LOG_ERROR, "dynamodb", "out of memory");
    abort();
}


static int64_t
monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


convo_dynamodb_t *
convo_dynamodb_new(const convo_dynamodb_config_t *config)
{
    convo_dynamodb_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        out_of_memory();
    }

    self->config = config;
    self->host = strstr(config->endpoint, "://") + 3;
    self->credentials = convo_aws_credentials_new(config->profile);
    self->backoff.first_ms = BACKOFF_FIRST_MS;
    self->backoff.limit_ms = BACKOFF_LIMIT_MS;
    self->multi = curl_multi_init();
    if (self->multi == NULL) {
        out_of_memory();
    }

    curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS,
                      (long) CONVO_DYNAMODB_CONNECTIONS);
    convo_dynamodb_begin(self);

    return self;
}


void
convo_dynamodb_free(convo_dynamodb_t *self)
{
    curl_multi_cleanup(self->multi);
    convo_aws_credentials_free(self->credentials);
    free(self);
}


const char *
convo_dynamodb_why(const convo_dynamodb_t *self)
{
    return self->why;
}


void
convo_dynamodb_set_why(convo_dynamodb_t *self, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(self->why, WHY_MAX, format, args);
    va_end(args);
}


/* --- the budget --- */

void
convo_dynamodb_begin(convo_dynamodb_t *self)
{
    self->deadline_ms = monotonic_ms() + CONVO_DYNAMODB_BUDGET_MS;
    self->refused = 0;
    self->reconnect = 1;
    convo_backoff_reset(&self->backoff);
}


int
convo_dynamodb_pause(convo_dynamodb_t *self)
{
    int64_t wait_ms = convo_backoff_next(&self->backoff);

    if (monotonic_ms() + wait_ms > self->deadline_ms) {
        return -1;
    }

    return convo_stop_wait(wait_ms) ? -1 : 0;
}


/* --- signing --- */

static void
add_header(transfer_t *transfer, const char *name, const char *value)
{
    char header[HEADER_MAX];
    struct curl_slist *more;

    snprintf(header, sizeof(header), "%s: %s", name, value);
    more = curl_slist_append(transfer->headers, header);
    explicit_bzero(header, sizeof(header));

    if (more == NULL) {
        out_of_memory();
    }

    transfer->headers = more;
}


/* The headers of a request that counts: 0, or -1. */
static int
sign(convo_dynamodb_t *self, transfer_t *transfer, const convo_aws_key_t *key)
{
    char target[TARGET_MAX], payload[CONVO_SIGV4_HASH_LEN + 1];
    convo_sigv4_header_t headers[] = {
        { "Content-Type", CONTENT_TYPE },
        { "X-Amz-Target", target },
    };
    convo_sigv4_request_t request = {
        .method = "POST", .host = self->host, .path = "/", .query = "",
        .headers = headers, .nheaders = 2, .payload = payload,
        .region = self->config->region, .service = "dynamodb",
        .now_s = time(NULL),
    };
    convo_sigv4_t signature;

    snprintf(target, sizeof(target), "DynamoDB_20120810.%s",
             transfer->call->operation);

    if (convo_sigv4_hash(payload, transfer->request,
                         strlen(transfer->request)) != 0
        || convo_sigv4_sign(&signature, &request, key) != CONVO_SIGV4_OK)
    {
        convo_dynamodb_set_why(self, "the request cannot be signed");
        return -1;
    }

    add_header(transfer, "Host", self->host);
    add_header(transfer, "Content-Type", CONTENT_TYPE);
    add_header(transfer, "X-Amz-Target", target);
    add_header(transfer, "X-Amz-Date", signature.date);
    add_header(transfer, "Authorization", signature.authorization);
    if (key->session[0] != '\0') {
        add_header(transfer, "X-Amz-Security-Token", key->session);
    }

    /* no "100 Continue" is waited for */
    add_header(transfer, "Expect", "");

    return 0;
}


/* --- one transfer --- */

/* libcurl's write function: keeps what comes, up to the limit. */
static size_t
on_answer(char *bytes, size_t size, size_t n, void *data)
{
    transfer_t *transfer = data;
    size_t len = size * n;

    if (len > ANSWER_MAX - transfer->len) {
        return 0;
    }

    if (transfer->len + len > transfer->room) {
        size_t room = (transfer->len + len) * 2;
        char *answer = realloc(transfer->answer, room);

        if (answer == NULL) {
            return 0;
        }
        transfer->answer = answer;
        transfer->room = room;
    }

    memcpy(transfer->answer + transfer->len, bytes, len);
    transfer->len += len;

    return len;
}


/* libcurl's header function: keeps the date. */
static size_t
on_header(char *bytes, size_t size, size_t n, void *data)
{
    transfer_t *transfer = data;
    size_t len = size * n;
    char text[64];

    if (len > 5 && len < sizeof(text) && strncasecmp(bytes, "date:", 5) == 0) {
        memcpy(text, bytes + 5, len - 5);
        text[len - 5] = '\0';
        transfer->date = curl_getdate(text, NULL);
    }

    return len;
}


static void
set_options(const convo_dynamodb_t *self, transfer_t *transfer)
{
    CURL *easy = transfer->easy;

    curl_easy_setopt(easy, CURLOPT_URL, self->config->endpoint);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->request);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t) strlen(transfer->request));
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long) self->config->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long) CURL_HTTP_VERSION_1_1);

    /* an environment's proxy is not asked for by anybody here */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
}


/* 0, or -1 when it cannot be sent. */
static int
begin_transfer(convo_dynamodb_t *self, transfer_t *transfer,
               convo_dynamodb_call_t *call, const convo_aws_key_t *key)
{
    memset(transfer, 0, sizeof(*transfer));
    transfer->call = call;
    transfer->code = CURLE_OPERATION_TIMEDOUT;
    transfer->request = json_dumps(call->request, JSON_COMPACT);
    transfer->easy = curl_easy_init();

    if (transfer->easy == NULL || transfer->request == NULL) {
        out_of_memory();
    }

    if (sign(self, transfer, key) != 0) {
        return -1;
    }

    set_options(self, transfer);

    if (curl_multi_add_handle(self->multi, transfer->easy) != CURLM_OK) {
        out_of_memory();
    }

    return 0;
}


static void
end_transfer(convo_dynamodb_t *self, transfer_t *transfer)
{
    curl_multi_remove_handle(self->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    free(transfer->request);
    free(transfer->answer);
}


/* --- a wave --- */

static void
take_results(convo_dynamodb_t *self)
{
    CURLMsg *message;
    transfer_t *transfer;
    int left;

    while ((message = curl_multi_info_read(self->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE,
                          &transfer->status);
        transfer->code = message->data.result;
    }
}


/* Until all have ended; each does so by its timeout at the latest. */
static void
perform(convo_dynamodb_t *self)
{
    int running = 1;

    while (running > 0) {
        if (curl_multi_perform(self->multi, &running) != CURLM_OK) {
            break;
        }
        take_results(self);
        if (running > 0) {
            curl_multi_poll(self->multi, NULL, 0, POLL_MS, NULL);
        }
    }
}


/* A call that got no answer.  1: it is to be tried again, else 0. */
static int
judge_connection(convo_dynamodb_t *self, const transfer_t *transfer)
{
    if (transfer->code == CURLE_WRITE_ERROR) {
        convo_dynamodb_set_why(self, "answer of more than %d bytes",
                               ANSWER_MAX);
        return 0;
    }

    convo_dynamodb_set_why(self, "%.180s",
                           transfer->error[0] != '\0'
                               ? transfer->error
                               : curl_easy_strerror(transfer->code));

    return self->reconnect && transfer->code != CURLE_OPERATION_TIMEDOUT;
}


/* What an error means for the caller and for us.  1: it is tried again. */
static int
judge_error(convo_dynamodb_t *self, transfer_t *transfer)
{
    convo_dynamodb_error_t error;
    time_t off_s = 0;

    convo_dynamodb_error_read(&error, transfer->status, transfer->answer,
                              transfer->len);
    transfer->call->result = error.result;

    if (transfer->date > 0) {
        off_s = time(NULL) - transfer->date;
    }

    if (error.is_signature && (off_s > SKEW_S || off_s < -SKEW_S)) {
        convo_dynamodb_set_why(self, "%s: this machine's clock is %lld s %s",
                               error.name,
                               (long long) (off_s > 0 ? off_s : -off_s),
                               off_s > 0 ? "ahead" : "behind");
        return 0;
    }

    convo_dynamodb_set_why(self, "%s: status %ld %s%s%s",
                           transfer->call->operation, transfer->status,
                           error.name, error.hint[0] != '\0' ? ": " : "",
                           error.hint);

    if (error.is_key && self->refused == 0) {
        self->refused = 1;
        convo_aws_credentials_refused(self->credentials);
    }

    return error.is_passing || (error.is_key && self->refused == 1);
}


/* Sets the result of a call.  1: it is to be tried again, else 0. */
static int
judge(convo_dynamodb_t *self, transfer_t *transfer)
{
    convo_dynamodb_call_t *call = transfer->call;

    call->result = CONVO_DYNAMODB_FAILED;

    if (transfer->code != CURLE_OK) {
        return judge_connection(self, transfer);
    }

    if (transfer->status != 200) {
        return judge_error(self, transfer);
    }

    if (transfer->len > 0) {
        call->answer = convo_json_load_object(transfer->answer, transfer->len,
                                              &limits);
    }

    if (call->answer == NULL) {
        convo_dynamodb_set_why(self, "%s: an answer that is not DynamoDB's",
                               call->operation);
        return 0;
    }

    call->result = CONVO_DYNAMODB_OK;

    return 0;
}


/* Makes n calls at once; those to be tried again are put at the beginning of
 * calls.  Returns how many, or -1 when none could be made. */
static int
run_wave(convo_dynamodb_t *self, convo_dynamodb_call_t **calls, size_t n)
{
    const convo_aws_key_t *key;
    size_t begun = 0;
    int again = 0;

    key = convo_aws_credentials_key(self->credentials);
    if (key == NULL) {
        convo_dynamodb_set_why(self, "no credentials for AWS: %s",
                               convo_aws_credentials_why(self->credentials));
        return -1;
    }

    while (begun < n
           && begin_transfer(self, &self->transfers[begun], calls[begun], key)
                  == 0)
    {
        begun++;
    }

    if (begun == n) {
        perform(self);
    }

    for (size_t i = 0; i < n && i <= begun; i++) {
        if (begun == n && judge(self, &self->transfers[i])) {
            calls[again++] = calls[i];
        }
        end_transfer(self, &self->transfers[i]);
    }

    return begun == n ? again : -1;
}


/* The calls of one wave, again and again: 0 when each has its answer. */
static int
run_until_done(convo_dynamodb_t *self, convo_dynamodb_call_t *calls, size_t n)
{
    convo_dynamodb_call_t *left[CONVO_DYNAMODB_CONNECTIONS];
    int again;

    for (size_t i = 0; i < n; i++) {
        left[i] = &calls[i];
    }

    again = run_wave(self, left, n);

    while (again > 0 && convo_dynamodb_pause(self) == 0) {
        self->reconnect = 0;
        self->refused = self->refused > 0 ? 2 : 0;
        again = run_wave(self, left, (size_t) again);
    }

    return again == 0 ? 0 : -1;
}


int
convo_dynamodb_run(convo_dynamodb_t *self, convo_dynamodb_call_t *calls,
                   size_t n)
{
    int result = 0;

    for (size_t i = 0; i < n; i++) {
        calls[i].result = CONVO_DYNAMODB_FAILED;
        calls[i].answer = NULL;
    }

    for (size_t i = 0; i < n; i += CONVO_DYNAMODB_CONNECTIONS) {
        size_t wave = n - i < CONVO_DYNAMODB_CONNECTIONS
                          ? n - i
                          : CONVO_DYNAMODB_CONNECTIONS;

        if (convo_stopping()) {
            convo_dynamodb_set_why(self, "the worker is to stop");
            return -1;
        }
        if (run_until_done(self, calls + i, wave) != 0) {
            return -1;
        }
    }

    for (size_t i = 0; i < n; i++) {
        if (calls[i].result != CONVO_DYNAMODB_OK
            && calls[i].result != CONVO_DYNAMODB_CONDITION)
        {
            result = -1;
        }
    }

    return result;
}


void
convo_dynamodb_release(convo_dynamodb_call_t *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_decref(calls[i].request);
        json_decref(calls[i].answer);
        calls[i].request = NULL;
        calls[i].answer = NULL;
    }
}
