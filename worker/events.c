/*
 * The job that follows LiveKit: who came to a room, who went, which room is
 * over.  The edge writes what the webhooks say into a stream of each pool.
 *
 * Crash story.  An entry stays pending with this worker until the script that
 * it calls for has run; killed before, another worker takes it over.  It may
 * so be handled twice and in any order: the scripts allow for both, as they
 * do for webhooks that are repeated, late or lost.
 * An entry that makes no sense is logged and done with; it can stop nothing.
 */

#include "convo_room_list.h"
#include "jobs.h"
#include "log.h"
#include "session.h"
#include "stop.h"
#include "stream.h"

#include <string.h>

typedef enum { NONSENSE, PARTICIPANT, FINISHED } kind_e;

typedef struct {
    kind_e kind;
    const char *what; /* "joined" or "left" */
    int side;
    convo_field_t psid;
    int64_t at_ms;
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


static void
tell(const convo_session_t *session, const redisReply *reply)
{
    if (convo_reply_failed(reply, "events", "an event")
        || convo_reply_is(reply, "noted") || convo_reply_is(reply, "ignored")
        || convo_reply_is(reply, "ended"))
    {
        return;
    }

    convo_log(CONVO_LOG_INFO, "events", "session %s: %s", session->sid,
              reply->type == REDIS_REPLY_STRING ? reply->str : "?");
}


static int
handle_batch(convo_redis_t *redis, const convo_pool_t *pool,
             const redisReply *entries, size_t first, size_t n)
{
    event_t events[CONVO_SESSIONS_MAX];
    convo_session_t sessions[CONVO_SESSIONS_MAX];
    size_t call = 0;

    for (size_t i = 0; i < n; i++) {
        read_event(entries, first + i, &events[i], &sessions[i]);
        if (events[i].kind == NONSENSE) {
            convo_log(CONVO_LOG_WARN, "events",
                      "pool %s: entry %s makes no sense and is dropped",
                      pool->name, convo_stream_id(entries, first + i));
        }
    }

    if (convo_session_read(redis, pool, sessions, n) != 0) {
        return -1;
    }

    convo_redis_begin(redis);

    for (size_t i = 0; i < n; i++) {
        if (!convo_session_found(&sessions[i])) {
            events[i].kind = NONSENSE; /* of a session long forgotten */
        } else if (events[i].kind == PARTICIPANT) {
            convo_session_participant(redis, pool, &sessions[i],
                                      events[i].side, events[i].what,
                                      events[i].psid.text, events[i].psid.len,
                                      events[i].at_ms);
        } else {
            convo_session_fail(redis, pool, &sessions[i], events[i].at_ms);
        }
    }

    if (convo_redis_calls(redis) > 0 && convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < n; i++) {
        if (events[i].kind != NONSENSE) {
            tell(&sessions[i], convo_redis_reply(redis, call++));
        }
    }

    return 0;
}


static int
on_entries(void *data, const convo_pool_t *pool, const redisReply *entries)
{
    const convo_stream_t *stream = data;
    size_t n;

    if (convo_redis_ready(stream->work) != 0) {
        return -1;
    }

    for (size_t i = 0; i < entries->elements; i += n) {
        n = entries->elements - i;
        if (n > CONVO_SESSIONS_MAX) {
            n = CONVO_SESSIONS_MAX;
        }
        if (handle_batch(stream->work, pool, entries, i, n) != 0) {
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
