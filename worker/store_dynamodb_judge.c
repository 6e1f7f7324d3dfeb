/*
 * The items that DynamoDB will never take.  What it calls invalid is so for
 * ever, and would hold up all that is written with it: such an item is refused
 * alone.  That is believed only of a table that takes others, as one of another
 * shape takes none, and nothing shall be set aside for that: it has taken one
 * since the store was opened, or has one already.
 *
 * How it fails: an item that is invalid while its table has never had one is a
 * failure of the write, which comes again.
 */

#include "store_dynamodb.h"


static int
is_taken(const convo_dynamodb_call_t *call)
{
    return call->result == CONVO_DYNAMODB_OK
           || call->result == CONVO_DYNAMODB_CONDITION;
}


/* Whether the table has an item with this key. */
static int
has_one(convo_store_dynamodb_t *self, const convo_store_dynamodb_table_t *table)
{
    json_t *request, *answer;
    const json_t *item;
    int result;

    request = json_pack("{s:s, s:i, s:b, s:s, s:{s:s}}", "TableName",
                        table->name, "Limit", 1, "ConsistentRead", 1,
                        "ProjectionExpression", "#key",
                        "ExpressionAttributeNames", "#key", table->key);
    answer = convo_store_dynamodb_call(self, "Scan", request, NULL);
    item = json_array_get(json_object_get(answer, "Items"), 0);
    result = json_object_get(item, table->key) != NULL;
    json_decref(answer);

    return result;
}


int
convo_store_dynamodb_judge(convo_store_dynamodb_t *self,
                           const convo_store_dynamodb_table_t *table,
                           const convo_dynamodb_call_t *calls, size_t n,
                           char *refused)
{
    int invalid = 0, result = 0;

    for (size_t i = 0; i < n; i++) {
        *table->takes |= is_taken(&calls[i]);
        invalid |= calls[i].result == CONVO_DYNAMODB_INVALID;
    }

    if (invalid && !*table->takes) {
        *table->takes = has_one(self, table);
    }

    for (size_t i = 0; i < n; i++) {
        refused[i] = *table->takes
                     && calls[i].result == CONVO_DYNAMODB_INVALID;

        if (!is_taken(&calls[i]) && !refused[i]
            && calls[i].result != CONVO_DYNAMODB_TOO_LARGE)
        {
            result = -1;
        }
    }

    return result;
}
