/*
 * Writing what never changes to the DynamoDB store: sessions and reports.  How
 * they are written once and many at a time is told in store_dynamodb.h; users,
 * who do change, are in store_dynamodb_users.c.
 *
 * What a batch leaves unprocessed (DynamoDB has taken the rest) is sent again
 * after a pause, from our own copy of it, within the budget.  A batch of which
 * one item is invalid is refused whole: its items are then put one by one, and
 * what is invalid is refused alone (store_dynamodb_judge.c).
 */

#include "store_dynamodb.h"
#include "dynamodb_item.h"
#include "log.h"

#include <string.h>

/* BatchGetItem takes 100 keys, BatchWriteItem 25 items. */
#define ITEMS_MAX   100
#define BATCH       25
#define BATCHES     (ITEMS_MAX / BATCH)
#define CALLS       CONVO_DYNAMODB_CONNECTIONS
#define REPORTS_MAX (CALLS / 2)

/* Items of one table on their way; the keys' names are those of the table. */
typedef struct {
    convo_store_dynamodb_t *store;
    const char *table;
    const char *key[2]; /* the second may be NULL */
    int *takes;
    json_t *item[ITEMS_MAX];
    size_t record[ITEMS_MAX]; /* of the caller, that it is */
    size_t n;
    char *refused; /* of the caller's records */
} items_t;

/* --- items --- */

/* Whether both are the same item by their keys. */
static int
is_same(const items_t *items, const json_t *one, const json_t *other)
{
    for (size_t i = 0; i < 2 && items->key[i] != NULL; i++) {
        if (!json_equal(json_object_get(one, items->key[i]),
                        json_object_get(other, items->key[i])))
        {
            return 0;
        }
    }

    return 1;
}


/* The index of an item with these keys, or n. */
static size_t
find(const items_t *items, const json_t *keys)
{
    size_t i = 0;

    while (i < items->n && !is_same(items, items->item[i], keys)) {
        i++;
    }

    return i;
}


static void
drop(items_t *items, size_t index)
{
    json_decref(items->item[index]);
    items->n--;
    items->item[index] = items->item[items->n];
    items->record[index] = items->record[items->n];
}


static void
drop_all(items_t *items)
{
    while (items->n > 0) {
        drop(items, items->n - 1);
    }
}


/* Takes over the item of a record: a batch may hold each only once.  -1: it is
 * none. */
static int
add(items_t *items, json_t *item, size_t record)
{
    if (item == NULL) {
        convo_dynamodb_set_why(items->store->dynamodb,
                               "a record that no store can hold");
        return -1;
    }

    if (find(items, item) < items->n) {
        json_decref(item);
    } else {
        items->item[items->n] = item;
        items->record[items->n++] = record;
    }

    return 0;
}


/* What a call that did not write an item says of it, or of one of its items. */
static int
is_no_item(convo_dynamodb_result_e result)
{
    return result == CONVO_DYNAMODB_INVALID
           || result == CONVO_DYNAMODB_TOO_LARGE;
}


static int
no_answer_of_ours(const items_t *items)
{
    convo_dynamodb_set_why(items->store->dynamodb,
                           "an answer that is not DynamoDB's");

    return -1;
}


/* --- those that are there already --- */

/* The keys of all items as a request for them. */
static json_t *
keys_request(const items_t *items)
{
    json_t *names = json_object(), *keys = json_array();
    const char *projection = items->key[1] != NULL ? "#k0, #k1" : "#k0";

    json_object_set_new(names, "#k0", json_string(items->key[0]));
    if (items->key[1] != NULL) {
        json_object_set_new(names, "#k1", json_string(items->key[1]));
    }

    for (size_t i = 0; i < items->n; i++) {
        json_t *key = json_object();

        for (size_t j = 0; j < 2 && items->key[j] != NULL; j++) {
            json_object_set(key, items->key[j],
                            json_object_get(items->item[i], items->key[j]));
        }
        json_array_append_new(keys, key);
    }

    return json_pack("{s:{s:{s:o, s:b, s:s, s:o}}}", "RequestItems",
                     items->table, "Keys", keys, "ConsistentRead", 1,
                     "ProjectionExpression", projection,
                     "ExpressionAttributeNames", names);
}


/* Drops those of the answer.  The unprocessed request, or NULL: none is left;
 * -1 in *error: the answer is rubbish. */
static json_t *
drop_found(items_t *items, const json_t *answer, int *error)
{
    const json_t *found, *left;
    json_t *item;
    size_t i;

    found = json_object_get(json_object_get(answer, "Responses"),
                            items->table);
    left = json_object_get(answer, "UnprocessedKeys");

    if (!json_is_array(found) && json_object_size(left) == 0) {
        *error = no_answer_of_ours(items);
        return NULL;
    }

    json_array_foreach(found, i, item)
    {
        size_t index = find(items, item);

        if (index < items->n) {
            drop(items, index);
        }
    }

    return json_object_size(left) > 0 && items->n > 0 ? keys_request(items)
                                                       : NULL;
}


/* Drops the items that the table has; *invalid is 1 if one is no item. */
static int
drop_those_there(items_t *items, int *invalid)
{
    convo_dynamodb_result_e result;
    json_t *request = keys_request(items);
    int error = 0;

    while (request != NULL) {
        json_t *answer = convo_store_dynamodb_call(
            items->store, "BatchGetItem", request, &result);

        if (answer == NULL) {
            *invalid = is_no_item(result);
            return -1;
        }

        request = drop_found(items, answer, &error);
        json_decref(answer);

        if (request != NULL && convo_dynamodb_pause(items->store->dynamodb))
        {
            json_decref(request);
            convo_dynamodb_set_why(items->store->dynamodb,
                                   "throttled: keys are left unprocessed");
            return -1;
        }
    }

    return error;
}


/* --- one by one --- */

static json_t *
put_request(const items_t *items, size_t index)
{
    return json_pack("{s:s, s:O, s:s, s:{s:s}}", "TableName", items->table,
                     "Item", items->item[index], "ConditionExpression",
                     "attribute_not_exists(#k0)",
                     "ExpressionAttributeNames", "#k0", items->key[0]);
}


/* Puts the last n items, at most CALLS, and drops them. */
static int
put_last(items_t *items, size_t n)
{
    const convo_store_dynamodb_table_t table = {
        .name = items->table, .key = items->key[0], .takes = items->takes,
    };
    convo_dynamodb_call_t calls[CALLS] = { { 0 } };
    char refused[CALLS];
    size_t first = items->n - n;
    int result;

    for (size_t i = 0; i < n; i++) {
        calls[i].operation = "PutItem";
        calls[i].request = put_request(items, first + i);
    }

    (void) convo_dynamodb_run(items->store->dynamodb, calls, n);
    result = convo_store_dynamodb_judge(items->store, &table, calls, n,
                                        refused);

    for (size_t i = n; i > 0; i--) {
        if (refused[i - 1]
            || calls[i - 1].result == CONVO_DYNAMODB_TOO_LARGE)
        {
            convo_log(CONVO_LOG_ERROR, "store",
                      "DynamoDB calls an item of table %s invalid",
                      items->table);
            items->refused[items->record[first + i - 1]] = 1;
        }
        drop(items, first + i - 1);
    }

    convo_dynamodb_release(calls, n);

    return result;
}


/* All are tried. */
static int
put_each(items_t *items)
{
    int result = 0;

    while (items->n > 0) {
        result |= put_last(items, items->n < CALLS ? items->n : CALLS);
    }

    return result;
}


/* --- batches --- */

/* The items from first on as a request. */
static json_t *
batch_request(const items_t *items, size_t first)
{
    json_t *puts = json_array();

    for (size_t i = first; i < items->n && i < first + BATCH; i++) {
        json_array_append_new(puts, json_pack("{s:{s:O}}", "PutRequest",
                                              "Item", items->item[i]));
    }

    return json_pack("{s:{s:o}}", "RequestItems", items->table, puts);
}


/* Marks those of the items that the answer says are unprocessed. */
static int
mark_unprocessed(const items_t *items, const json_t *answer, char *unprocessed)
{
    const json_t *tables = json_object_get(answer, "UnprocessedItems");
    const json_t *list = json_object_get(tables, items->table);
    json_t *entry;
    size_t i;

    if (!json_is_object(tables)
        || (json_object_size(tables) > 0 && !json_is_array(list)))
    {
        return no_answer_of_ours(items);
    }

    json_array_foreach(list, i, entry)
    {
        const json_t *put = json_object_get(entry, "PutRequest");
        size_t index = find(items, json_object_get(put, "Item"));

        if (index == items->n) {
            return no_answer_of_ours(items);
        }
        unprocessed[index] = 1;
    }

    return 0;
}


/* Sends all items once; those that were taken are dropped.  *invalid is 1 if
 * one is no item. */
static int
send_batches(items_t *items, int *invalid)
{
    convo_dynamodb_call_t calls[BATCHES] = { { 0 } };
    char unprocessed[ITEMS_MAX] = { 0 };
    size_t n = (items->n + BATCH - 1) / BATCH;
    int result;

    for (size_t i = 0; i < n; i++) {
        calls[i].operation = "BatchWriteItem";
        calls[i].request = batch_request(items, i * BATCH);
    }

    result = convo_dynamodb_run(items->store->dynamodb, calls, n);

    for (size_t i = 0; i < n; i++) {
        *items->takes |= calls[i].result == CONVO_DYNAMODB_OK;
        *invalid |= is_no_item(calls[i].result);
    }

    for (size_t i = 0; i < n && result == 0; i++) {
        result = mark_unprocessed(items, calls[i].answer, unprocessed);
    }

    convo_dynamodb_release(calls, n);

    for (size_t i = items->n; i > 0 && result == 0; i--) {
        if (!unprocessed[i - 1]) {
            drop(items, i - 1);
        }
    }

    return result;
}


static int
put_batches(items_t *items, int *invalid)
{
    while (items->n > 0) {
        if (send_batches(items, invalid) != 0) {
            return -1;
        }
        if (items->n > 0 && convo_dynamodb_pause(items->store->dynamodb) != 0)
        {
            convo_dynamodb_set_why(items->store->dynamodb,
                                   "throttled: %zu items are left unprocessed",
                                   items->n);
            return -1;
        }
    }

    return 0;
}


/* Writes the items that are not there, and drops all. */
static int
put_fresh(items_t *items)
{
    int invalid = 0, result = 0;

    if (items->n == 1) {
        result = put_each(items);
    } else if (items->n > 1) {
        result = drop_those_there(items, &invalid);
        if (result == 0) {
            result = put_batches(items, &invalid);
        }
        if (invalid) {
            result = put_each(items);
        }
    }

    drop_all(items);

    return result == 0 ? 0 : convo_store_dynamodb_fail(items->store, "writing");
}


int
convo_store_dynamodb_write(convo_store_t *store,
                           const convo_store_session_t *sessions, size_t n,
                           char *refused)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    items_t items = { .store = self, .table = self->sessions,
                      .key = { "sessionId", NULL },
                      .takes = &self->takes_sessions, .refused = refused };

    for (size_t i = 0; i < n; i++) {
        if (items.n == 0) {
            convo_dynamodb_begin(self->dynamodb);
        }

        if (add(&items, convo_dynamodb_item_session(&sessions[i]), i) != 0) {
            drop_all(&items);
            return convo_store_dynamodb_fail(self, "writing");
        }

        if (items.n == ITEMS_MAX && put_fresh(&items) != 0) {
            return -1;
        }
    }

    return put_fresh(&items);
}


/* --- reports --- */

int
convo_store_dynamodb_put_reports(convo_store_t *store,
                                 const convo_store_report_t *reports, size_t n,
                                 char *refused)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    items_t items = { .store = self, .table = self->reports,
                      .key = { "sessionId", "reporter" },
                      .takes = &self->takes_reports, .refused = refused };

    for (size_t i = 0; i < n; i += REPORTS_MAX) {
        size_t part = n - i < REPORTS_MAX ? n - i : REPORTS_MAX;

        convo_dynamodb_begin(self->dynamodb);

        if (convo_store_dynamodb_add_blocks(self, reports + i, part) != 0) {
            return -1;
        }

        for (size_t j = i; j < i + part; j++) {
            if (add(&items, convo_dynamodb_item_report(&reports[j]), j) != 0) {
                drop_all(&items);
                return convo_store_dynamodb_fail(self, "writing");
            }
        }

        if (put_fresh(&items) != 0) {
            return -1;
        }
    }

    return 0;
}
