/*
 * The endpoints that hand out AWS credentials; see aws_endpoint.h.
 */

#include "aws_endpoint.h"
#include "log.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENDPOINT_TIMEOUT_MS 2000L
#define CONNECT_TIMEOUT_MS  1000L

/* A Kubernetes token has 1 to 2 kB, that of the metadata service 56 bytes. */
#define TOKEN_MAX 8192
#define URL_MAX   2048
#define ROLE_MAX  64 /* IAM's own limit */
#define HOST_MAX  256

#define CONTAINER "http://169.254.170.2"
#define INSTANCE  "http://169.254.169.254"
#define METADATA  "/latest/meta-data/iam/security-credentials/"

/* An answer, NUL terminated. */
typedef struct {
    char text[CONVO_AWS_ANSWER_MAX + 1];
    size_t len;
} answer_t;


static void
out_of_memory(void)
{
    convo_log(CONVO_LOG_ERROR, "aws", "out of memory");
    abort();
}


/* Says why, after the name of the source. */
static convo_aws_found_e
failed(convo_aws_source_t *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static convo_aws_found_e
failed(convo_aws_source_t *source, const char *format, ...)
{
    int len = snprintf(source->why, sizeof(source->why), "%s: ",
                       source->from);
    va_list args;

    va_start(args, format);
    vsnprintf(source->why + len, sizeof(source->why) - (size_t) len, format,
              args);
    va_end(args);

    return CONVO_AWS_FAILED;
}


/* --- one request --- */

/* libcurl's write function: keeps what comes, up to the limit. */
static size_t
on_answer(char *bytes, size_t size, size_t n, void *data)
{
    answer_t *answer = data;
    size_t len = size * n;

    if (len > CONVO_AWS_ANSWER_MAX - answer->len) {
        return 0;
    }

    memcpy(answer->text + answer->len, bytes, len);
    answer->len += len;
    answer->text[answer->len] = '\0';

    return len;
}


static void
set_options(CURL *easy, const char *method, const char *url, answer_t *answer,
            char *error)
{
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ENDPOINT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     (long) CURL_HTTP_VERSION_1_1);

    /* what is near is asked itself */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
}


/* Sends a request with one header, or with none (""): 0 with the answer of a
 * 200, or -1 with the reason in the source. */
static int
ask(const char *method, const char *url, const char *header, answer_t *answer,
    convo_aws_source_t *source)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: */*");
    char error[CURL_ERROR_SIZE] = "";
    CURL *easy = curl_easy_init();
    CURLcode code;
    long status = 0;

    if (easy == NULL || headers == NULL
        || (header[0] != '\0' && curl_slist_append(headers, header) == NULL))
    {
        out_of_memory();
    }

    answer->len = 0;
    answer->text[0] = '\0';

    set_options(easy, method, url, answer, error);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);

    code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);

    if (code == CURLE_WRITE_ERROR) {
        failed(source, "an answer of more than %d bytes",
               CONVO_AWS_ANSWER_MAX);
    } else if (code != CURLE_OK) {
        failed(source, "%.200s",
               error[0] != '\0' ? error : curl_easy_strerror(code));
    } else if (status != 200) {
        failed(source, "status %ld", status);
    } else {
        return 0;
    }

    return -1;
}


/* The key in the answer to a last request. */
static convo_aws_found_e
ask_for_key(convo_aws_key_t *key, const char *url, const char *header,
            convo_aws_source_t *source)
{
    answer_t answer;
    convo_aws_key_e error;

    if (ask("GET", url, header, &answer, source) != 0) {
        return CONVO_AWS_FAILED;
    }

    error = convo_aws_key_from_answer(key, answer.text, answer.len);
    explicit_bzero(&answer, sizeof(answer));

    return error == CONVO_AWS_KEY_OK
               ? CONVO_AWS_FOUND
               : failed(source, "its answer %s", convo_aws_key_error(error));
}


/* --- the container --- */

/* Whether a host without TLS is this machine, or one that AWS put there. */
static int
is_near(const char *host)
{
    static const char *const near[]
        = { "localhost", "169.254.170.2", "169.254.170.23",
            "[fd00:ec2::23]", "[::1]" };
    struct in_addr address;

    for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++) {
        if (strcasecmp(host, near[i]) == 0) {
            return 1;
        }
    }

    return inet_pton(AF_INET, host, &address) == 1
           && ntohl(address.s_addr) >> 24 == 127;
}


/* Whether the URL may be asked; names its host in the source. */
static int
is_allowed(const char *url, convo_aws_source_t *source)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL;
    int allowed = 0;

    if (parts == NULL) {
        out_of_memory();
    }

    if (curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK
        || curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK
        || curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK)
    {
        failed(source, "expected a URL");

    } else {
        snprintf(source->from, sizeof(source->from),
                 "the container's endpoint at %.*s", HOST_MAX, host);
        allowed = strcmp(scheme, "https") == 0
                  || (strcmp(scheme, "http") == 0 && is_near(host));
        if (!allowed) {
            failed(source, "expected https, or a host that is this machine "
                           "or ECS's or EKS's");
        }
    }

    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);

    return allowed;
}


/* The first TOKEN_MAX + 1 bytes of a file: 0, or -1 with errno. */
static int
read_token(const char *path, char *token)
{
    FILE *file = fopen(path, "re");
    size_t len;
    int error;

    if (file == NULL) {
        return -1;
    }

    len = fread(token, 1, TOKEN_MAX + 1, file);
    error = ferror(file);
    token[len] = '\0';
    fclose(file);

    return error ? -1 : 0;
}


/* Makes the header that the container's endpoint wants, or "": 0, or -1. */
static int
make_authorization(char *header, size_t size, convo_aws_source_t *source)
{
    const char *path = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    char text[TOKEN_MAX + 2];
    int result = 0;

    header[0] = '\0';

    if (path != NULL && path[0] != '\0') {
        if (read_token(path, text) != 0) {
            failed(source, "the file of its token: %s", strerror(errno));
            return -1;
        }
        token = text;
    }

    if (token != NULL && token[0] != '\0') {
        if (strlen(token) > TOKEN_MAX || strpbrk(token, "\r\n") != NULL) {
            failed(source, "its token is too long, or of several lines");
            result = -1;
        } else {
            snprintf(header, size, "Authorization: %s", token);
        }
    }

    explicit_bzero(text, sizeof(text));

    return result;
}


convo_aws_found_e
convo_aws_container(convo_aws_key_t *key, convo_aws_source_t *source)
{
    const char *relative = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    char url[URL_MAX], header[TOKEN_MAX + 32];
    convo_aws_found_e found;
    int len;

    if (relative != NULL && relative[0] != '\0') {
        len = snprintf(url, sizeof(url), CONTAINER "%s%s",
                       relative[0] == '/' ? "" : "/", relative);
    } else if (full != NULL && full[0] != '\0') {
        len = snprintf(url, sizeof(url), "%s", full);
    } else {
        return CONVO_AWS_ABSENT;
    }

    snprintf(source->from, sizeof(source->from), "the container's endpoint");

    if (len >= (int) sizeof(url)) {
        return failed(source, "expected a shorter URL");
    }

    if (!is_allowed(url, source)
        || make_authorization(header, sizeof(header), source) != 0)
    {
        return CONVO_AWS_FAILED;
    }

    found = ask_for_key(key, url, header, source);
    explicit_bzero(header, sizeof(header));

    return found;
}


/* --- the instance --- */

static int
is_disabled(void)
{
    const char *value = getenv("AWS_EC2_METADATA_DISABLED");

    return value != NULL && strcasecmp(value, "true") == 0;
}


/* Takes the blanks and ends of lines off the end, and refuses others: 0, or
 * -1 when nothing is left, or more than max bytes. */
static int
clean_line(answer_t *answer, size_t max)
{
    while (answer->len > 0
           && strchr(" \r\n", answer->text[answer->len - 1]) != NULL)
    {
        answer->text[--answer->len] = '\0';
    }

    for (size_t i = 0; i < answer->len; i++) {
        if (answer->text[i] <= ' ' || answer->text[i] >= 0x7f) {
            return -1;
        }
    }

    return answer->len > 0 && answer->len <= max ? 0 : -1;
}


/* A token of the service as the header of the other requests: 0, or -1. */
static int
take_session(const char *base, char *header, size_t size,
             convo_aws_source_t *source)
{
    char url[URL_MAX + 64];
    answer_t answer;
    int result;

    snprintf(url, sizeof(url), "%s/latest/api/token", base);

    if (ask("PUT", url, "X-aws-ec2-metadata-token-ttl-seconds: 60", &answer,
            source)
        != 0)
    {
        return -1;
    }

    result = clean_line(&answer, TOKEN_MAX);
    if (result != 0) {
        failed(source, "its token is no token");
    } else {
        snprintf(header, size, "X-aws-ec2-metadata-token: %.*s", TOKEN_MAX,
                 answer.text);
    }

    explicit_bzero(&answer, sizeof(answer));

    return result;
}


static convo_aws_found_e
ask_instance(convo_aws_key_t *key, const char *base, const char *header,
             convo_aws_source_t *source)
{
    char url[URL_MAX + 64 + ROLE_MAX];
    answer_t answer;

    snprintf(url, sizeof(url), "%s" METADATA, base);

    if (ask("GET", url, header, &answer, source) != 0) {
        return CONVO_AWS_FAILED;
    }

    if (clean_line(&answer, ROLE_MAX) != 0
        || strpbrk(answer.text, "/?#%") != NULL)
    {
        return failed(source, "it names no role");
    }

    snprintf(source->from, sizeof(source->from), "the instance's role %.*s",
             ROLE_MAX, answer.text);
    snprintf(url, sizeof(url), "%s" METADATA "%.*s", base, ROLE_MAX,
             answer.text);

    return ask_for_key(key, url, header, source);
}


convo_aws_found_e
convo_aws_instance(convo_aws_key_t *key, convo_aws_source_t *source)
{
    const char *endpoint = getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    char base[URL_MAX], header[TOKEN_MAX + 32];
    convo_aws_found_e found = CONVO_AWS_FAILED;
    size_t len;

    if (is_disabled()) {
        return CONVO_AWS_ABSENT;
    }

    snprintf(source->from, sizeof(source->from),
             "the instance's metadata service");

    if (endpoint == NULL || endpoint[0] == '\0') {
        endpoint = INSTANCE;
    }
    if (strlen(endpoint) >= sizeof(base)) {
        return failed(source, "expected a shorter URL");
    }

    strcpy(base, endpoint);
    for (len = strlen(base); len > 0 && base[len - 1] == '/'; len--) {
        base[len - 1] = '\0';
    }

    if (take_session(base, header, sizeof(header), source) == 0) {
        found = ask_instance(key, base, header, source);
    }
    explicit_bzero(header, sizeof(header));

    return found;
}
