/*
 * Signs what a test gives it: a request in JSON on each line of its input, a
 * signature in JSON on each line of its output.
 *
 *   {"method", "host", "path", "query", "headers": [[name, value], ...],
 *    "body", "region", "service", "time": epoch seconds,
 *    "key": {"id", "secret", "session"}}
 *   {"date", "authorization"}
 *
 * What cannot be read, or is not signed, ends it with status 1.
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convo_sigv4.h"


static void
must(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "sign: %s\n", what);
        exit(EXIT_FAILURE);
    }
}


static const char *
text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));

    must(value != NULL, name);

    return value;
}


static void
read_key(const json_t *object, convo_aws_key_t *key)
{
    memset(key, 0, sizeof(*key));

    snprintf(key->id, sizeof(key->id), "%s", text(object, "id"));
    snprintf(key->secret, sizeof(key->secret), "%s", text(object, "secret"));
    snprintf(key->session, sizeof(key->session), "%s",
             text(object, "session"));
}


static void
sign(const json_t *object)
{
    convo_sigv4_header_t headers[CONVO_SIGV4_HEADERS_MAX];
    char payload[CONVO_SIGV4_HASH_LEN + 1];
    const json_t *list = json_object_get(object, "headers");
    const json_t *body = json_object_get(object, "body");
    convo_sigv4_request_t request = {
        .method = text(object, "method"),
        .host = text(object, "host"),
        .path = text(object, "path"),
        .query = text(object, "query"),
        .headers = headers,
        .nheaders = json_array_size(list),
        .payload = payload,
        .region = text(object, "region"),
        .service = text(object, "service"),
        .now_s = json_integer_value(json_object_get(object, "time")),
    };
    convo_sigv4_t signature;
    convo_aws_key_t key;
    json_t *answer;

    must(request.nheaders <= CONVO_SIGV4_HEADERS_MAX, "too many headers");

    for (size_t i = 0; i < request.nheaders; i++) {
        const json_t *header = json_array_get(list, i);

        headers[i].name = json_string_value(json_array_get(header, 0));
        headers[i].value = json_string_value(json_array_get(header, 1));
    }

    must(convo_sigv4_hash(payload, json_string_value(body),
                          json_string_length(body))
             == 0,
         "no hash");
    read_key(json_object_get(object, "key"), &key);
    must(convo_sigv4_sign(&signature, &request, &key) == CONVO_SIGV4_OK,
         "not signed");

    answer = json_pack("{s:s, s:s}", "date", signature.date, "authorization",
                       signature.authorization);
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(answer);
}


int
main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, stdin)) > 0) {
        json_t *object = json_loadb(line, (size_t) len, JSON_ALLOW_NUL, NULL);

        must(object != NULL, "a line that is no JSON");
        sign(object);
        json_decref(object);
    }

    free(line);

    return EXIT_SUCCESS;
}
