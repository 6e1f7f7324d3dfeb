/*
 * convo_report: what a report's body may be, and the fault of every other.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "convo_json.h"
#include "convo_report.h"

#define SID "abcdefghijklmnopqrstuvwxyz"

static const convo_json_limits_t limits = { .depth = 8, .count = 256 };


static convo_report_e
fault_of(const char *text)
{
    json_t *body = convo_json_load_object(text, strlen(text), &limits);
    convo_report_t report;
    convo_report_e fault;

    assert_non_null(body);
    fault = convo_report_read(&report, body);
    json_decref(body);

    return fault;
}


static convo_report_e
fault_of_reason(const char *reason)
{
    char text[8192];

    snprintf(text, sizeof(text),
             "{\"sessionId\":\"" SID "\",\"reason\":\"%s\"}", reason);

    return fault_of(text);
}


static convo_report_e
fault_of_id(const char *id)
{
    char text[1024];

    snprintf(text, sizeof(text), "{\"sessionId\":%s,\"reason\":\"r\"}", id);

    return fault_of(text);
}


static void
a_report_is_an_id_and_a_reason(void **state)
{
    static const char text[] = "{\"reason\":\"r\\u00fcde\\nund laut\","
                               "\"sessionId\":\"" SID "\"}";
    json_t *body = convo_json_load_object(text, strlen(text), &limits);
    convo_report_t report;

    (void) state;

    assert_int_equal(convo_report_read(&report, body), CONVO_REPORT_OK);
    assert_memory_equal(report.sid, SID, CONVO_SID_LEN);
    assert_int_equal(report.reason_len, strlen("r\xc3\xbc" "de\nund laut"));
    assert_memory_equal(report.reason, "r\xc3\xbc" "de\nund laut",
                        report.reason_len);
    json_decref(body);
}


static void
other_members_are_refused(void **state)
{
    (void) state;

    assert_int_equal(fault_of("{\"sessionId\":\"" SID "\",\"reason\":\"r\","
                              "\"peer\":\"user-2\"}"),
                     CONVO_REPORT_MEMBER);
    assert_int_equal(fault_of("{\"x\":1}"), CONVO_REPORT_MEMBER);
}


static void
an_id_is_a_string(void **state)
{
    (void) state;

    assert_int_equal(fault_of("{}"), CONVO_REPORT_SESSION_ID);
    assert_int_equal(fault_of("{\"reason\":\"r\"}"), CONVO_REPORT_SESSION_ID);
    assert_int_equal(fault_of_id("null"), CONVO_REPORT_SESSION_ID);
    assert_int_equal(fault_of_id("7"), CONVO_REPORT_SESSION_ID);
    assert_int_equal(fault_of_id("[\"" SID "\"]"), CONVO_REPORT_SESSION_ID);
}


static void
an_id_that_is_none_names_no_session(void **state)
{
    static const char *const ids[] = {
        "\"\"", "\"a\"", "\"" SID "a\"", "\"abcdefghijklmnopqrstuvwxy1\"",
        "\"abcdefghijklmnopqrstuvwxyZ\"", "\"}:user:user-2}{default}:ok\"",
        "\"*\"", "\"abcdefghijklmnopqrstuvw\\u00fcz\"",
        "\"abcdefghijklmnopqrstuvwx\\r\\n\""
    };

    (void) state;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_int_equal(fault_of_id(ids[i]), CONVO_REPORT_NO_SESSION);
    }
}


static void
a_reason_is_a_string_with_something_in_it(void **state)
{
    (void) state;

    assert_int_equal(fault_of("{\"sessionId\":\"" SID "\"}"),
                     CONVO_REPORT_REASON);
    assert_int_equal(fault_of("{\"sessionId\":\"" SID "\",\"reason\":true}"),
                     CONVO_REPORT_REASON);
    assert_int_equal(fault_of_reason(""), CONVO_REPORT_REASON);
    assert_int_equal(fault_of_reason(" "), CONVO_REPORT_OK);
}


/* Counted in bytes of UTF-8, not in characters. */

static void
a_reason_has_a_thousand_bytes(void **state)
{
    char text[2 * CONVO_REASON_MAX + 2];

    (void) state;

    memset(text, 'x', sizeof(text));
    text[CONVO_REASON_MAX] = '\0';
    assert_int_equal(fault_of_reason(text), CONVO_REPORT_OK);

    text[CONVO_REASON_MAX] = 'x';
    text[CONVO_REASON_MAX + 1] = '\0';
    assert_int_equal(fault_of_reason(text), CONVO_REPORT_LONG);

    for (size_t i = 0; i < CONVO_REASON_MAX; i += 2) {
        memcpy(text + i, "\xc3\xbc", 2);
    }
    text[CONVO_REASON_MAX] = '\0';
    assert_int_equal(fault_of_reason(text), CONVO_REPORT_OK);

    memcpy(text + CONVO_REASON_MAX, "\xc3\xbc", 3);
    assert_int_equal(fault_of_reason(text), CONVO_REPORT_LONG);
}


static void
of_control_characters_only_the_new_line_is_taken(void **state)
{
    static const char *const bad[] = {
        "\\u0001", "\\t", "\\r\\n", "\\u001b[2J", "\\u001f", "\\u007f",
        "\\u0080", "\\u009b31m", "a\\u009f"
    };
    static const char *const good[] = {
        "\\n", "a\\nb\\n", " ", "\\u00a0", "\\u00fc", "\\u2028",
        "\\ud83d\\ude00", "\\\"\\\\"
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(fault_of_reason(bad[i]), CONVO_REPORT_CONTROL);
    }

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(fault_of_reason(good[i]), CONVO_REPORT_OK);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_is_an_id_and_a_reason),
        cmocka_unit_test(other_members_are_refused),
        cmocka_unit_test(an_id_is_a_string),
        cmocka_unit_test(an_id_that_is_none_names_no_session),
        cmocka_unit_test(a_reason_is_a_string_with_something_in_it),
        cmocka_unit_test(a_reason_has_a_thousand_bytes),
        cmocka_unit_test(of_control_characters_only_the_new_line_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
