/*
 * Reading one stream of each pool; see stream.h.
 *
 * Replies come from Redis, but what an entry holds may have been put there by
 * hand: every access checks the type first, and an entry that is none is
 * handed on as one without fields.
 */

#include "stream.h"
#include "dead.h"
#include "log.h"
#include "stop.h"

#include <string.h>
#include <time.h>

/* How long an entry is pending before its worker counts as dead; longer than
 * any worker needs for a batch. */
#define IDLE_MS 30000

/* How often dead workers' entries are looked for. */
#define TAKE_OVER_MS 10000

#define BLOCK_MS 500

/* For how long a stream is left out that cannot be read: before the pool is
 * open its group is missing; and what holds no stream has to be mended. */
#define NO_GROUP_MS   500
#define UNREADABLE_MS 5000

/* How long to wait when Redis refuses to let go of what was handled. */
#define REFUSED_MS 1000


static int64_t
monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


void
convo_stream_open(convo_stream_t *stream, const convo_config_t *config,
                  const char *who, const char *kind, convo_entries_pt handle,
                  void *data)
{
    memset(stream, 0, sizeof(*stream));

    stream->config = config;
    stream->who = who;
    stream->kind = kind;
    stream->handle = handle;
    stream->data = data;
    stream->wait = convo_redis_new(config, who);
    stream->work = convo_redis_new(config, who);
}


void
convo_stream_close(convo_stream_t *stream)
{
    convo_redis_free(stream->wait);
    convo_redis_free(stream->work);
}


/* --- entries: [[id, [name, value, ...]], ...] --- */

static const redisReply *
entry_at(const redisReply *entries, size_t index)
{
    const redisReply *entry = entries->element[index];

    return convo_reply_is_array(entry, 2)
                   && entry->element[0]->type == REDIS_REPLY_STRING
               ? entry
               : NULL;
}


const char *
convo_stream_id(const redisReply *entries, size_t index)
{
    const redisReply *entry = entry_at(entries, index);

    return entry != NULL ? entry->element[0]->str : "?";
}


convo_field_t
convo_stream_field(const redisReply *entries, size_t index, const char *name)
{
    const redisReply *entry = entry_at(entries, index);
    convo_field_t field = { NULL, 0 };

    if (entry == NULL || entry->element[1]->type != REDIS_REPLY_ARRAY) {
        return field;
    }

    entry = entry->element[1];

    for (size_t i = 0; i + 1 < entry->elements; i += 2) {
        if (convo_reply_is(entry->element[i], name)
            && entry->element[i + 1]->type == REDIS_REPLY_STRING)
        {
            field.text = entry->element[i + 1]->str;
            field.len = entry->element[i + 1]->len;
            break;
        }
    }

    return field;
}


/* --- done --- */

int
convo_stream_bury(convo_stream_t *stream, const convo_pool_t *pool,
                  const redisReply *entries, size_t index, const char *reason)
{
    const redisReply *entry = entry_at(entries, index);
    convo_dead_t dead = { 0 };

    if (entry == NULL) {
        return 0;
    }

    if (convo_redis_ready(stream->work) != 0) {
        return -1;
    }

    convo_dead_add(&dead, entry->element[0]->str, entry->element[0]->len);

    if (convo_dead_bury(&dead, stream->work, pool, stream->kind, reason) != 0) {
        convo_stop_wait(REFUSED_MS);
        return -1;
    }

    return 0;
}



static int
acknowledge(convo_stream_t *stream, const convo_pool_t *pool,
            const redisReply *entries)
{
    convo_redis_t *redis = stream->work;
    size_t n = 0;

    if (convo_redis_ready(redis) != 0) {
        return -1;
    }

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_DONE);
    convo_redis_key(redis, pool, stream->kind, NULL, 0);
    convo_redis_str(redis, CONVO_GROUP);

    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *entry = entry_at(entries, i);

        if (entry != NULL) {
            convo_redis_arg(redis, entry->element[0]->str,
                            entry->element[0]->len);
            n++;
        }
    }

    if (n == 0) {
        return 0;
    }
    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    if (convo_reply_failed(convo_redis_reply(redis, 0), stream->who, "done")) {
        /* Redis is there and refuses: asking at once again would spin */
        convo_stop_wait(REFUSED_MS);
        return -1;
    }

    return 0;
}


/* Handles what was read of the pool at index; on a failure it is read again
 * as pending. */
static int
handle(convo_stream_t *stream, size_t index, const redisReply *entries)
{
    const convo_pool_t *pool = &stream->config->pools[index];

    if (entries->elements == 0) {
        return 0;
    }

    if (stream->handle(stream->data, pool, entries) != 0
        || acknowledge(stream, pool, entries) != 0)
    {
        strcpy(stream->cursor[index], "0");
        return -1;
    }

    return 0;
}


/* --- reading --- */

/* Up to "STREAMS", which the keys and the ids follow. */
static void
begin_read(convo_stream_t *stream, int64_t block_ms)
{
    convo_redis_t *redis = stream->wait;

    convo_redis_begin(redis);
    convo_redis_command(redis, "XREADGROUP");
    convo_redis_str(redis, "GROUP");
    convo_redis_str(redis, CONVO_GROUP);
    convo_redis_str(redis, stream->config->name);
    convo_redis_str(redis, "COUNT");
    convo_redis_int(redis, CONVO_STREAM_BATCH);
    if (block_ms > 0) {
        convo_redis_str(redis, "BLOCK");
        convo_redis_int(redis, block_ms);
    }
    convo_redis_str(redis, "STREAMS");
}


/* The pool's stream cannot be read: it is left out for a while, so that the
 * others are read all the same. */
static void
leave_out(convo_stream_t *stream, size_t index, const redisReply *reply)
{
    int64_t pause_ms = NO_GROUP_MS;

    if (strncmp(reply->str, "NOGROUP", 7) != 0) {
        convo_log(CONVO_LOG_ERROR, stream->who,
                  "pool %s: %s cannot be read: %.200s",
                  stream->config->pools[index].name, stream->kind, reply->str);
        pause_ms = UNREADABLE_MS;
    }

    stream->left_out_until_ms[index] = monotonic_ms() + pause_ms;
}


static int
is_left_out(const convo_stream_t *stream, size_t index)
{
    return monotonic_ms() < stream->left_out_until_ms[index];
}


/* Runs the call about one pool: its reply, or NULL when there is nothing or a
 * failure. */
static const redisReply *
run_read(convo_stream_t *stream, size_t index, int *down)
{
    const redisReply *reply;

    *down = convo_redis_run(stream->wait) != 0;
    if (*down) {
        return NULL;
    }

    reply = convo_redis_reply(stream->wait, 0);

    if (reply->type == REDIS_REPLY_ERROR) {
        leave_out(stream, index, reply);
        return NULL;
    }

    return reply->type == REDIS_REPLY_ARRAY ? reply : NULL;
}


/* [key, entries] of an answer to XREADGROUP: the entries, or NULL. */
static const redisReply *
entries_of(const redisReply *stream)
{
    return convo_reply_is_array(stream, 2)
                   && stream->element[1]->type == REDIS_REPLY_ARRAY
               ? stream->element[1]
               : NULL;
}


/* Returns 0; -1 when Redis is down or a handler failed. */
static int
read_own_pending(convo_stream_t *stream, size_t index)
{
    convo_redis_t *redis = stream->wait;
    const redisReply *reply, *entries;
    int down;

    while (stream->cursor[index][0] != '\0' && !convo_stopping()) {
        begin_read(stream, 0);
        convo_redis_key(redis, &stream->config->pools[index], stream->kind,
                        NULL, 0);
        convo_redis_str(redis, stream->cursor[index]);

        reply = run_read(stream, index, &down);
        if (down || is_left_out(stream, index)) {
            return -1;
        }

        entries = reply != NULL && reply->elements > 0
                      ? entries_of(reply->element[0])
                      : NULL;

        if (entries == NULL || entries->elements == 0) {
            stream->cursor[index][0] = '\0';
            return 0;
        }

        /* those before are done with: the next ones come after this */
        strncpy(stream->cursor[index],
                convo_stream_id(entries, entries->elements - 1),
                CONVO_STREAM_ID - 1);

        if (handle(stream, index, entries) != 0) {
            return -1;
        }
    }

    return 0;
}


/* What dead workers left pending.  This one has nothing pending now. */
static int
take_over(convo_stream_t *stream, size_t index)
{
    convo_redis_t *redis = stream->wait;
    const redisReply *reply;
    int down;

    convo_redis_begin(redis);
    convo_redis_command(redis, "XAUTOCLAIM");
    convo_redis_key(redis, &stream->config->pools[index], stream->kind, NULL,
                    0);
    convo_redis_str(redis, CONVO_GROUP);
    convo_redis_str(redis, stream->config->name);
    convo_redis_int(redis, IDLE_MS);
    convo_redis_str(redis, "0-0");
    convo_redis_str(redis, "COUNT");
    convo_redis_int(redis, CONVO_STREAM_BATCH);

    reply = run_read(stream, index, &down);
    if (down) {
        return -1;
    }

    if (reply == NULL || !convo_reply_is_array(reply, 2)
        || reply->element[1]->type != REDIS_REPLY_ARRAY
        || reply->element[1]->elements == 0)
    {
        return 0;
    }

    convo_log(CONVO_LOG_WARN, stream->who,
              "pool %s: %zu entries of a worker that has gone",
              stream->config->pools[index].name, reply->element[1]->elements);

    return handle(stream, index, reply->element[1]);
}


static size_t
pool_of_key(const convo_stream_t *stream, const redisReply *key)
{
    const convo_config_t *config = stream->config;

    for (size_t i = 0; i < config->npools; i++) {
        convo_key_t name;

        convo_key(&name, config->pools[i].name, config->pools[i].len,
                  stream->kind, NULL, 0);
        if (convo_reply_is(key, name.name)) {
            return i;
        }
    }

    return config->npools;
}


/* After an answer that is an error, which is for all pools: asks each of them
 * alone, which one it is.  Returns 0, or -1 when Redis is down. */
static int
find_unreadable(convo_stream_t *stream)
{
    const convo_config_t *config = stream->config;
    convo_redis_t *redis = stream->wait;
    int found = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < config->npools; i++) {
        convo_redis_command(redis, "XPENDING");
        convo_redis_key(redis, &config->pools[i], stream->kind, NULL, 0);
        convo_redis_str(redis, CONVO_GROUP);
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < config->npools; i++) {
        const redisReply *reply = convo_redis_reply(redis, i);

        if (reply->type == REDIS_REPLY_ERROR) {
            leave_out(stream, i, reply);
            found = 1;
        }
    }

    if (!found) {
        convo_log(CONVO_LOG_ERROR, stream->who,
                  "%s cannot be read, and no pool says why", stream->kind);
        convo_stop_wait(UNREADABLE_MS);
    }

    return 0;
}


/* Sends the read of all pools that can be read and have nothing pending: how
 * many, or -1 when Redis is
 * down. */
static int
ask_for_new(convo_stream_t *stream)
{
    const convo_config_t *config = stream->config;
    char asked[CONVO_CONFIG_POOLS];
    int64_t block_ms = config->redis_timeout_ms / 2;
    int n = 0;

    begin_read(stream, block_ms < BLOCK_MS ? block_ms : BLOCK_MS);

    for (size_t i = 0; i < config->npools; i++) {
        asked[i] = stream->cursor[i][0] == '\0' && !is_left_out(stream, i);
        if (asked[i]) {
            convo_redis_key(stream->wait, &config->pools[i], stream->kind,
                            NULL, 0);
            n++;
        }
    }

    for (size_t i = 0; i < config->npools; i++) {
        if (asked[i]) {
            convo_redis_str(stream->wait, ">");
        }
    }

    return n == 0 || convo_redis_run(stream->wait) == 0 ? n : -1;
}


static int
read_new(convo_stream_t *stream)
{
    const convo_config_t *config = stream->config;
    const redisReply *reply;
    int n, failed = 0;

    n = ask_for_new(stream);

    if (n <= 0) {
        if (n == 0) {
            convo_stop_wait(BLOCK_MS);
        }
        return n;
    }

    reply = convo_redis_reply(stream->wait, 0);

    if (reply->type == REDIS_REPLY_ERROR) {
        return find_unreadable(stream);
    }

    for (size_t i = 0;
         reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
    {
        const redisReply *entries = entries_of(reply->element[i]);
        size_t index;

        if (entries == NULL) {
            continue;
        }
        index = pool_of_key(stream, reply->element[i]->element[0]);
        if (index < config->npools) {
            failed |= handle(stream, index, entries) != 0;
        }
    }

    return failed ? -1 : 0;
}


/* What is pending of one pool; a failure stops no other pool. */
static int
read_pending(convo_stream_t *stream, size_t index, int take)
{
    if (is_left_out(stream, index)) {
        return 0;
    }

    if (read_own_pending(stream, index) != 0) {
        return -1;
    }

    return take ? take_over(stream, index) : 0;
}


int
convo_stream_pass(convo_stream_t *stream)
{
    const convo_config_t *config = stream->config;
    int64_t now = monotonic_ms();
    int due, failed = 0;

    if (convo_redis_ready(stream->wait) != 0) {
        return -1;
    }

    if (stream->connects != convo_redis_connects(stream->wait)) {
        stream->connects = convo_redis_connects(stream->wait);
        for (size_t i = 0; i < config->npools; i++) {
            strcpy(stream->cursor[i], "0");
        }
    }

    due = now - stream->taken_over_at_ms >= TAKE_OVER_MS;
    if (due) {
        stream->taken_over_at_ms = now;
    }

    for (size_t i = 0; i < config->npools && !convo_stopping(); i++) {
        if (read_pending(stream, i, due) != 0) {
            failed = 1;
            if (convo_redis_ready(stream->wait) != 0) {
                return -1;
            }
        }
    }

    if (!convo_stopping() && read_new(stream) != 0) {
        failed = 1;
    }

    return failed ? -1 : 0;
}
