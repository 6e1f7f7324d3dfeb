/*
 * convo_since: which texts are a moment of the past, and which are not.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_since.h"

#define NOW INT64_C(1795334400) /* 2026-11-22T08:00:00Z */


static int64_t
parse(const char *text)
{
    return convo_since_parse(text, strlen(text), NOW);
}


static void
a_date_is_its_first_second(void **state)
{
    (void) state;

    assert_int_equal(parse("1970-01-01"), 0);
    assert_int_equal(parse("2000-02-29"), 951782400);
    assert_int_equal(parse("2024-02-29"), 1709164800);
    assert_int_equal(parse("2024-03-01"), 1709251200);
    assert_int_equal(parse("2026-11-22"), NOW - 8 * 3600);
    assert_int_equal(parse("9999-12-31"), CONVO_SINCE_MAX_S - 86399);
}


static void
a_date_with_its_time_is_read(void **state)
{
    (void) state;

    assert_int_equal(parse("2026-11-22T08:00:00Z"), NOW);
    assert_int_equal(parse("2026-11-22t08:00:00z"), NOW);
    assert_int_equal(parse("2026-11-22T08:00:00.999999999Z"), NOW);
    assert_int_equal(parse("2026-11-22T09:00:00+01:00"), NOW);
    assert_int_equal(parse("2026-11-22T02:30:00-05:30"), NOW);
    assert_int_equal(parse("2026-11-21T23:59:59-00:00"), NOW - 28801);
    assert_int_equal(parse("2016-12-31T23:59:60Z"), 1483228800);
    assert_int_equal(parse("9999-12-31T23:59:59Z"), CONVO_SINCE_MAX_S);
}


static void
epoch_seconds_are_read(void **state)
{
    (void) state;

    assert_int_equal(parse("0"), 0);
    assert_int_equal(parse("1795334400"), NOW);
    assert_int_equal(parse("253402300799"), CONVO_SINCE_MAX_S);
    assert_int_equal(parse("253402300800"), -1);
    assert_int_equal(parse("99999999999999999999999999"), -1);
}


static void
so_long_ago_is_read(void **state)
{
    (void) state;

    assert_int_equal(parse("0s"), NOW);
    assert_int_equal(parse("24h"), NOW - 86400);
    assert_int_equal(parse("90d"), NOW - 90 * 86400);
    assert_int_equal(parse("999ms"), NOW);
    assert_int_equal(convo_since_parse("90d", 3, 5), 0);
}


static void
what_is_no_moment_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "yesterday", "-1", "+1", "1.5", "1e9", " 1", "1 ", "h",
        "24 h", "1969-12-31", "10000-01-01", "2026-13-01", "2026-00-01",
        "2026-01-00", "2026-01-32", "2026-04-31", "2025-02-29", "1900-02-29",
        "2026-1-1", "2026-11-22T", "2026-11-22 ", "2026-11-22T08:00:00",
        "2026-11-22T08:00Z", "2026-11-22T24:00:00Z", "2026-11-22T08:60:00Z",
        "2026-11-22T08:00:61Z", "2026-11-22T08:00:00.Z",
        "2026-11-22T08:00:00,5Z", "2026-11-22T08:00:00+0100",
        "2026-11-22T08:00:00+01", "2026-11-22T08:00:00+24:00",
        "2026-11-22T08:00:00+01:60", "2026-11-22T08:00:00ZZ",
        "2026-11-22T08:00:00Z ", "1970-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01", "9999-12-31T23:59:60Z",
        "2026/11/22", "20261122T080000Z", "2026-11--2",
        "2026-11-22T08:00:00.0000000000000000000000000000000000000000000000Z",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(parse(texts[i]), -1);
    }

    assert_int_equal(convo_since_parse("1\0", 2, NOW), -1);
    assert_int_equal(convo_since_parse("2026-11-22\0", 11, NOW), -1);
}


static void
only_len_bytes_are_read(void **state)
{
    (void) state;

    assert_int_equal(convo_since_parse("17953344009", 10, NOW), NOW);
    assert_int_equal(convo_since_parse("2026-11-22T08:00:00Z", 10, NOW),
                     NOW - 8 * 3600);
    assert_int_equal(convo_since_parse("2026-11-22T08:00:00Z", 19, NOW), -1);
    assert_int_equal(convo_since_parse("2026-11-22", 9, NOW), -1);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_its_first_second),
        cmocka_unit_test(a_date_with_its_time_is_read),
        cmocka_unit_test(epoch_seconds_are_read),
        cmocka_unit_test(so_long_ago_is_read),
        cmocka_unit_test(what_is_no_moment_is_refused),
        cmocka_unit_test(only_len_bytes_are_read),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
