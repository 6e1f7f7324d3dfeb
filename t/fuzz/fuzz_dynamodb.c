/*
 * dynamodb_item and dynamodb_error: any bytes as what DynamoDB answers, with
 * the status in the first line.  What is taken for a record is one that a
 * store can hold, and an error is never taken for success.
 */

#include "input.h"

#include "convo_json.h"
#include "dynamodb_error.h"
#include "dynamodb_item.h"

#include <ctype.h>
#include <string.h>

static const convo_json_limits_t limits = { .depth = 16, .count = 10000 };


static void
check_error(long status, const input_text_t *text)
{
    convo_dynamodb_error_t error;

    convo_dynamodb_error_read(&error, status, text->data, text->len);

    MUST(error.result != CONVO_DYNAMODB_OK);
    MUST(error.hint != NULL);
    MUST(strlen(error.name) <= CONVO_DYNAMODB_ERROR_NAME);
    MUST(status < 500 || error.is_passing);

    for (const char *p = error.name; *p != '\0'; p++) {
        MUST(isalpha((unsigned char) *p));
    }
}


static void
check_item(const json_t *item)
{
    convo_store_session_t session;
    convo_store_report_t report;
    convo_store_user_t user;
    json_t *again;

    if (convo_dynamodb_item_read_session(item, &session) == 0) {
        convo_store_session_t other;

        MUST(convo_store_session_is_good(&session));
        again = convo_dynamodb_item_session(&session);
        MUST(again != NULL);
        MUST(convo_dynamodb_item_read_session(again, &other) == 0);
        MUST(strcmp(other.user_a, session.user_a) == 0);
        MUST(other.duration == session.duration);
        json_decref(again);
    }

    if (convo_dynamodb_item_read_report(item, &report) == 0) {
        MUST(convo_store_report_is_good(&report));
        again = convo_dynamodb_item_report(&report);
        MUST(again != NULL);
        json_decref(again);
    }

    if (convo_dynamodb_item_read_user(item, &user) == 0) {
        MUST(convo_store_user_is_good(&user));
        again = convo_dynamodb_item_user(&user);
        MUST(again != NULL);
        json_decref(again);
    }

    MUST(convo_dynamodb_item_set(item, "blocked") == NULL
         || json_is_array(convo_dynamodb_item_set(item, "blocked")));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    input_t input = { data, len };
    input_text_t line = input_line(&input);
    input_text_t text = input_rest(&input);
    long status = line.len > 0 ? line.data[0] * 3L : 400;
    json_t *answer, *item;
    size_t i;

    check_error(status, &text);

    answer = convo_json_load_object(text.data, text.len, &limits);

    json_array_foreach(json_object_get(answer, "Items"), i, item)
    {
        check_item(item);
    }

    json_decref(answer);
    free(line.data);
    free(text.data);

    return 0;
}
