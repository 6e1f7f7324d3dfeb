/*
 * The caller's own sessions as JSON; contracts are in convo_history.h.
 */

#include "convo_history.h"
#include "convo_json.h"
#include "convo_keys.h"

/* no second, duration or point is above it */
#define NUMBER_MAX 1e12

/* a session is one flat object */
static const convo_json_limits_t limits = { .depth = 1, .count = 32 };


/*
 * The session, or NULL where a member is missing or of another type.  One that
 * came back from the store has no reason, as no store keeps it.  cjson may
 * have written a whole number as a real one.
 */

static json_t *
session_of(const json_t *entry)
{
    static const char *const numbers[] = { "startTime", "endTime", "duration",
                                           "pointsSpent" };
    const json_t *sid = json_object_get(entry, "sessionId");
    const json_t *reason = json_object_get(entry, "reason");
    json_t *session;

    if (!json_is_string(sid) || (reason != NULL && !json_is_string(reason))
        || !convo_is_sid(json_string_value(sid), json_string_length(sid)))
    {
        return NULL;
    }

    session = json_pack("{s:s}", "sessionId", json_string_value(sid));

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const json_t *value = json_object_get(entry, numbers[i]);

        double number = json_number_value(value);

        if (!json_is_number(value) || number < 0 || number > NUMBER_MAX
            || json_object_set_new(session, numbers[i],
                                   json_integer((json_int_t) number))
                   != 0)
        {
            json_decref(session);
            return NULL;
        }
    }

    if (json_object_set_new(session, "reason",
                            reason != NULL
                                ? json_string(json_string_value(reason))
                                : json_null())
        != 0)
    {
        json_decref(session);
        return NULL;
    }

    return session;
}


static json_t *
read_session(const redisReply *text)
{
    json_t *entry, *session;

    if (text == NULL || text->type != REDIS_REPLY_STRING
        || text->len > CONVO_HISTORY_TEXT_MAX)
    {
        return NULL;
    }

    entry = convo_json_load_object(text->str, text->len, &limits);
    if (entry == NULL) {
        return NULL;
    }

    session = session_of(entry);
    json_decref(entry);

    return session;
}


json_t *
convo_history_document(const redisReply *reply)
{
    json_t *sessions;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return NULL;
    }

    sessions = json_array();

    for (size_t i = 0; i < reply->elements && i < CONVO_HISTORY_MAX; i++) {
        json_t *session = read_session(reply->element[i]);

        if (session != NULL && json_array_append_new(sessions, session) != 0) {
            json_decref(sessions);
            return NULL;
        }
    }

    return json_pack("{s:o}", "sessions", sessions);
}
