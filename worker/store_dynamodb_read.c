/*
 * Reading the DynamoDB store, page by page: an answer holds at most 1 MB and
 * says where the next one begins.
 *
 * How it fails: a page that cannot be had, or that is no page, ends the
 * reading; an item that is none of ours is left out and told in the log.  What
 * has expired may still be there for days and is left out as well.
 */

#include "store_dynamodb.h"
#include "dynamodb_item.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

/* Items of one page that are looked at, at most. */
#define PAGE 1000

/* The most users that the texts of one item can name: it has 400 kB. */
#define BLOCKED_MAX 409600

/* Tells one item.  Not 0: enough has been told. */
typedef int (*item_pt)(void *data, const json_t *item);

/* Who is told what of a scan; one of the three. */
typedef struct {
    convo_store_user_pt user;
    convo_store_session_pt session;
    convo_store_report_pt report;
    void *data;
} listener_t;

/* One index on the way to a history. */
typedef struct {
    const char *user;  /* the attribute that it goes by */
    const char *index; /* its name */
    convo_store_session_t *sessions;
    size_t n;
    json_t *from; /* where the next page begins; NULL: at the beginning */
    int done;
} side_t;


static void
tell_rubbish(const char *what)
{
    convo_log(CONVO_LOG_ERROR, "store", "an item that is no %s is left out",
              what);
}


static int
fail_reading(convo_store_dynamodb_t *self)
{
    return convo_store_dynamodb_fail(self, "reading");
}


/*
 * Where the page after this one begins, in *from, which held where this one
 * did: 1, or 0 when it is the last, or -1 when it is no page.
 */
static int
take_page_end(convo_store_dynamodb_t *self, const json_t *page, json_t **from)
{
    json_t *last = json_object_get(page, "LastEvaluatedKey");
    int is_same = *from != NULL && json_equal(last, *from);

    if (!json_is_array(json_object_get(page, "Items")) || is_same
        || (last != NULL && !json_is_object(last)))
    {
        convo_dynamodb_set_why(self->dynamodb,
                               "an answer that is not DynamoDB's");
        return -1;
    }

    json_decref(*from);
    *from = json_incref(last);

    return last != NULL;
}


/* Takes over request, adds where the page begins. */
static json_t *
page_request(json_t *request, json_t *from)
{
    if (from != NULL) {
        json_object_set(request, "ExclusiveStartKey", from);
    }

    return request;
}


/* --- scans --- */

/* One page: 1 when there are more, 0 at the end, -1. */
static int
scan_page(convo_store_dynamodb_t *self, const json_t *scan, item_pt told,
          void *data, json_t **from)
{
    json_t *answer, *item;
    size_t i;
    int more;

    convo_dynamodb_begin(self->dynamodb);

    answer = convo_store_dynamodb_call(
        self, "Scan", page_request(json_deep_copy(scan), *from), NULL);
    if (answer == NULL) {
        return fail_reading(self);
    }

    more = take_page_end(self, answer, from);
    if (more < 0) {
        json_decref(answer);
        return fail_reading(self);
    }

    json_array_foreach(json_object_get(answer, "Items"), i, item)
    {
        if (told(data, item)) {
            more = 0;
            break;
        }
    }

    json_decref(answer);

    return more;
}


/* Takes over the scan. */
static int
scan_all(convo_store_dynamodb_t *self, json_t *scan, item_pt told, void *data)
{
    json_t *from = NULL;
    int more;

    do {
        more = scan_page(self, scan, told, data, &from);
    } while (more > 0);

    json_decref(from);
    json_decref(scan);

    return more;
}


static json_t *
scan_of(const char *table)
{
    return json_pack("{s:s, s:i, s:b}", "TableName", table, "Limit", PAGE,
                     "ConsistentRead", 1);
}


/* What is of since_s or later by this attribute, and unexpired at now_s. */
static json_t *
scan_since(const char *table, const char *attribute, int64_t since_s,
           int64_t now_s)
{
    json_t *scan = scan_of(table);

    json_object_set_new(scan, "FilterExpression",
                        json_string("#at >= :since AND #expiresAt > :now"));
    json_object_set_new(scan, "ExpressionAttributeNames",
                        json_pack("{s:s, s:s}", "#at", attribute,
                                  "#expiresAt", "expiresAt"));
    json_object_set_new(scan, "ExpressionAttributeValues",
                        json_pack("{s:o, s:o}", ":since",
                                  convo_dynamodb_number(since_s), ":now",
                                  convo_dynamodb_number(now_s)));

    return scan;
}


/* --- users --- */

static int
on_user(void *data, const json_t *item)
{
    const listener_t *listener = data;
    const json_t *set = convo_dynamodb_item_set(item, "blocked");
    size_t room = json_array_size(set), n = 0;
    const char **blocked;
    convo_store_user_t user;
    int enough;

    if (convo_dynamodb_item_read_user(item, &user) != 0 || room > BLOCKED_MAX)
    {
        tell_rubbish("user");
        return 0;
    }

    blocked = calloc(room + 1, sizeof(*blocked));
    if (blocked == NULL) {
        convo_log(CONVO_LOG_ERROR, "store", "out of memory");
        abort();
    }

    for (size_t i = 0; i < room; i++) {
        const json_t *text = json_array_get(set, i);
        size_t len = json_string_length(text);

        if (len == 0 || len > CONVO_USER_MAX) {
            tell_rubbish("block");
        } else {
            blocked[n++] = json_string_value(text);
        }
    }

    enough = listener->user(listener->data, &user, blocked, n);
    free(blocked);

    return enough;
}


int
convo_store_dynamodb_each_user(convo_store_t *store, convo_store_user_pt told,
                               void *data)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    listener_t listener = { .user = told, .data = data };

    return scan_all(self, scan_of(self->users), on_user, &listener);
}


/* --- sessions and reports --- */

static int
on_session(void *data, const json_t *item)
{
    const listener_t *listener = data;
    convo_store_session_t session;

    if (convo_dynamodb_item_read_session(item, &session) != 0) {
        tell_rubbish("session");
        return 0;
    }

    return listener->session(listener->data, &session);
}


int
convo_store_dynamodb_each_session(convo_store_t *store, int64_t since_s,
                                  int64_t now_s, convo_store_session_pt told,
                                  void *data)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    listener_t listener = { .session = told, .data = data };

    return scan_all(self,
                    scan_since(self->sessions, "endTime", since_s, now_s),
                    on_session, &listener);
}


static int
on_report(void *data, const json_t *item)
{
    const listener_t *listener = data;
    convo_store_report_t report;

    if (convo_dynamodb_item_read_report(item, &report) != 0) {
        tell_rubbish("report");
        return 0;
    }

    return listener->report(listener->data, &report);
}


int
convo_store_dynamodb_each_report(convo_store_t *store, int64_t since_s,
                                 int64_t now_s, convo_store_report_pt told,
                                 void *data)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    listener_t listener = { .report = told, .data = data };

    return scan_all(self, scan_since(self->reports, "at", since_s, now_s),
                    on_report, &listener);
}


/* --- a user's history --- */

/* The newest of one side that have not expired. */
static json_t *
side_request(const convo_store_dynamodb_t *self, const side_t *side,
             const char *user_id, int64_t now_s, size_t limit)
{
    json_t *request = json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:s, s:s}, s:{s:o, s:o}, s:b, s:I}",
        "TableName", self->sessions, "IndexName", side->index,
        "KeyConditionExpression", "#user = :user",
        "FilterExpression", "#expiresAt > :now",
        "ExpressionAttributeNames", "#user", side->user,
        "#expiresAt", "expiresAt",
        "ExpressionAttributeValues", ":user", convo_dynamodb_string(user_id),
        ":now", convo_dynamodb_number(now_s),
        "ScanIndexForward", 0,
        "Limit", (json_int_t) limit);

    return page_request(request, side->from);
}


static int
take_side(convo_store_dynamodb_t *self, side_t *side, const json_t *page,
          size_t limit)
{
    json_t *item;
    size_t i;
    int more = take_page_end(self, page, &side->from);

    if (more < 0) {
        return -1;
    }

    json_array_foreach(json_object_get(page, "Items"), i, item)
    {
        if (side->n == limit) {
            break;
        }
        if (convo_dynamodb_item_read_session(item, &side->sessions[side->n])
            == 0)
        {
            side->n++;
        } else {
            tell_rubbish("session");
        }
    }

    side->done = !more || side->n == limit;

    return 0;
}


/* A page of each side that is not done, both at once. */
static int
query_sides(convo_store_dynamodb_t *self, side_t sides[2],
            const char *user_id, int64_t now_s, size_t limit)
{
    convo_dynamodb_call_t calls[2] = { { 0 } };
    side_t *asked[2];
    size_t n = 0;
    int result;

    for (size_t i = 0; i < 2; i++) {
        if (!sides[i].done) {
            asked[n] = &sides[i];
            calls[n].operation = "Query";
            calls[n++].request = side_request(self, &sides[i], user_id, now_s,
                                              limit);
        }
    }

    convo_dynamodb_begin(self->dynamodb);
    result = convo_dynamodb_run(self->dynamodb, calls, n);

    for (size_t i = 0; i < n && result == 0; i++) {
        result = take_side(self, asked[i], calls[i].answer, limit);
    }

    convo_dynamodb_release(calls, n);

    return result;
}


/* The newest of both sides, each of which is in order. */
static size_t
merge(const side_t sides[2], convo_store_session_t *sessions, size_t limit)
{
    size_t a = 0, b = 0, n = 0;

    while (n < limit && (a < sides[0].n || b < sides[1].n)) {
        int from_a = b == sides[1].n
                     || (a < sides[0].n
                         && sides[0].sessions[a].start_time
                                >= sides[1].sessions[b].start_time);

        sessions[n++] = from_a ? sides[0].sessions[a++]
                               : sides[1].sessions[b++];
    }

    return n;
}


int64_t
convo_store_dynamodb_history_of(convo_store_t *store, const char *user_id,
                                int64_t now_s,
                                convo_store_session_t *sessions, size_t limit)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    convo_store_session_t *found;
    side_t sides[2] = {
        { .user = "userA", .index = CONVO_DYNAMODB_INDEX_A },
        { .user = "userB", .index = CONVO_DYNAMODB_INDEX_B },
    };
    int64_t n = 0;
    int result = 0;

    if (limit == 0) {
        return 0;
    }

    found = calloc(limit * 2, sizeof(*found));
    if (found == NULL) {
        convo_log(CONVO_LOG_ERROR, "store", "out of memory");
        abort();
    }

    sides[0].sessions = found;
    sides[1].sessions = found + limit;

    while (result == 0 && (!sides[0].done || !sides[1].done)) {
        result = query_sides(self, sides, user_id, now_s, limit);
    }

    n = result == 0 ? (int64_t) merge(sides, sessions, limit)
                    : fail_reading(self);

    json_decref(sides[0].from);
    json_decref(sides[1].from);
    free(found);

    return n;
}
