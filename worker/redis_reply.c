/*
 * What Redis replies: reading any reply, and the questions that several jobs
 * ask; see redis.h.
 *
 * A reply is never trusted to be of the type that was expected.
 */

#include "redis.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Failures that a job has told of, and for how long they are not repeated. */
#define TOLD_MAX     16
#define TOLD_LEN     256
#define TELL_AGAIN_S 10

typedef struct {
    char text[TOLD_LEN];
    int64_t at_s; /* monotonic */
} told_t;


/* --- what several jobs ask --- */

int64_t
convo_redis_now(convo_redis_t *redis)
{
    convo_redis_begin(redis);
    convo_redis_command(redis, "TIME");

    return convo_redis_run(redis) == 0
               ? convo_reply_time(convo_redis_reply(redis, 0))
               : -1;
}


int
convo_redis_run_id(convo_redis_t *redis, char id[CONVO_RUN_ID_MAX + 1])
{
    static const char name[] = "run_id:";
    const redisReply *reply;
    const char *line;
    size_t len;

    convo_redis_begin(redis);
    convo_redis_command(redis, "INFO");
    convo_redis_str(redis, "server");

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    reply = convo_redis_reply(redis, 0);
    line = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, name) : NULL;

    if (line == NULL) {
        convo_log(CONVO_LOG_ERROR, convo_redis_who(redis),
                  "Redis tells no run_id");
        return -1;
    }

    line += strlen(name);
    len = strspn(line, "0123456789abcdefABCDEF");
    if (len > CONVO_RUN_ID_MAX) {
        len = CONVO_RUN_ID_MAX;
    }

    memcpy(id, line, len);
    id[len] = '\0';

    return 0;
}


/* --- reading replies --- */

int64_t
convo_reply_time(const redisReply *reply)
{
    int64_t s, us;

    if (!convo_reply_is_array(reply, 2)) {
        return -1;
    }

    s = convo_reply_int(reply->element[0]);
    us = convo_reply_int(reply->element[1]);

    return s < 0 || us < 0 ? -1 : s * 1000 + us / 1000;
}


int
convo_reply_is(const redisReply *reply, const char *text)
{
    return (reply->type == REDIS_REPLY_STRING
            || reply->type == REDIS_REPLY_STATUS)
           && reply->len == strlen(text)
           && memcmp(reply->str, text, reply->len) == 0;
}


int
convo_reply_is_array(const redisReply *reply, size_t n)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements >= n;
}


int64_t
convo_reply_int(const redisReply *reply)
{
    char *end;
    long long number;

    if (reply->type == REDIS_REPLY_INTEGER) {
        return reply->integer;
    }

    if (reply->type != REDIS_REPLY_STRING || reply->len == 0
        || reply->len > 18 || reply->str[0] < '0' || reply->str[0] > '9')
    {
        return -1;
    }

    number = strtoll(reply->str, &end, 10);

    return end == reply->str + reply->len ? number : -1;
}


int
convo_reply_is_damaged(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_ERROR
           && strncmp(reply->str, "DAMAGED ", 8) == 0;
}


/* A job that cannot go on asks several times a second: the same failure is
 * told again only after a while.  1 when it was told lately. */
static int
told_lately(const char *text)
{
    static _Thread_local told_t told[TOLD_MAX];
    told_t *oldest = &told[0];
    struct timespec clock;
    int64_t now;

    clock_gettime(CLOCK_MONOTONIC, &clock);
    now = (int64_t) clock.tv_sec;

    for (size_t i = 0; i < TOLD_MAX; i++) {
        if (strcmp(told[i].text, text) == 0
            && now - told[i].at_s < TELL_AGAIN_S)
        {
            return 1;
        }
        if (told[i].at_s < oldest->at_s) {
            oldest = &told[i];
        }
    }

    strcpy(oldest->text, text);
    oldest->at_s = now;

    return 0;
}


int
convo_reply_failed(const redisReply *reply, const char *who, const char *what)
{
    char text[TOLD_LEN];

    if (reply->type != REDIS_REPLY_ERROR) {
        return 0;
    }

    snprintf(text, sizeof(text), "%s: %s", what, reply->str);

    if (!told_lately(text)) {
        convo_log(CONVO_LOG_ERROR, who, "%s", text);
    }

    return 1;
}
