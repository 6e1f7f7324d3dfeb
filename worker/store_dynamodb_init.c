/*
 * Making the tables of the DynamoDB store: on-demand billing, the sessions'
 * two indexes, and expiry (TTL) of sessions and reports.  docs/stores.md has
 * them as a table.
 *
 * It may be repeated, cut off, and done by several at once: each step looks at
 * what is there and does what is missing.  A table of another shape is told
 * and never changed.
 */

#include "store_dynamodb.h"
#include "stop.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* How long a table may take to be made. */
#define WAIT_S  120
#define POLL_MS 500

#define EXPIRY "expiresAt"

/* What a table is found by: a range may be NULL. */
typedef struct {
    const char *hash;
    const char *range;
} keys_t;

typedef struct {
    const char *name;
    keys_t keys;
    const char *attributes; /* of all keys, as JSON */
    int has_indexes;
    int expires;
} table_t;

static const struct {
    const char *name;
    keys_t keys;
} indexes[] = {
    { CONVO_DYNAMODB_INDEX_A, { "userA", "startTime" } },
    { CONVO_DYNAMODB_INDEX_B, { "userB", "startTime" } },
};

#define INDEXES (sizeof(indexes) / sizeof(indexes[0]))

#define TEXT(name)   "{\"AttributeName\":\"" name "\",\"AttributeType\":\"S\"}"
#define NUMBER(name) "{\"AttributeName\":\"" name "\",\"AttributeType\":\"N\"}"


/* --- what is wanted --- */

static json_t *
key_schema(const keys_t *keys)
{
    json_t *schema = json_pack("[{s:s, s:s}]", "AttributeName", keys->hash,
                               "KeyType", "HASH");

    if (keys->range != NULL) {
        json_array_append_new(schema,
                              json_pack("{s:s, s:s}", "AttributeName",
                                        keys->range, "KeyType", "RANGE"));
    }

    return schema;
}


static json_t *
creation_request(const table_t *table)
{
    json_t *request, *list;

    request = json_pack("{s:s, s:o, s:o, s:s}", "TableName", table->name,
                        "KeySchema", key_schema(&table->keys),
                        "AttributeDefinitions",
                        json_loads(table->attributes, 0, NULL),
                        "BillingMode", "PAY_PER_REQUEST");

    if (table->has_indexes) {
        list = json_array();
        for (size_t i = 0; i < INDEXES; i++) {
            json_array_append_new(
                list, json_pack("{s:s, s:o, s:{s:s}}", "IndexName",
                                indexes[i].name, "KeySchema",
                                key_schema(&indexes[i].keys), "Projection",
                                "ProjectionType", "ALL"));
        }
        json_object_set_new(request, "GlobalSecondaryIndexes", list);
    }

    return request;
}


/* --- what is there --- */

static int
has_keys(const json_t *description, const keys_t *keys)
{
    json_t *wanted = key_schema(keys);
    int same = json_equal(json_object_get(description, "KeySchema"), wanted);

    json_decref(wanted);

    return same;
}


static int
has_status(const json_t *description, const char *name, const char *status)
{
    const char *text = json_string_value(json_object_get(description, name));

    return text != NULL && strcmp(text, status) == 0;
}


/* The index of the table, or NULL. */
static const json_t *
find_index(const json_t *description, const char *name)
{
    json_t *index;
    size_t i;

    json_array_foreach(json_object_get(description, "GlobalSecondaryIndexes"),
                       i, index)
    {
        if (has_status(index, "IndexName", name)) {
            return index;
        }
    }

    return NULL;
}


static int
has_types(const json_t *description, const table_t *table)
{
    const json_t *there = json_object_get(description, "AttributeDefinitions");
    json_t *wanted = json_loads(table->attributes, 0, NULL);
    json_t *definition, *other;
    size_t i, j, found = 0;

    json_array_foreach(wanted, i, definition)
    {
        json_array_foreach(there, j, other)
        {
            found += json_equal(definition, other) ? 1 : 0;
        }
    }

    found = found == json_array_size(wanted);
    json_decref(wanted);

    return (int) found;
}


/* 1: the table is as wanted and ready, 0: not ready yet, -1: it is another. */
static int
judge_table(convo_store_dynamodb_t *self, const table_t *table,
            const json_t *description)
{
    int ready = has_status(description, "TableStatus", "ACTIVE")
                || has_status(description, "TableStatus", "UPDATING");

    if (!has_keys(description, &table->keys) || !has_types(description, table))
    {
        convo_dynamodb_set_why(self->dynamodb,
                               "the table is there with other keys");
        return -1;
    }

    for (size_t i = 0; table->has_indexes && i < INDEXES; i++) {
        const json_t *index = find_index(description, indexes[i].name);

        if (index == NULL || !has_keys(index, &indexes[i].keys)
            || !has_status(json_object_get(index, "Projection"),
                           "ProjectionType", "ALL"))
        {
            convo_dynamodb_set_why(self->dynamodb,
                                   "the table is there without the index %s",
                                   indexes[i].name);
            return -1;
        }
        ready = ready && (has_status(index, "IndexStatus", "ACTIVE")
                          || has_status(index, "IndexStatus", "UPDATING"));
    }

    return ready;
}


/* The same of what DynamoDB describes; a table that it has just begun to make
 * may be unknown for a moment. */
static int
look_at_table(convo_store_dynamodb_t *self, const table_t *table)
{
    convo_dynamodb_result_e result;
    json_t *answer;
    int verdict;

    convo_dynamodb_begin(self->dynamodb);
    answer = convo_store_dynamodb_call(
        self, "DescribeTable", json_pack("{s:s}", "TableName", table->name),
        &result);

    if (answer == NULL) {
        return result == CONVO_DYNAMODB_MISSING ? 0 : -1;
    }

    verdict = judge_table(self, table, json_object_get(answer, "Table"));
    json_decref(answer);

    return verdict;
}


static int
wait_for_table(convo_store_dynamodb_t *self, const table_t *table)
{
    time_t began = time(NULL);
    int verdict = look_at_table(self, table);

    while (verdict == 0 && time(NULL) - began < WAIT_S) {
        if (convo_stop_wait(POLL_MS)) {
            break;
        }
        verdict = look_at_table(self, table);
    }

    if (verdict == 0) {
        convo_dynamodb_set_why(self->dynamodb,
                               "the table is not ready yet: try again");
    }

    return verdict == 1 ? 0 : -1;
}


/* --- expiry --- */

/* 1: on, 0: off, -1: on for another attribute, or nobody knows. */
static int
look_at_expiry(convo_store_dynamodb_t *self, const table_t *table)
{
    const json_t *expiry;
    json_t *answer;
    int verdict = -1;

    convo_dynamodb_begin(self->dynamodb);
    answer = convo_store_dynamodb_call(
        self, "DescribeTimeToLive",
        json_pack("{s:s}", "TableName", table->name), NULL);
    if (answer == NULL) {
        return -1;
    }

    expiry = json_object_get(answer, "TimeToLiveDescription");

    if (has_status(expiry, "TimeToLiveStatus", "DISABLED")) {
        verdict = 0;
    } else if ((has_status(expiry, "TimeToLiveStatus", "ENABLED")
                || has_status(expiry, "TimeToLiveStatus", "ENABLING"))
               && has_status(expiry, "AttributeName", EXPIRY))
    {
        verdict = 1;
    } else {
        convo_dynamodb_set_why(self->dynamodb,
                               "its items do not expire by " EXPIRY);
    }

    json_decref(answer);

    return verdict;
}


static int
make_expiry(convo_store_dynamodb_t *self, const table_t *table)
{
    int verdict = look_at_expiry(self, table);
    json_t *answer;

    if (verdict != 0) {
        return verdict > 0 ? 0 : -1;
    }

    answer = convo_store_dynamodb_call(
        self, "UpdateTimeToLive",
        json_pack("{s:s, s:{s:b, s:s}}", "TableName", table->name,
                  "TimeToLiveSpecification", "Enabled", 1, "AttributeName",
                  EXPIRY),
        NULL);
    json_decref(answer);

    /* another may have been faster, which is refused as wrong */
    return answer != NULL || look_at_expiry(self, table) == 1 ? 0 : -1;
}


/* --- all of it --- */

static int
make_table(convo_store_dynamodb_t *self, const table_t *table)
{
    convo_dynamodb_result_e result = CONVO_DYNAMODB_OK;
    int verdict = look_at_table(self, table);
    json_t *answer;

    if (verdict == 0) {
        answer = convo_store_dynamodb_call(
            self, "CreateTable", creation_request(table), &result);
        json_decref(answer);
        verdict = result == CONVO_DYNAMODB_OK || result == CONVO_DYNAMODB_IN_USE
                      ? 0
                      : -1;
    }

    if (verdict == 0) {
        verdict = wait_for_table(self, table);
    }

    return verdict < 0 || (table->expires && make_expiry(self, table) != 0)
               ? -1
               : 0;
}


int
convo_store_dynamodb_init(convo_store_t *store)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    const table_t tables[] = {
        { self->sessions,
          { "sessionId", NULL },
          "[" TEXT("sessionId") "," TEXT("userA") "," TEXT("userB") ","
              NUMBER("startTime") "]",
          1, 1 },
        { self->users, { "userId", NULL }, "[" TEXT("userId") "]", 0, 0 },
        { self->reports,
          { "sessionId", "reporter" },
          "[" TEXT("sessionId") "," TEXT("reporter") "]",
          0, 1 },
    };

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        if (make_table(self, &tables[i]) != 0) {
            char what[CONVO_DYNAMODB_TABLE + 16];

            snprintf(what, sizeof(what), "table %s", tables[i].name);
            return convo_store_dynamodb_fail(self, what);
        }
    }

    return 0;
}
