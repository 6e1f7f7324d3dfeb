/*
 * Inputs of the fuzz targets; see input.h.
 */

#include "input.h"

#include <stdio.h>
#include <string.h>


/* Takes len bytes off the input and drops as many more. */
static input_text_t
take(input_t *input, size_t len, size_t drop)
{
    input_text_t text = { malloc(len > 0 ? len : 1), len };

    MUST(text.data != NULL);

    if (len > 0) {
        memcpy(text.data, input->data, len);
    }

    input->data += len + drop;
    input->len -= len + drop;

    return text;
}


input_text_t
input_line(input_t *input)
{
    const uint8_t *end = NULL;

    if (input->len > 0) {
        end = memchr(input->data, '\n', input->len);
    }

    return end != NULL ? take(input, (size_t) (end - input->data), 1)
                       : take(input, input->len, 0);
}


input_text_t
input_rest(input_t *input)
{
    return take(input, input->len, 0);
}


static redisReply *
new_reply(int type, const char *text, size_t len)
{
    redisReply *reply = calloc(1, sizeof(*reply));

    MUST(reply != NULL);
    reply->type = type;

    if (type == REDIS_REPLY_STRING || type == REDIS_REPLY_ERROR) {
        /* a NUL follows, as hiredis does it */
        reply->str = calloc(1, len + 1);
        MUST(reply->str != NULL);
        memcpy(reply->str, text, len);
        reply->len = len;
    }

    return reply;
}


static redisReply *
new_integer(const char *digits, size_t len)
{
    redisReply *reply = new_reply(REDIS_REPLY_INTEGER, NULL, 0);
    char text[24];

    snprintf(text, sizeof(text), "%.*s", (int) len, digits);
    reply->integer = strtoll(text, NULL, 10);

    return reply;
}


static redisReply *
new_element(const input_text_t *line)
{
    switch (line->len > 0 ? line->data[0] : '\0') {
    case ':':
        return new_integer(line->data + 1, line->len - 1);
    case '-':
        return new_reply(REDIS_REPLY_NIL, NULL, 0);
    case '*':
        return new_reply(REDIS_REPLY_ARRAY, NULL, 0);
    case '!':
        return new_reply(REDIS_REPLY_ERROR, line->data + 1, line->len - 1);
    case '~':
        return NULL;
    default:
        return new_reply(REDIS_REPLY_STRING, line->data, line->len);
    }
}


redisReply *
input_reply(input_t *input)
{
    redisReply *reply = new_reply(REDIS_REPLY_ARRAY, NULL, 0);

    /* no line has less than its LF, or is the last */
    reply->element = calloc(input->len + 1, sizeof(*reply->element));
    MUST(reply->element != NULL);

    while (input->len > 0) {
        input_text_t line = input_line(input);

        reply->element[reply->elements++] = new_element(&line);
        free(line.data);
    }

    return reply;
}


void
input_broken(const char *condition)
{
    fprintf(stderr, "fuzz: does not hold: %s\n", condition);
    abort();
}
