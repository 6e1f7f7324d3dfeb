/*
 * A job's connection to Redis and its calls; see redis.h.  What the replies say
 * is read in redis_reply.c.
 *
 * The arguments of all calls lie one after the other in one buffer that
 * grows; a call is a row of them.  They are kept until the next begin, as a
 * script may have to be sent again with its text.
 */

#include "redis.h"
#include "backoff.h"
#include "convo_keys.h"
#include "log.h"
#include "stop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before a script's keys: EVALSHA, the hash or the text, how many keys. */
#define SCRIPT_HEAD 3

/* A script's keys are counted when the call ends; the most digits of that. */
#define COUNT_MAX 12

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LIMIT_MS 3000

typedef struct {
    size_t start; /* in the buffer */
    size_t len;
} piece_t;

typedef struct {
    size_t first;                 /* index of its first piece */
    size_t count;                 /* how many pieces */
    const convo_script_t *script; /* NULL: a command */
    int nkeys;
    redisReply *reply;
} call_t;

struct convo_redis {
    const convo_config_t *config;
    const char *who;
    redisContext *context; /* NULL: not connected */
    convo_backoff_t backoff;
    unsigned long connects;
    int failed; /* the last try; the next one waits before it */
    int told;   /* that it is down: once, not at every try */

    char *buffer;
    size_t used, room;
    piece_t *pieces;
    size_t npieces, pieces_room;
    call_t *calls;
    size_t ncalls, calls_room;
};


/* At least n elements of size bytes: without memory the process ends, as
 * kill -9 would end it. */
static void *
grow(void *memory, size_t *room, size_t n, size_t size)
{
    if (n <= *room) {
        return memory;
    }

    *room = n * 2 > 64 ? n * 2 : 64;
    memory = realloc(memory, *room * size);
    if (memory == NULL) {
        convo_log(CONVO_LOG_ERROR, "redis", "out of memory");
        abort();
    }

    return memory;
}


convo_redis_t *
convo_redis_new(const convo_config_t *config, const char *who)
{
    convo_redis_t *redis;
    size_t room = 0;

    redis = grow(NULL, &room, 1, sizeof(*redis));
    memset(redis, 0, sizeof(*redis));

    redis->config = config;
    redis->who = who;
    redis->backoff.first_ms = BACKOFF_FIRST_MS;
    redis->backoff.limit_ms = BACKOFF_LIMIT_MS;

    return redis;
}


static void
close_connection(convo_redis_t *redis)
{
    if (redis->context != NULL) {
        redisFree(redis->context);
        redis->context = NULL;
    }
}


void
convo_redis_free(convo_redis_t *redis)
{
    convo_redis_begin(redis);
    close_connection(redis);

    free(redis->buffer);
    free(redis->pieces);
    free(redis->calls);
    free(redis);
}


/* --- calls --- */

void
convo_redis_begin(convo_redis_t *redis)
{
    for (size_t i = 0; i < redis->ncalls; i++) {
        if (redis->calls[i].reply != NULL) {
            freeReplyObject(redis->calls[i].reply);
        }
    }

    redis->used = 0;
    redis->npieces = 0;
    redis->ncalls = 0;
}


static call_t *
begin_call(convo_redis_t *redis, const convo_script_t *script)
{
    call_t *call;

    redis->calls = grow(redis->calls, &redis->calls_room, redis->ncalls + 1,
                        sizeof(call_t));
    call = &redis->calls[redis->ncalls++];

    memset(call, 0, sizeof(*call));
    call->first = redis->npieces;
    call->script = script;

    return call;
}


void
convo_redis_command(convo_redis_t *redis, const char *name)
{
    begin_call(redis, NULL);
    convo_redis_str(redis, name);
}


void
convo_redis_script(convo_redis_t *redis, convo_script_e script)
{
    begin_call(redis, &convo_scripts[script]);

    /* the three of SCRIPT_HEAD; they are set when the call is sent */
    convo_redis_str(redis, "EVALSHA");
    convo_redis_str(redis, convo_scripts[script].sha1);
    convo_redis_str(redis, "");
}


void
convo_redis_arg(convo_redis_t *redis, const char *bytes, size_t len)
{
    redis->buffer = grow(redis->buffer, &redis->room, redis->used + len + 1, 1);
    redis->pieces = grow(redis->pieces, &redis->pieces_room,
                         redis->npieces + 1, sizeof(piece_t));

    redis->pieces[redis->npieces].start = redis->used;
    redis->pieces[redis->npieces].len = len;
    redis->npieces++;

    if (len > 0) {
        memcpy(redis->buffer + redis->used, bytes, len);
        redis->used += len;
    }

    redis->calls[redis->ncalls - 1].count++;
}


void
convo_redis_str(convo_redis_t *redis, const char *text)
{
    convo_redis_arg(redis, text, strlen(text));
}


void
convo_redis_int(convo_redis_t *redis, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRId64, number);

    convo_redis_arg(redis, text, (size_t) len);
}


void
convo_redis_key(convo_redis_t *redis, const convo_pool_t *pool,
                const char *kind, const char *id, size_t id_len)
{
    convo_key_t key;

    if (convo_key(&key, pool->name, pool->len, kind, id, id_len) != 0) {
        convo_log(CONVO_LOG_ERROR, redis->who, "no key of kind %s can be made",
                  kind);
        abort();
    }

    convo_redis_arg(redis, key.name, key.len);
    redis->calls[redis->ncalls - 1].nkeys++;
}


size_t
convo_redis_calls(const convo_redis_t *redis)
{
    return redis->ncalls;
}


/* A call that does not fit its script is a fault of this program. */
static void
check_arity(const convo_redis_t *redis, const call_t *call)
{
    const convo_script_t *script = call->script;
    int nargs = (int) call->count - SCRIPT_HEAD - call->nkeys;

    if ((script->nkeys >= 0 && script->nkeys != call->nkeys)
        || (script->nargs >= 0 && script->nargs != nargs))
    {
        convo_log(CONVO_LOG_ERROR, redis->who,
                  "script %s called with %d keys and %d arguments",
                  script->name, call->nkeys, nargs);
        abort();
    }
}


static void
append(convo_redis_t *redis, const call_t *call, int whole)
{
    size_t argc = call->count;
    const char **argv = calloc(argc, sizeof(*argv));
    size_t *lens = calloc(argc, sizeof(*lens));
    char count[COUNT_MAX];

    if (argv == NULL || lens == NULL) {
        convo_log(CONVO_LOG_ERROR, redis->who, "out of memory");
        abort();
    }

    for (size_t i = 0; i < argc; i++) {
        const piece_t *piece = &redis->pieces[call->first + i];

        argv[i] = redis->buffer + piece->start;
        lens[i] = piece->len;
    }

    if (call->script != NULL) {
        check_arity(redis, call);
        if (whole) {
            argv[0] = "EVAL";
            lens[0] = strlen("EVAL");
            argv[1] = call->script->body;
            lens[1] = call->script->len;
        }
        argv[2] = count;
        lens[2] = (size_t) snprintf(count, sizeof(count), "%d", call->nkeys);
    }

    /* fails for want of memory only, and then the run does */
    if (redisAppendCommandArgv(redis->context, (int) argc, argv, lens)
        != REDIS_OK)
    {
        redis->context->err = REDIS_ERR_OTHER;
    }

    free(argv);
    free(lens);
}


/* --- connecting --- */

static struct timeval
timeval_of(int64_t ms)
{
    struct timeval tv = { .tv_sec = ms / 1000,
                          .tv_usec = (suseconds_t) (ms % 1000) * 1000 };

    return tv;
}


static const char *
errno_text(const redisContext *context)
{
    return context->err == REDIS_ERR_IO && errno == EAGAIN
               ? "no answer in time"
               : context->errstr;
}


static void
tell_down(convo_redis_t *redis, const char *why)
{
    convo_log(redis->told ? CONVO_LOG_DEBUG : CONVO_LOG_WARN, "redis",
              "%s: %s", redis->who, why);
    redis->told = 1;
}


static redisContext *
dial(const convo_config_t *config)
{
    const convo_redis_url_t *url = &config->redis;
    struct timeval timeout = timeval_of(config->redis_timeout_ms);

    if (url->path[0] != '\0') {
        return redisConnectUnixWithTimeout(url->path, timeout);
    }

    return redisConnectWithTimeout(url->host, (int) url->port, timeout);
}


/* One command that must be answered with OK. */
static int
greet(convo_redis_t *redis, int argc, const char **argv)
{
    redisReply *reply;
    int good;

    reply = redisCommandArgv(redis->context, argc, argv, NULL);
    if (reply == NULL) {
        tell_down(redis, errno_text(redis->context));
        return -1;
    }

    good = convo_reply_is(reply, "OK");
    if (!good) {
        tell_down(redis, reply->type == REDIS_REPLY_ERROR ? reply->str
                                                          : "strange answer");
    }

    freeReplyObject(reply);

    return good ? 0 : -1;
}


static int
sign_in(convo_redis_t *redis)
{
    const convo_redis_url_t *url = &redis->config->redis;
    char db[COUNT_MAX];
    const char *auth[] = { "AUTH", url->user, url->password };
    const char *auth_default[] = { "AUTH", url->password };
    const char *select[] = { "SELECT", db };

    if (url->password[0] != '\0') {
        if (url->user[0] != '\0' ? greet(redis, 3, auth) != 0
                                 : greet(redis, 2, auth_default) != 0)
        {
            return -1;
        }
    }

    if (url->db != 0) {
        snprintf(db, sizeof(db), "%u", url->db);
        return greet(redis, 2, select);
    }

    return 0;
}


static int
open_connection(convo_redis_t *redis)
{
    redis->context = dial(redis->config);

    if (redis->context == NULL || redis->context->err != 0) {
        tell_down(redis, redis->context == NULL ? "out of memory"
                                                : redis->context->errstr);
        return -1;
    }

    if (redisSetTimeout(redis->context,
                        timeval_of(redis->config->redis_timeout_ms))
        != REDIS_OK)
    {
        tell_down(redis, redis->context->errstr);
        return -1;
    }

    return sign_in(redis);
}


int
convo_redis_ready(convo_redis_t *redis)
{
    if (redis->context != NULL) {
        return 0;
    }

    if (redis->failed && convo_stop_wait(convo_backoff_next(&redis->backoff)))
    {
        return -1;
    }

    if (open_connection(redis) != 0) {
        close_connection(redis);
        redis->failed = 1;
        return -1;
    }

    redis->connects++;

    return 0;
}


const char *
convo_redis_who(const convo_redis_t *redis)
{
    return redis->who;
}


unsigned long
convo_redis_connects(const convo_redis_t *redis)
{
    return redis->connects;
}


/* --- running --- */

/* Redis is there but cannot serve: the same to us as if it were not. */
static int
cannot_serve(const redisReply *reply)
{
    static const char *const errors[] = {
        "LOADING",     "READONLY", "MASTERDOWN", "MISCONF",   "OOM",
        "NOAUTH",      "NOPERM",   "BUSY ",      "TRYAGAIN",  "NOREPLICAS",
        "CLUSTERDOWN", "MOVED",    "ASK ",       "UNBLOCKED",
    };

    if (reply->type != REDIS_REPLY_ERROR) {
        return 0;
    }

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strncmp(reply->str, errors[i], strlen(errors[i])) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
is_noscript(const call_t *call)
{
    return call->script != NULL && call->reply != NULL
           && call->reply->type == REDIS_REPLY_ERROR
           && strncmp(call->reply->str, "NOSCRIPT", 8) == 0;
}


/* The answer of a call into call->reply: 0, or -1 with the reason told. */
static int
read_reply(convo_redis_t *redis, call_t *call)
{
    void *reply = NULL;

    if (call->reply != NULL) {
        freeReplyObject(call->reply);
        call->reply = NULL;
    }

    errno = 0;
    if (redisGetReply(redis->context, &reply) != REDIS_OK) {
        tell_down(redis, errno_text(redis->context));
        return -1;
    }

    call->reply = reply;

    if (cannot_serve(call->reply)) {
        tell_down(redis, call->reply->str);
        return -1;
    }

    return 0;
}


/* Sends the calls and reads their answers; again: those of lost scripts. */
static int
exchange(convo_redis_t *redis, int again, size_t *lost)
{
    *lost = 0;

    for (size_t i = 0; i < redis->ncalls; i++) {
        if (!again || is_noscript(&redis->calls[i])) {
            append(redis, &redis->calls[i], again);
        }
    }

    if (redis->context->err != 0) {
        tell_down(redis, "out of memory");
        return -1;
    }

    for (size_t i = 0; i < redis->ncalls; i++) {
        if (again && !is_noscript(&redis->calls[i])) {
            continue;
        }
        if (read_reply(redis, &redis->calls[i]) != 0) {
            return -1;
        }
        if (is_noscript(&redis->calls[i])) {
            (*lost)++;
        }
    }

    return 0;
}


int
convo_redis_run(convo_redis_t *redis)
{
    size_t lost = 0;

    if (redis->context == NULL
        || exchange(redis, 0, &lost) != 0
        || (lost > 0 && exchange(redis, 1, &lost) != 0))
    {
        close_connection(redis);
        redis->failed = 1;
        return -1;
    }

    redis->failed = 0;
    if (redis->told) {
        convo_log(CONVO_LOG_WARN, "redis", "%s: served again", redis->who);
        redis->told = 0;
    }
    convo_backoff_reset(&redis->backoff);

    return 0;
}


const redisReply *
convo_redis_reply(const convo_redis_t *redis, size_t index)
{
    return redis->calls[index].reply;
}
