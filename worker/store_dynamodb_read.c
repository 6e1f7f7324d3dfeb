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


/* Takes over the scan, and the key of the item behind which it begins, which
 * may be NULL. */
static int
scan_all(convo_store_dynamodb_t *self, json_t *scan, json_t *from,
         item_pt told, void *data)
{
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


/* The key of an item, or NULL when there is none to go on behind. */
static json_t *
key_of(const char *name, const char *id)
{
    return id != NULL ? json_pack("{s:o}", name, convo_dynamodb_string(id))
                      : NULL;
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
convo_store_dynamodb_each_user(convo_store_t *store, const char *after,
                               convo_store_user_pt told, void *data)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    listener_t listener = { .user = told, .data = data };

    return scan_all(self, scan_of(self->users), key_of("userId", after),
                    on_user, &listener);
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
convo_store_dynamodb_each_session(convo_store_t *store, const char *after,
                                  int64_t since_s, int64_t now_s,
                                  convo_store_session_pt told, void *data)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    listener_t listener = { .session = told, .data = data };

    return scan_all(self,
                    scan_since(self->sessions, "endTime", since_s, now_s),
                    key_of("sessionId", after), on_session, &listener);
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
                    NULL, on_report, &listener);
}
