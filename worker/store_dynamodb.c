/*
 * The store in DynamoDB: three tables for any number of workers and hosts.
 * What it is made of is in store_dynamodb.h, the tables are in docs/stores.md.
 *
 * How it fails: no answer, a refusal, throttling beyond the budget and rubbish
 * are all a -1 with a phrase that names no user and quotes no answer; what was
 * to be written is written again by the caller.  What expires, DynamoDB
 * deletes by itself (TTL), within days; until then it is left out of what is
 * read.
 */

#include "store_dynamodb.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>


int
convo_store_dynamodb_fail(convo_store_dynamodb_t *self, const char *what)
{
    snprintf(self->store.error, CONVO_STORE_ERROR, "%s: %s", what,
             convo_dynamodb_why(self->dynamodb));

    return -1;
}


json_t *
convo_store_dynamodb_call(convo_store_dynamodb_t *self, const char *operation,
                          json_t *request, convo_dynamodb_result_e *result)
{
    convo_dynamodb_call_t call = { .operation = operation,
                                   .request = request };
    json_t *answer;

    convo_dynamodb_run(self->dynamodb, &call, 1);

    if (result != NULL) {
        *result = call.result;
    }

    answer = json_incref(call.answer);
    convo_dynamodb_release(&call, 1);

    return answer;
}


/* DynamoDB counts about every six hours, and tells for nothing. */
static int64_t
count(convo_store_t *store)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    const json_t *number;
    json_t *answer;
    int64_t items;

    convo_dynamodb_begin(self->dynamodb);

    answer = convo_store_dynamodb_call(
        self, "DescribeTable", json_pack("{s:s}", "TableName", self->sessions),
        NULL);
    if (answer == NULL) {
        return convo_store_dynamodb_fail(self, "counting");
    }

    number = json_object_get(json_object_get(answer, "Table"), "ItemCount");
    items = json_is_integer(number) ? json_integer_value(number) : -1;
    json_decref(answer);

    if (items < 0) {
        convo_dynamodb_set_why(self->dynamodb,
                               "an answer that is not DynamoDB's");
        return convo_store_dynamodb_fail(self, "counting");
    }

    return items;
}


static int64_t
expire(convo_store_t *store, int64_t now_s)
{
    (void) store;
    (void) now_s;

    return 0;
}


static void
close_store(convo_store_t *store)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;

    convo_dynamodb_free(self->dynamodb);
    free(self);
}


convo_store_t *
convo_store_dynamodb_new(const convo_dynamodb_config_t *config)
{
    convo_store_dynamodb_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, "store", "out of memory");
        abort();
    }

    self->dynamodb = convo_dynamodb_new(config);
    snprintf(self->sessions, CONVO_DYNAMODB_TABLE, "%ssessions",
             config->prefix);
    snprintf(self->users, CONVO_DYNAMODB_TABLE, "%susers", config->prefix);
    snprintf(self->reports, CONVO_DYNAMODB_TABLE, "%sreports",
             config->prefix);

    self->store.init = convo_store_dynamodb_init;
    self->store.write = convo_store_dynamodb_write;
    self->store.put_users = convo_store_dynamodb_put_users;
    self->store.put_reports = convo_store_dynamodb_put_reports;
    self->store.each_user = convo_store_dynamodb_each_user;
    self->store.each_session = convo_store_dynamodb_each_session;
    self->store.each_report = convo_store_dynamodb_each_report;
    self->store.count = count;
    self->store.expire = expire;
    self->store.close = close_store;

    return &self->store;
}
