/*
 * convo_json: what no reader of outside JSON may take.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_json.h"

static const convo_json_limits_t limits = { .depth = 3, .count = 6 };


static int
loads(const char *text)
{
    json_t *json = convo_json_load(text, strlen(text), &limits);
    int loaded = (json != NULL);

    json_decref(json);

    return loaded;
}


static void
depth_and_count_end_where_they_are_set(void **state)
{
    (void) state;

    assert_true(loads("[[[]]]"));
    assert_false(loads("[[[[]]]]"));
    assert_false(loads("{\"a\":{\"b\":{\"c\":{}}}}"));
    assert_true(loads("[1,2,3,4,5,6]"));
    assert_false(loads("[1,2,3,4,5,6,7]"));
}


static void
brackets_and_commas_in_strings_do_not_count(void **state)
{
    (void) state;

    assert_true(loads("[\"[[[[[[,,,,,,,,,,\"]"));
    assert_true(loads("[\"\\\"[[[[[[\"]"));
    assert_false(loads("[\"\\\\\",[[[[1]]]]]"));
}


static void
a_depth_bomb_is_refused(void **state)
{
    static char bomb[100000];

    (void) state;

    memset(bomb, '[', sizeof(bomb));
    assert_null(convo_json_load(bomb, sizeof(bomb), &limits));
}


static void
a_member_is_not_said_twice(void **state)
{
    (void) state;

    assert_false(loads("{\"a\":1,\"a\":2}"));
    assert_false(loads("{\"a\":1,\"\\u0061\":2}"));
}


static void
what_is_no_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "", " ", "1", "\"a\"", "null", "{", "[1,]", "{\"a\"}", "[1] x",
        "[01]", "[NaN]", "['a']", "[\"\\u0000\"]", "[\"\x80\"]",
        "[\"\xc0\xaf\"]", "[\"\xed\xa0\x80\"]", "[\"a\nb\"]", "[1e999]",
        "[99999999999999999999]", "\xef\xbb\xbf[]",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(loads(bad[i]));
    }

    assert_null(convo_json_load("[1]\0", 4, &limits));
}


static void
an_object_is_an_object(void **state)
{
    json_t *json = convo_json_load_object("{\"a\":1}", 7, &limits);

    (void) state;

    assert_non_null(json);
    json_decref(json);
    assert_null(convo_json_load_object("[1]", 3, &limits));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depth_and_count_end_where_they_are_set),
        cmocka_unit_test(brackets_and_commas_in_strings_do_not_count),
        cmocka_unit_test(a_depth_bomb_is_refused),
        cmocka_unit_test(a_member_is_not_said_twice),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(an_object_is_an_object),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
