/*
 * Records as they lie in Redis; see records.h.
 */

#include "records.h"
#include "stream.h"

#include <string.h>

#define DIGITS_MAX 18 /* more are no number of ours */


static int
take_text(convo_field_t field, char *out, size_t max)
{
    if (field.text == NULL || field.len > max
        || memchr(field.text, '\0', field.len) != NULL)
    {
        return -1;
    }

    memcpy(out, field.text, field.len);
    out[field.len] = '\0';

    return 0;
}


static int
take_number(convo_field_t field, int64_t *number)
{
    if (field.text == NULL || field.len == 0 || field.len > DIGITS_MAX) {
        return -1;
    }

    *number = 0;

    for (size_t i = 0; i < field.len; i++) {
        if (field.text[i] < '0' || field.text[i] > '9') {
            return -1;
        }
        *number = *number * 10 + (field.text[i] - '0');
    }

    return 0;
}


/* --- entries of streams --- */

static int
entry_text(const redisReply *entries, size_t index, const char *name,
           char *out, size_t max)
{
    return take_text(convo_stream_field(entries, index, name), out, max);
}


static int
entry_number(const redisReply *entries, size_t index, const char *name,
             int64_t *number)
{
    return take_number(convo_stream_field(entries, index, name), number);
}


int
convo_records_session(const redisReply *entries, size_t i,
                      convo_store_session_t *s)
{
    return entry_text(entries, i, "sessionId", s->session_id, CONVO_SID_LEN)
                       == 0
                   && entry_text(entries, i, "userA", s->user_a,
                                 CONVO_USER_MAX)
                          == 0
                   && entry_text(entries, i, "userB", s->user_b,
                                 CONVO_USER_MAX)
                          == 0
                   && entry_number(entries, i, "startTime", &s->start_time)
                          == 0
                   && entry_number(entries, i, "endTime", &s->end_time) == 0
                   && entry_number(entries, i, "duration", &s->duration) == 0
                   && entry_number(entries, i, "expiresAt", &s->expires_at)
                          == 0
                   && convo_store_session_is_good(s)
               ? 0
               : -1;
}


int
convo_records_report(const redisReply *entries, size_t i,
                     const convo_pool_t *pool, convo_store_report_t *r)
{
    memcpy(r->pool, pool->name, pool->len + 1);

    return entry_text(entries, i, "sessionId", r->session_id, CONVO_SID_LEN)
                       == 0
                   && entry_text(entries, i, "reporter", r->reporter,
                                 CONVO_USER_MAX)
                          == 0
                   && entry_text(entries, i, "reported", r->reported,
                                 CONVO_USER_MAX)
                          == 0
                   && entry_text(entries, i, "reason", r->reason,
                                 CONVO_REASON_MAX)
                          == 0
                   && entry_number(entries, i, "at", &r->at) == 0
                   && entry_number(entries, i, "expiresAt", &r->expires_at)
                          == 0
                   && convo_store_report_is_good(r)
               ? 0
               : -1;
}


/* --- users --- */

typedef enum {
    STATE,
    VERSION,
    POINTS,
    SPENT,
    RESERVED,
    WINDOW_END,
    LAST_SESSION,
    BANNED_UNTIL,
    FIELDS
} field_e;

static const char *const fields[FIELDS] = {
    [STATE] = "state",           [VERSION] = "version",
    [POINTS] = "points",         [SPENT] = "spent",
    [RESERVED] = "reserved",     [WINDOW_END] = "window_end",
    [LAST_SESSION] = "last_session_s",
    [BANNED_UNTIL] = "banned_until",
};


void
convo_records_ask_user(convo_redis_t *redis, const convo_pool_t *pool,
                       const char *sub, size_t len)
{
    convo_redis_command(redis, "HMGET");
    convo_redis_key(redis, pool, CONVO_KEY_USER, sub, len);

    for (size_t i = 0; i < FIELDS; i++) {
        convo_redis_str(redis, fields[i]);
    }
}


/* The numbers of the hash, 0 for one that is not there: 1, 0 when nothing is
 * there, -1 when one of them is none. */
static int
read_numbers(const redisReply *reply, int64_t numbers[FIELDS])
{
    int found = 0;

    for (size_t i = 0; i < FIELDS; i++) {
        const redisReply *value = reply->element[i];
        convo_field_t field = { .text = value->str, .len = value->len };

        numbers[i] = 0;

        if (value->type == REDIS_REPLY_NIL) {
            continue;
        }

        found = 1;
        if (i != STATE
            && (value->type != REDIS_REPLY_STRING
                || take_number(field, &numbers[i]) != 0))
        {
            return -1;
        }
    }

    return found;
}


int
convo_records_user(const redisReply *reply, const convo_pool_t *pool,
                   const char *sub, size_t len, int64_t now_ms,
                   convo_store_user_t *user)
{
    convo_field_t id = { .text = sub, .len = len };
    int64_t n[FIELDS], used;
    int found;

    memset(user, 0, sizeof(*user));

    if (!convo_reply_is_array(reply, FIELDS)
        || take_text(id, user->user_id, CONVO_USER_MAX) != 0)
    {
        return -1;
    }

    found = read_numbers(reply, n);
    if (found != 1) {
        return found;
    }

    memcpy(user->pool, pool->name, pool->len + 1);

    if (n[WINDOW_END] > now_ms) {
        used = n[SPENT] + n[RESERVED];
        user->spent = n[SPENT];
        user->window_end = (n[WINDOW_END] + 999) / 1000;
        user->points_left = n[POINTS] > used ? n[POINTS] - used : 0;
    } else {
        user->points_left = n[POINTS];
    }

    user->points = n[POINTS];
    user->last_session = n[LAST_SESSION];
    user->state = convo_store_state(reply->element[STATE]->str, 0);
    user->banned_until = n[BANNED_UNTIL] / 1000 + (n[BANNED_UNTIL] % 1000 > 0);
    user->version = n[VERSION];

    return convo_store_user_is_good(user) ? 1 : -1;
}
