/*
 * The job that follows LiveKit: who came to a room, who went, which room is
 * over.  The edge writes what the webhooks say into a stream of each pool.
 *
 * Crash story.  An entry stays pending with this worker until the script that
 * it calls for has run; killed before, another worker takes it over.  It may
 * so be handled twice and in any order: the scripts allow for both, as they
 * do for webhooks that are repeated, late or lost.
 * An entry that makes no sense becomes a dead letter; it can stop nothing.
 * When a key of the pool is damaged the entries wait until it is mended.
 */

#include "convo_room_list.h"
#include "jobs.h"
#include "log.h"
#include "session.h"
#include "stop.h"
#include "stream.h"

#include <string.h>

/* How long to wait for a damaged pool to be mended. */
#define DAMAGED_MS 1000

typedef enum { NONSENSE, PARTICIPANT, FINISHED } kind_e;

typedef struct {
    kind_e kind;
    const char *what; /* "joined" or "left" */
    int side;
    convo_field_t psid;
    int64_t at_ms;
    int failed; /* its script */
} event_t;


static int
is(convo_field_t field, const char *text)
{
    return field.text != NULL && field.len == strlen(text)
           && memcmp(field.text, text, field.len) == 0;
}


/* Milliseconds: up to 15 digits, which a script's numbers hold exactly; or
 * -1. */
static int64_t
time_of(convo_field_t field)
{
    int64_t ms = 0;

    if (field.text == NULL || field.len == 0 || field.len > 15) {
        return -1;
    }

    for (size_t i = 0; i < field.len; i++) {
        if (field.text[i] < '0' || field.text[i] > '9') {
            return -1;
        }
        ms = ms * 10 + (field.text[i] - '0');
    }

    return ms;
}


/* What a participant did: 0, or -1 when that makes no sense. */
static int
read_participant(const redisReply *entries, size_t index, event_t *event)
{
    convo_field_t what = convo_stream_field(entries, index, "event");
    convo_field_t side = convo_stream_field(entries, index, "side");

    if ((!is(what, "joined") && !is(what, "left"))
        || (!is(side, "a") && !is(side, "b")) || event->psid.text == NULL
        || event->psid.len == 0 || event->psid.len > CONVO_PSID_MAX)
    {
        return -1;
    }

    event->what = is(what, "joined") ? "joined" : "left";
    event->side = is(side, "b");

    return 0;
}


static void
read_event(const redisReply *entries, size_t index, event_t *event,
           convo_session_t *session)
{
    convo_field_t sid = convo_stream_field(entries, index, "sid");

    event->kind = NONSENSE;
    event->psid = convo_stream_field(entries, index, "psid");
    event->at_ms = time_of(convo_stream_field(entries, index, "at"));
    session->sid[0] = '\0';

    if (sid.text == NULL || !convo_is_sid(sid.text, sid.len)
        || event->at_ms < 0)
    {
        return;
    }

    if (is(convo_stream_field(entries, index, "event"), "finished")) {
        event->kind = FINISHED;

    } else if (read_participant(entries, index, event) == 0) {
        event->kind = PARTICIPANT;

    } else {
        return;
    }

    memcpy(session->sid, sid.text, CONVO_SID_LEN);
    session->sid[CONVO_SID_LEN] = '\0';
}


/* 1 when the script failed: the pool is damaged, or the entry is. */
static int
is_failed(const convo_session_t *session, const redisReply *reply)
{
    if (convo_reply_failed(reply, "events", "an event")) {
        return 1;
    }

    if (!convo_reply_is(reply, "noted") && !convo_reply_is(reply, "ignored")
        && !convo_reply_is(reply, "ended"))
    {
        convo_log(CONVO_LOG_INFO, "events", "session %s: %s", session->sid,
                  reply->type == REDIS_REPLY_STRING ? reply->str : "?");
    }

    return 0;
}


static void
call(convo_redis_t *redis, const convo_pool_t *pool, const event_t *event,
     const convo_session_t *session)
{
    if (event->kind == PARTICIPANT) {
        convo_session_participant(redis, pool, session, event->side,
                                  event->what, event->psid.text,
                                  event->psid.len, event->at_ms);
    } else {
        convo_session_fail(redis, pool, session, event->at_ms, "told");
    }
}


/* Runs the scripts of the events; those that fail are marked.  Returns 0, or
 * -1 when the events are to come again. */
static int
run(convo_redis_t *redis, const convo_pool_t *pool, event_t *events,
    const convo_session_t *sessions, size_t n)
{
    size_t index = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < n; i++) {
        if (!convo_session_found(&sessions[i])) {
            events[i].kind = NONSENSE; /* of a session long forgotten */
        } else {
            call(redis, pool, &events[i], &sessions[i]);
        }
    }

    if (convo_redis_calls(redis) > 0 && convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < n; i++) {
        const redisReply *reply;

        if (events[i].kind == NONSENSE) {
            continue;
        }
        reply = convo_redis_reply(redis, index++);
        events[i].failed = is_failed(&sessions[i], reply);
        if (convo_reply_is_damaged(reply)) {
            convo_stop_wait(DAMAGED_MS);
            return -1;
        }
    }

    return 0;
}


static int
handle_batch(convo_stream_t *stream, const convo_pool_t *pool,
             const redisReply *entries, size_t first, size_t n)
{
    event_t events[CONVO_SESSIONS_MAX];
    convo_session_t sessions[CONVO_SESSIONS_MAX];

    memset(events, 0, sizeof(events));

    for (size_t i = 0; i < n; i++) {
        read_event(entries, first + i, &events[i], &sessions[i]);
        if (events[i].kind == NONSENSE
            && convo_stream_bury(stream, pool, entries, first + i,
                                 "makes no sense")
                   != 0)
        {
            return -1;
        }
    }

    if (convo_session_read(stream->work, pool, sessions, n) != 0
        || run(stream->work, pool, events, sessions, n) != 0)
    {
        return -1;
    }

    for (size_t i = 0; i < n; i++) {
        if (events[i].failed
            && convo_stream_bury(stream, pool, entries, first + i,
                                 "its script fails")
                   != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
on_entries(void *data, const convo_pool_t *pool, const redisReply *entries)
{
    convo_stream_t *stream = data;
    size_t n;

    if (convo_redis_ready(stream->work) != 0) {
        return -1;
    }

    for (size_t i = 0; i < entries->elements; i += n) {
        n = entries->elements - i;
        if (n > CONVO_SESSIONS_MAX) {
            n = CONVO_SESSIONS_MAX;
        }
        if (handle_batch(stream, pool, entries, i, n) != 0) {
            return -1;
        }
    }

    return 0;
}


void
convo_events(const convo_config_t *config)
{
    convo_stream_t stream;

    convo_stream_open(&stream, config, "events", CONVO_KEY_LIVEKIT, on_entries,
                      &stream);

    while (!convo_stopping()) {
        /* a failure has waited for Redis already, or will */
        convo_stream_pass(&stream);
    }

    convo_stream_close(&stream);
}
