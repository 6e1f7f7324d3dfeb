/*
 * convo_time: which texts are a length of time, and which are not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_time.h"


static int64_t
parse(const char *text)
{
    return convo_time_parse(text, strlen(text));
}


static void
every_unit_is_read(void **state)
{
    (void) state;

    assert_int_equal(parse("250ms"), 250);
    assert_int_equal(parse("15s"), 15000);
    assert_int_equal(parse("2m"), 120000);
    assert_int_equal(parse("24h"), 86400000);
    assert_int_equal(parse("90d"), INT64_C(7776000000));
    assert_int_equal(parse("0s"), 0);
    assert_int_equal(parse("007s"), 7000);
}


static void
what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "",   "s",    "ms",   "15",    "15 s", " 15s", "15s ", "+15s", "-15s",
        "1.5s", "1,5s", "15S", "15sec", "15w",  "1h30m", "0x10s", "1e3ms",
        "15us", "m15", "15ss", "15sm",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse(texts[i]), -1);
    }

    assert_int_equal(convo_time_parse("1s\0s", 4), -1);
}


static void
what_is_too_long_is_refused_and_overflows_nothing(void **state)
{
    (void) state;

    assert_int_equal(parse("3650d"), CONVO_TIME_MAX_MS);
    assert_int_equal(parse("3651d"), -1);
    assert_int_equal(parse("87601h"), -1);
    assert_int_equal(parse("9223372036854775807ms"), -1);
    assert_int_equal(parse("9223372036854775808ms"), -1);
    assert_int_equal(parse("99999999999999999999999999999999999d"), -1);
}


static void
only_len_bytes_are_read(void **state)
{
    (void) state;

    assert_int_equal(convo_time_parse("15sXXX", 3), 15000);
    assert_int_equal(convo_time_parse("15ms", 3), 900000);
    assert_int_equal(convo_time_parse("15s", 2), -1);
    assert_int_equal(convo_time_parse("15s", 0), -1);
}


static void
the_largest_whole_unit_is_written(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { 250, "250ms" },        { 1500, "1500ms" },
        { 15000, "15s" },        { 90000, "90s" },
        { 120000, "2m" },        { 86400000, "1d" },
        { 5400000, "90m" },      { 0, "0ms" },
        { CONVO_TIME_MAX_MS, "3650d" },
    };
    char text[CONVO_TIME_TEXT];

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(convo_time_format(cases[i].ms, text),
                            cases[i].text);
        assert_int_equal(parse(text), cases[i].ms);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(what_is_too_long_is_refused_and_overflows_nothing),
        cmocka_unit_test(only_len_bytes_are_read),
        cmocka_unit_test(the_largest_whole_unit_is_written),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
