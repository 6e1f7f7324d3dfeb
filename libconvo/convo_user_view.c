/*
 * The user's document; contracts are in convo_user_view.h.
 *
 * Reading is one table: the name of a value, its kind and its place in the
 * struct.  What belongs to a state is checked once, after all was read.
 */

#include "convo_user_view.h"

#include <stddef.h>
#include <string.h>

/* fifteen digits: times in ms until the year 33658 and far from overflow */
#define DIGITS_MAX 15
#define NUMBER_MAX INT64_C(999999999999999)

/* how long both have to come, and what is added to the longest session */
#define COME_S 30
#define SPARE_S 60

typedef enum { NUMBER, STATE, SID, SIDE, PEER, REASON } kind_e;

typedef struct {
    const char *name;
    kind_e kind;
    size_t offset;
} field_t;

#define FIELD(name, kind, member)                                             \
    { name, kind, offsetof(convo_user_view_t, member) }

static const field_t fields[] = {
    FIELD("now", NUMBER, now_ms),
    FIELD("state", STATE, state),
    FIELD("version", NUMBER, version),
    FIELD("lost", NUMBER, lost),
    FIELD("points_left", NUMBER, points_left),
    FIELD("window_end", NUMBER, window_end_ms),
    FIELD("last_session", NUMBER, last_session_s),
    FIELD("banned_until", NUMBER, banned_until_ms),
    FIELD("waiting_since", NUMBER, waiting_since_ms),
    FIELD("position", NUMBER, position),
    FIELD("estimate", NUMBER, estimate_s),
    FIELD("sid", SID, sid),
    FIELD("side", SIDE, side),
    FIELD("peer", PEER, peer),
    FIELD("committed", NUMBER, committed_ms),
    FIELD("start", NUMBER, start_ms),
    FIELD("ends", NUMBER, ends_ms),
    FIELD("reserved", NUMBER, reserved),
    FIELD("last_sid", SID, last_sid),
    FIELD("last_reason", REASON, last_reason),
    FIELD("last_duration", NUMBER, last_duration_s),
    FIELD("last_points", NUMBER, last_points),
};

#define NFIELDS (sizeof(fields) / sizeof(fields[0]))

static const char *const states[] = { "idle", "waiting", "matched", "live" };
static const char *const statuses[] = { "ok", "no_points", "banned", "again",
                                        "restoring", "revoked" };
static const char *const reasons[] = { "left", "peer_left", "time_up",
                                       "no_show", "failed" };

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))


/* The index of the text in a list of words, or -1. */

static int
word_index(const char *const *words, size_t n, const redisReply *text)
{
    for (size_t i = 0; i < n; i++) {
        if (text->len == strlen(words[i])
            && memcmp(text->str, words[i], text->len) == 0)
        {
            return (int) i;
        }
    }

    return -1;
}


/* "" is none; anything but digits is refused, and so is what is too large. */

static int
read_number(int64_t *number, const redisReply *value)
{
    int64_t n = 0;

    if (value->type == REDIS_REPLY_INTEGER) {
        *number = value->integer;
        return value->integer < 0 || value->integer > NUMBER_MAX ? -1 : 0;
    }

    if (value->len == 0) {
        *number = CONVO_VIEW_NONE;
        return 0;
    }

    if (value->len > DIGITS_MAX) {
        return -1;
    }

    for (size_t i = 0; i < value->len; i++) {
        if (value->str[i] < '0' || value->str[i] > '9') {
            return -1;
        }

        n = n * 10 + (value->str[i] - '0');
    }

    *number = n;
    return 0;
}


static int
read_sid(char *sid, const redisReply *value)
{
    if (value->len != 0 && !convo_is_sid(value->str, value->len)) {
        return -1;
    }

    memcpy(sid, value->str, value->len);
    sid[value->len] = '\0';
    return 0;
}


static int
read_side(char *side, const redisReply *value)
{
    if (value->len != 1 || (value->str[0] != 'a' && value->str[0] != 'b')) {
        return -1;
    }

    *side = value->str[0];
    return 0;
}


static int
read_peer(convo_user_view_t *view, const redisReply *value)
{
    if (value->len == 0 || value->len > CONVO_USER_MAX) {
        return -1;
    }

    memcpy(view->peer, value->str, value->len);
    view->peer[value->len] = '\0';
    view->peer_len = value->len;
    return 0;
}


static int
read_field(convo_user_view_t *view, const field_t *field,
           const redisReply *value)
{
    char *place = (char *) view + field->offset;
    int word;

    if (field->kind == NUMBER) {
        return read_number((int64_t *) place, value);
    }

    if (value->type != REDIS_REPLY_STRING) {
        return -1;
    }

    switch (field->kind) {

    case SID:
        return read_sid(place, value);

    case SIDE:
        return read_side(place, value);

    case PEER:
        return read_peer(view, value);

    case STATE:
        word = word_index(states, COUNT(states), value);
        view->state = (convo_user_state_e) word;
        return word < 0 ? -1 : 0;

    default: /* REASON */
        word = word_index(reasons, COUNT(reasons), value);
        if (word < 0) {
            return -1;
        }

        strcpy(view->last_reason, reasons[word]);
        return 0;
    }
}


static const field_t *
find_field(const redisReply *name)
{
    for (size_t i = 0; i < NFIELDS; i++) {
        if (name->len == strlen(fields[i].name)
            && memcmp(name->str, fields[i].name, name->len) == 0)
        {
            return &fields[i];
        }
    }

    return NULL;
}


/* Every number is none, every text empty; the state is set when it is read. */

static void
clear(convo_user_view_t *view)
{
    memset(view, 0, sizeof(*view));

    for (size_t i = 0; i < NFIELDS; i++) {
        if (fields[i].kind == NUMBER) {
            *(int64_t *) ((char *) view + fields[i].offset) = CONVO_VIEW_NONE;
        }
    }

    view->state = (convo_user_state_e) -1;
}


/* Whether all is there that the state promises. */

static int
is_complete(const convo_user_view_t *view)
{
    int good = (int) view->state >= 0 && view->now_ms > 0
               && view->version >= 0 && view->points_left >= 0;

    if (view->state == CONVO_USER_WAITING) {
        good = good && view->waiting_since_ms >= 0 && view->position >= 1;
    }

    if (convo_user_view_has_session(view)) {
        good = good && view->sid[0] && view->side && view->peer_len > 0
               && view->committed_ms >= 0 && view->reserved >= 0;
    }

    if (view->state == CONVO_USER_LIVE) {
        good = good && view->start_ms >= 0 && view->ends_ms >= 0;
    }

    if (view->last_reason[0]) {
        good = good && view->last_duration_s >= 0 && view->last_points >= 0;
    }

    return good;
}


static int
is_value(const redisReply *value)
{
    return value != NULL
           && (value->type == REDIS_REPLY_STRING
               || value->type == REDIS_REPLY_INTEGER);
}


int
convo_user_view_read(convo_user_view_t *view, const redisReply *reply)
{
    int status;

    clear(view);

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements % 2 != 1
        || reply->elements > CONVO_VIEW_ELEMENTS_MAX)
    {
        return -1;
    }

    for (size_t i = 0; i < reply->elements; i++) {
        if (!is_value(reply->element[i])
            || (i < 1 && reply->element[i]->type != REDIS_REPLY_STRING))
        {
            return -1;
        }
    }

    status = word_index(statuses, COUNT(statuses), reply->element[0]);
    view->status = (convo_view_status_e) status;

    if (status < 0 || view->status == CONVO_VIEW_RESTORING
        || view->status == CONVO_VIEW_REVOKED)
    {
        return status < 0 ? -1 : 0;
    }

    for (size_t i = 1; i < reply->elements; i += 2) {
        const field_t *field;

        if (reply->element[i]->type != REDIS_REPLY_STRING) {
            return -1;
        }

        field = find_field(reply->element[i]);

        if (field != NULL
            && read_field(view, field, reply->element[i + 1]) != 0)
        {
            return -1;
        }
    }

    return is_complete(view) ? 0 : -1;
}


const char *
convo_user_state_name(convo_user_state_e state)
{
    return states[state];
}


int
convo_user_state_read(const char *name, size_t len, convo_user_state_e *state)
{
    for (size_t i = 0; i < COUNT(states); i++) {
        if (strlen(states[i]) == len && memcmp(states[i], name, len) == 0) {
            *state = (convo_user_state_e) i;
            return 0;
        }
    }

    return -1;
}


int
convo_user_view_has_session(const convo_user_view_t *view)
{
    return view->state == CONVO_USER_MATCHED || view->state == CONVO_USER_LIVE;
}


int64_t
convo_user_view_access_ends(const convo_user_view_t *view)
{
    return view->now_ms / 1000 + COME_S + 60 * view->reserved + SPARE_S;
}


static json_t *
number_or_null(int64_t number)
{
    return number == CONVO_VIEW_NONE ? json_null() : json_integer(number);
}


/* The second in which it was. */

static json_t *
second_or_null(int64_t ms)
{
    return ms == CONVO_VIEW_NONE ? json_null() : json_integer(ms / 1000);
}


/* The second at whose begin it is over. */

static json_t *
second_after_or_null(int64_t ms)
{
    return ms == CONVO_VIEW_NONE ? json_null()
                                 : json_integer((ms + 999) / 1000);
}


json_t *
convo_user_banned_until(const convo_user_view_t *view)
{
    return second_after_or_null(view->banned_until_ms < CONVO_VIEW_FOR_GOOD
                                    ? view->banned_until_ms
                                    : CONVO_VIEW_NONE);
}


static json_t *
queue_or_null(const convo_user_view_t *view)
{
    if (view->state != CONVO_USER_WAITING) {
        return json_null();
    }

    return json_pack("{s:I, s:o}", "position", (json_int_t) view->position,
                     "estimatedWait", number_or_null(view->estimate_s));
}


static json_t *
session_or_null(const convo_user_view_t *view, const char *pool,
                size_t pool_len, json_t *livekit, json_t *ice_servers)
{
    char room[CONVO_ROOM_MAX + 1];

    if (!convo_user_view_has_session(view)) {
        json_decref(livekit);
        json_decref(ice_servers);
        return json_null();
    }

    convo_room(room, pool, pool_len, view->sid);

    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "sessionId", view->sid,
                     "room", room, "startTime", second_or_null(view->start_ms),
                     "endsAt", second_or_null(view->ends_ms), "livekit",
                     livekit ? livekit : json_null(), "iceServers",
                     ice_servers ? ice_servers : json_array());
}


static json_t *
last_or_null(const convo_user_view_t *view)
{
    if (!view->last_reason[0]) {
        return json_null();
    }

    return json_pack("{s:o, s:s, s:I, s:I}", "sessionId",
                     view->last_sid[0] ? json_string(view->last_sid)
                                       : json_null(),
                     "reason", view->last_reason, "duration",
                     (json_int_t) view->last_duration_s, "pointsSpent",
                     (json_int_t) view->last_points);
}


json_t *
convo_user_document(const convo_user_view_t *view, const char *user,
                    size_t user_len, const char *pool, size_t pool_len,
                    json_t *livekit, json_t *ice_servers)
{
    /* what is packed by "o" is released where packing fails */

    return json_pack(
        "{s:o, s:s, s:I, s:I, s:o, s:o, s:b, s:o, s:o, s:o, s:o}",
        "userId", json_stringn(user, user_len),
        "state", convo_user_state_name(view->state),
        "version", (json_int_t) view->version,
        "pointsLeft", (json_int_t) view->points_left,
        "pointsResetAt", second_after_or_null(view->window_end_ms),
        "lastSessionTimestamp", number_or_null(view->last_session_s),
        "isWaitingInQueue", view->state == CONVO_USER_WAITING,
        "waitingSince", second_or_null(view->waiting_since_ms),
        "queue", queue_or_null(view),
        "session", session_or_null(view, pool, pool_len, livekit,
                                   ice_servers),
        "last", last_or_null(view));
}
