/*
 * What DynamoDB answers: items as records and back, and what an error means.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dynamodb_error.h"
#include "dynamodb_item.h"

#define SID "aaaaaaaaaaaaaaaaaaaaaaaaab"

static const char session_json[]
    = "{\"sessionId\": {\"S\": \"" SID "\"}, \"userA\": {\"S\": \"ann\"},"
      " \"userB\": {\"S\": \"\xc3\xb6\"}, \"startTime\": {\"N\": \"1\"},"
      " \"endTime\": {\"N\": \"413\"}, \"duration\": {\"N\": \"412\"},"
      " \"expiresAt\": {\"N\": \"7776413\"}}";

static const char report_json[]
    = "{\"sessionId\": {\"S\": \"" SID "\"}, \"reporter\": {\"S\": \"ann\"},"
      " \"reported\": {\"S\": \"bob\"}, \"reason\": {\"S\": \"\"},"
      " \"pool\": {\"S\": \"p\"}, \"at\": {\"N\": \"5\"},"
      " \"expiresAt\": {\"N\": \"9\"}}";


/* The item with one attribute of another value. */
static json_t *
changed(const char *text, const char *name, const char *value)
{
    json_t *item = json_loads(text, 0, NULL);

    assert_non_null(item);
    if (name != NULL) {
        json_object_set_new(item, name,
                            json_loads(value, JSON_DECODE_ANY, NULL));
    }

    return item;
}


static void
records_become_items_and_come_back(void **state)
{
    json_t *item = changed(session_json, NULL, NULL), *again;
    convo_store_session_t session;
    convo_store_report_t report;

    (void) state;

    assert_int_equal(convo_dynamodb_item_read_session(item, &session), 0);
    assert_string_equal(session.session_id, SID);
    assert_string_equal(session.user_b, "\xc3\xb6");
    assert_int_equal(session.expires_at, 7776413);
    again = convo_dynamodb_item_session(&session);
    assert_true(json_equal(item, again));
    json_decref(again);
    json_decref(item);

    item = changed(report_json, NULL, NULL);
    assert_int_equal(convo_dynamodb_item_read_report(item, &report), 0);
    assert_string_equal(report.reason, "");
    again = convo_dynamodb_item_report(&report);
    assert_true(json_equal(item, again));
    json_decref(again);
    json_decref(item);
}


static void
a_user_may_be_known_by_blocks_alone(void **state)
{
    json_t *item = json_loads("{\"userId\": {\"S\": \"ann\"}, \"pool\":"
                              " {\"S\": \"p\"}, \"blocked\": {\"SS\":"
                              " [\"bob\"]}}", 0, NULL);
    convo_store_user_t user;

    (void) state;

    memset(&user, 0xff, sizeof(user));
    assert_int_equal(convo_dynamodb_item_read_user(item, &user), 0);
    assert_string_equal(user.user_id, "ann");
    assert_int_equal(user.version, 0);
    assert_int_equal(user.points, 0);
    assert_int_equal(user.state, CONVO_USER_IDLE);
    assert_int_equal(json_array_size(convo_dynamodb_item_set(item, "blocked")),
                     1);
    json_decref(item);
}


static void
what_is_no_record_is_refused(void **state)
{
    static const struct {
        const char *name;
        const char *value;
    } bad[] = {
        { "sessionId", "{\"S\": \"short\"}" },
        { "userA", "{\"S\": \"\"}" },
        { "userA", "{\"N\": \"1\"}" },
        { "userA", "{\"S\": \"a\", \"N\": \"1\"}" },
        { "userA", "\"ann\"" },
        { "userA", "null" },
        { "duration", "{\"N\": 412}" },
        { "duration", "{\"N\": \"\"}" },
        { "duration", "{\"N\": \"-1\"}" },
        { "duration", "{\"N\": \"1.5\"}" },
        { "duration", "{\"N\": \"1e3\"}" },
        { "duration", "{\"N\": \" 1\"}" },
        { "duration", "{\"N\": \"99999999999999999999\"}" },
        { "duration", "{\"S\": \"1\"}" },
    };
    convo_store_session_t session;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *item = changed(session_json, bad[i].name, bad[i].value);

        assert_int_equal(convo_dynamodb_item_read_session(item, &session), -1);
        json_decref(item);
    }

    assert_int_equal(convo_dynamodb_item_read_session(NULL, &session), -1);
}


static convo_dynamodb_error_t
read_error(long status, const char *answer)
{
    convo_dynamodb_error_t error;

    convo_dynamodb_error_read(&error, status, answer, strlen(answer));

    return error;
}


static void
an_error_is_known_by_its_name(void **state)
{
    convo_dynamodb_error_t error;

    (void) state;

    error = read_error(400, "{\"__type\": \"com.amazonaws.dynamodb.v20120810#"
                            "ConditionalCheckFailedException\"}");
    assert_int_equal(error.result, CONVO_DYNAMODB_CONDITION);
    assert_int_equal(error.is_passing, 0);

    error = read_error(400, "{\"__type\": \"ThrottlingException\"}");
    assert_int_equal(error.result, CONVO_DYNAMODB_FAILED);
    assert_int_equal(error.is_passing, 1);

    error = read_error(400, "{\"__type\": \"x#ExpiredTokenException\"}");
    assert_int_equal(error.is_key, 1);

    error = read_error(400, "{\"__type\": \"x#ValidationException\","
                            " \"message\": \"Item size to update has exceeded"
                            " the maximum allowed size\"}");
    assert_int_equal(error.result, CONVO_DYNAMODB_TOO_LARGE);

    error = read_error(400, "{\"__type\": \"x#ValidationException\","
                            " \"message\": \"no\"}");
    assert_int_equal(error.result, CONVO_DYNAMODB_INVALID);
}


/* A balancer's page must never be a condition that did not hold. */
static void
what_is_no_error_of_dynamodb_fails(void **state)
{
    static const char *const answers[] = {
        "", "{}", "<html>", "[]", "{\"__type\": 5}", "{\"__type\": \"\"}",
        "{\"__type\": \"a b\"}", "{\"__type\": \"x#\"}",
        "{\"__type\": \"AConditionalCheckFailedExceptionWithAVeryLongTailThat"
        "NobodyEverMadeUp\"}",
    };
    convo_dynamodb_error_t error;

    (void) state;

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        error = read_error(400, answers[i]);
        assert_int_equal(error.result, CONVO_DYNAMODB_FAILED);
        assert_int_equal(error.is_passing, 0);
        assert_string_equal(error.name, "");
        assert_string_equal(error.hint, "is the endpoint DynamoDB's?");

        error = read_error(503, answers[i]);
        assert_int_equal(error.is_passing, 1);
    }

    error = read_error(500, "{\"__type\": \"ResourceInUseException\"}");
    assert_int_equal(error.result, CONVO_DYNAMODB_FAILED);
    assert_int_equal(error.is_passing, 1);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_become_items_and_come_back),
        cmocka_unit_test(a_user_may_be_known_by_blocks_alone),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(an_error_is_known_by_its_name),
        cmocka_unit_test(what_is_no_error_of_dynamodb_fails),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
