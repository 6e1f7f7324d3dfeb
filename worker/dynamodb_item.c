/*
 * Records as items; see dynamodb_item.h.
 */

#include "dynamodb_item.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT 24


/* --- to items --- */

static json_t *
value_of(const char *type, json_t *value)
{
    return json_pack("{s:o}", type, value);
}


json_t *
convo_dynamodb_string(const char *text)
{
    return value_of("S", json_string(text));
}


json_t *
convo_dynamodb_number(int64_t number)
{
    char text[NUMBER_TEXT];

    snprintf(text, sizeof(text), "%" PRId64, number);

    return value_of("N", json_string(text));
}


json_t *
convo_dynamodb_item_session(const convo_store_session_t *session)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "sessionId", convo_dynamodb_string(session->session_id),
                     "userA", convo_dynamodb_string(session->user_a),
                     "userB", convo_dynamodb_string(session->user_b),
                     "startTime", convo_dynamodb_number(session->start_time),
                     "endTime", convo_dynamodb_number(session->end_time),
                     "duration", convo_dynamodb_number(session->duration),
                     "expiresAt", convo_dynamodb_number(session->expires_at));
}


json_t *
convo_dynamodb_item_report(const convo_store_report_t *report)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "sessionId", convo_dynamodb_string(report->session_id),
                     "reporter", convo_dynamodb_string(report->reporter),
                     "reported", convo_dynamodb_string(report->reported),
                     "reason", convo_dynamodb_string(report->reason),
                     "pool", convo_dynamodb_string(report->pool),
                     "at", convo_dynamodb_number(report->at),
                     "expiresAt", convo_dynamodb_number(report->expires_at));
}


json_t *
convo_dynamodb_item_user(const convo_store_user_t *user)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        ":pool", convo_dynamodb_string(user->pool),
        ":points", convo_dynamodb_number(user->points),
        ":pointsLeft", convo_dynamodb_number(user->points_left),
        ":pointsSpent", convo_dynamodb_number(user->spent),
        ":windowEndsAt", convo_dynamodb_number(user->window_end),
        ":lastSessionTimestamp", convo_dynamodb_number(user->last_session),
        ":isWaitingInQueue",
        value_of("BOOL", json_boolean(user->state == CONVO_USER_WAITING)),
        ":state", convo_dynamodb_string(convo_user_state_name(user->state)),
        ":bannedUntil", convo_dynamodb_number(user->banned_until),
        ":version", convo_dynamodb_number(user->version));
}


/* --- from items --- */

/* The value of an attribute that has this type alone, or NULL. */
static const json_t *
find(const json_t *item, const char *name, const char *type)
{
    const json_t *attribute = json_object_get(item, name);

    return json_object_size(attribute) == 1 ? json_object_get(attribute, type)
                                            : NULL;
}


const char *
convo_dynamodb_item_text(const json_t *item, const char *name)
{
    return json_string_value(find(item, name, "S"));
}


const json_t *
convo_dynamodb_item_set(const json_t *item, const char *name)
{
    const json_t *set = find(item, name, "SS");

    return json_is_array(set) ? set : NULL;
}


static int
take_text(const json_t *item, const char *name, char *out, size_t max)
{
    const char *text = convo_dynamodb_item_text(item, name);
    size_t len = text != NULL ? strlen(text) : 0;

    if (text == NULL || len > max) {
        return -1;
    }

    memcpy(out, text, len + 1);

    return 0;
}


static int
take_number(const json_t *item, const char *name, int64_t *number)
{
    const char *text = json_string_value(find(item, name, "N"));
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return -1;
    }

    errno = 0;
    *number = strtoll(text, &end, 10);

    return *end == '\0' && errno == 0 ? 0 : -1;
}


/* The same of an attribute that may be missing, which is 0. */
static int
take_number_if_any(const json_t *item, const char *name, int64_t *number)
{
    *number = 0;

    return json_object_get(item, name) == NULL
               ? 0
               : take_number(item, name, number);
}


int
convo_dynamodb_item_read_session(const json_t *item,
                                 convo_store_session_t *session)
{
    return take_text(item, "sessionId", session->session_id, CONVO_SID_LEN)
                       == 0
                   && take_text(item, "userA", session->user_a, CONVO_USER_MAX)
                          == 0
                   && take_text(item, "userB", session->user_b, CONVO_USER_MAX)
                          == 0
                   && take_number(item, "startTime", &session->start_time) == 0
                   && take_number(item, "endTime", &session->end_time) == 0
                   && take_number(item, "duration", &session->duration) == 0
                   && take_number(item, "expiresAt", &session->expires_at) == 0
                   && convo_store_session_is_good(session)
               ? 0
               : -1;
}


int
convo_dynamodb_item_read_report(const json_t *item,
                                convo_store_report_t *report)
{
    return take_text(item, "sessionId", report->session_id, CONVO_SID_LEN) == 0
                   && take_text(item, "reporter", report->reporter,
                                CONVO_USER_MAX)
                          == 0
                   && take_text(item, "reported", report->reported,
                                CONVO_USER_MAX)
                          == 0
                   && take_text(item, "reason", report->reason,
                                CONVO_REASON_MAX)
                          == 0
                   && take_text(item, "pool", report->pool, CONVO_POOL_MAX)
                          == 0
                   && take_number(item, "at", &report->at) == 0
                   && take_number(item, "expiresAt", &report->expires_at) == 0
                   && convo_store_report_is_good(report)
               ? 0
               : -1;
}


/* One who is known by blocks alone has a pool and nothing else. */
int
convo_dynamodb_item_read_user(const json_t *item, convo_store_user_t *user)
{
    const struct {
        const char *name;
        int64_t *number;
    } numbers[] = {
        { "points", &user->points },
        { "pointsLeft", &user->points_left },
        { "pointsSpent", &user->spent },
        { "windowEndsAt", &user->window_end },
        { "lastSessionTimestamp", &user->last_session },
        { "bannedUntil", &user->banned_until },
        { "version", &user->version },
    };

    if (take_text(item, "userId", user->user_id, CONVO_USER_MAX) != 0
        || take_text(item, "pool", user->pool, CONVO_POOL_MAX) != 0)
    {
        return -1;
    }

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (take_number_if_any(item, numbers[i].name, numbers[i].number) != 0)
        {
            return -1;
        }
    }

    user->state = convo_store_state(
        convo_dynamodb_item_text(item, "state"),
        json_is_true(find(item, "isWaitingInQueue", "BOOL")));

    return convo_store_user_is_good(user) ? 0 : -1;
}
