/*
 * convo_document and convo_number: what JSON is, what only looks like it, and
 * what is made to hurt a reader.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convo_document.h"
#include "convo_number.h"

#define MAX 512

static convo_value_t values[MAX];
static char text[CONVO_DOCUMENT_LEN_MAX + CONVO_DOCUMENT_SLACK + 1];


static size_t
reads_bytes(const char *bytes, size_t len)
{
    memcpy(text, bytes, len);
    memset(text + len, 'x', CONVO_DOCUMENT_SLACK);

    return convo_document_read(values, MAX, CONVO_DOCUMENT_DEPTH_MAX, text,
                               len);
}


static size_t
reads(const char *json)
{
    return reads_bytes(json, strlen(json));
}


/* The bytes between the brackets are one string, which decodes to this. */
static void
decodes(const char *json, const char *expected)
{
    assert_int_equal(reads(json), 2);
    assert_string_equal(convo_value_text(values + 1).data, expected);
    assert_int_equal(convo_value_text(values + 1).len, strlen(expected));
}


static void
values_lie_in_the_order_of_the_text(void **state)
{
    const convo_value_t *object, *array, *value;

    (void) state;

    assert_int_equal(reads(" {\"a\":[1,{},[true]],\n\"b\":{\"c\":null},"
                           "\t\"d\" : \"x\",\r\"\":false} "),
                     10);

    object = values;
    assert_int_equal(convo_value_type(object), CONVO_VALUE_OBJECT);
    assert_int_equal(convo_value_count(object), 4);

    array = convo_value_next(object, NULL);
    assert_string_equal(convo_value_name(array).data, "a");
    assert_int_equal(convo_value_count(array), 3);

    value = convo_value_next(array, NULL);
    assert_int_equal(convo_value_type(value), CONVO_VALUE_NUMBER);
    assert_null(convo_value_name(value).data);
    value = convo_value_next(array, value);
    assert_int_equal(convo_value_type(value), CONVO_VALUE_OBJECT);
    assert_null(convo_value_next(value, NULL));
    value = convo_value_next(array, value);
    assert_int_equal(convo_value_type(convo_value_next(value, NULL)),
                     CONVO_VALUE_TRUE);
    assert_null(convo_value_next(array, value));

    value = convo_value_next(object, array);
    assert_string_equal(convo_value_name(value).data, "b");
    value = convo_value_member(value, "c", 1);
    assert_int_equal(convo_value_type(value), CONVO_VALUE_NULL);

    assert_true(convo_value_is(convo_value_member(object, "d", 1), "x", 1));
    assert_false(convo_value_is(convo_value_member(object, "d", 1), "xy", 2));
    assert_int_equal(convo_value_type(convo_value_member(object, "", 0)),
                     CONVO_VALUE_FALSE);
    assert_null(convo_value_member(object, "c", 1));
    assert_null(convo_value_member(array, "a", 1));
}


static void
no_value_has_nothing(void **state)
{
    double number;

    (void) state;

    assert_int_equal(convo_value_type(NULL), CONVO_VALUE_NONE);
    assert_null(convo_value_text(NULL).data);
    assert_null(convo_value_name(NULL).data);
    assert_null(convo_value_next(NULL, NULL));
    assert_null(convo_value_member(NULL, "", 0));
    assert_false(convo_value_is(NULL, "", 0));
    assert_false(convo_value_number(NULL, &number));
    assert_int_equal(convo_value_count(NULL), 0);
    assert_int_equal(convo_value_json(NULL, NULL), 0);
}


static void
what_is_no_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "", " ", "1", "\"a\"", "null", "{", "[", "}", "]", "[}", "{]", "[1",
        "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1}", "{\"a\":1]",
        "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\" 1}", "{a:1}",
        "{1:1}", "{\"a\":1 \"b\":2}", "{\"a\"::1}", "{\"a\":1,,\"b\":2}",
        "[1] x", "[1]]", "[][]", "{}{}", "[1]//", "/**/[1]", "['a']",
        "[tru]", "[True]", "[truex]", "[nul]", "[nulll]", "[falsey]",
        "[NaN]", "[Infinity]", "[-Infinity]", "[undefined]", "[\"a]",
        "[\"a\\\"]", "[\"", "[\"\\", "[\"\\u", "[\"\\u0", "[\"\\u00e",
        "\xef\xbb\xbf[]", "\xff\xfe[\0]\0", "\f[]", "\v[]", "[\xc2\xa0]",
        "[1,\x1f" "2]", "[\x7f]",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (reads(bad[i]) != 0) {
            fail_msg("%s is taken", bad[i]);
        }
    }

    /* NUL is no end, no blank and no character */
    assert_int_equal(reads_bytes("[1]\0", 4), 0);
    assert_int_equal(reads_bytes("[1]\0x", 5), 0);
    assert_int_equal(reads_bytes("[1,\0 2]", 7), 0);
    assert_int_equal(reads_bytes("[\"a\0b\"]", 7), 0);
    assert_int_equal(reads_bytes("\0[]", 3), 0);
    assert_int_equal(reads_bytes("{\"a\0\":1}", 8), 0);
    assert_int_equal(reads_bytes("[\"\\u0\0\"]", 8), 0);
}


static void
a_string_is_decoded(void **state)
{
    (void) state;

    decodes("[\"\"]", "");
    decodes("[\"a quite plain one of more than eight\"]",
            "a quite plain one of more than eight");
    decodes("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "\"\\/\b\f\n\r\t");
    decodes("[\"https:\\/\\/idp.example\\/pool\"]",
            "https://idp.example/pool");
    decodes("[\"\\u0041\\u00e9\\u20AC\\uD83D\\ude00\"]",
            "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    decodes("[\"\\u007f\\u0080\\u07ff\\u0800\\ud7ff\\ue000\\uffff\"]",
            "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
            "\xef\xbf\xbf");
    decodes("[\"\\ud800\\udc00\\udbff\\udfff\"]",
            "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    decodes("[\"\x7f\"]", "\x7f");
    decodes("[\"12345678\\n12345678\\t\xc3\xa9" "12345678\"]",
            "12345678\n12345678\t\xc3\xa9" "12345678");
}


static void
a_string_has_no_other_escapes(void **state)
{
    static const char *const bad[] = {
        "[\"\\a\"]", "[\"\\'\"]", "[\"\\0\"]", "[\"\\x41\"]", "[\"\\U0041\"]",
        "[\"\\u004\"]", "[\"\\u00g0\"]", "[\"\\u 041\"]", "[\"\\u+041\"]",
        "[\"\\u0000\"]", "[\"a\\u0000b\"]", "{\"a\\u0000\":1}",
        /* surrogates alone, or in the wrong order */
        "[\"\\ud800\"]", "[\"\\udc00\"]", "[\"\\ud800x\"]",
        "[\"\\ud800\\n\"]", "[\"\\ud800\\u0041\"]", "[\"\\ud800\\ud800\"]",
        "[\"\\udc00\\ud800\"]", "[\"\\ud800\\udbff\"]", "[\"\\ud800\\ue000\"]",
        "[\"\\ud83d\\\"]", "[\"\\ud83d\\u\"]", "[\"\\ud83d\\ude0\"]",
    };
    char one[] = "[\"a?\"]";

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (reads(bad[i]) != 0) {
            fail_msg("%s is taken", bad[i]);
        }
    }

    for (int ch = 0; ch < 0x20; ch++) {
        one[3] = (char) ch;
        assert_int_equal(reads_bytes(one, 6), 0);
    }
}


static void
a_string_is_utf_8(void **state)
{
    static const char *const good[] = {
        "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf", "\xef\xbb\xbf",
    };
    static const char *const bad[] = {
        /* alone, cut off, and one too many */
        "\x80", "\xbf", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc3\xa9\xa9",
        "\xc3(", "\xe2\x82(", "\xf0\x9f\x98(",
        /* overlong */
        "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf",
        "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf", "\xc0\x80",
        /* surrogates, above U+10FFFF, never a lead byte */
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff",
    };
    char json[32];

    (void) state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(json, sizeof(json), "[\"\\n%s\"]", good[i]);
        assert_int_equal(reads(json), 2);
        assert_string_equal(convo_value_text(values + 1).data + 1, good[i]);
    }

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(json, sizeof(json), "[\"%s\"]", bad[i]);
        assert_int_equal(reads(json), 0);
        snprintf(json, sizeof(json), "{\"%s\":1}", bad[i]);
        assert_int_equal(reads(json), 0);
    }
}


static void
a_number_has_one_grammar(void **state)
{
    static const char *const good[] = {
        "0", "-0", "0.0", "-0.0e-0", "7", "10", "-1", "1.5", "1E2", "1e+2",
        "1e-2", "0e999999999999", "1e307", "9.99e307", "1e-400",
        "9223372036854775808", "123456789012345678901234567890",
    };
    static const char *const bad[] = {
        "", "-", "+1", "--1", "01", "-01", "00", ".5", "1.", "1.e1", "-.5",
        "1e", "1e+", "1e1.5", "1 1", "1_0", "0x10", "1f", "1e1e1", "- 1",
        "1,5.", "1e308", "1e400", "-1e400", "1e99999999999999999999",
        "\xd9\xa1", "1\xd9\xa1",
    };
    char json[64];
    char zeros[400];

    (void) state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(json, sizeof(json), "[%s]", good[i]);
        assert_int_equal(reads(json), 2);
        assert_int_equal(convo_value_text(values + 1).len, strlen(good[i]));
    }

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(json, sizeof(json), "[%s]", bad[i]);

        if (strcmp(bad[i], "") != 0 && reads(json) != 0) {
            fail_msg("%s is taken", json);
        }
    }

    /* 309 digits, and 309 digits that an exponent makes small again */
    memset(zeros, '0', sizeof(zeros));
    memcpy(zeros, "[1", 2);
    strcpy(zeros + 2 + 307, "]");
    assert_int_equal(reads(zeros), 2);
    memcpy(zeros + 2 + 307, "0]", 3);
    assert_int_equal(reads(zeros), 0);
    memcpy(zeros + 2 + 307, "0e-9]", 6);
    assert_int_equal(reads(zeros), 2);
}


static void
numbers_are_compared_exactly(void **state)
{
    static const char *const equal[][2] = {
        { "18", "18.0" }, { "18", "1.8e1" }, { "18", "180E-1" },
        { "18", "0.018e3" }, { "0", "-0" }, { "0", "0.000e9" },
        { "-1.50", "-15e-1" }, { "100", "1e2" }, { "1e-400", "10e-401" },
        { "10.01", "1001e-2" }, { "9007199254740993", "9007199254740993.0" },
    };
    static const char *const differ[][2] = {
        { "18", "-18" }, { "18", "180" }, { "18", "1.8" }, { "18", "18.1" },
        { "18.01", "18" }, { "0", "1e-400" }, { "1001", "101" },
        { "9007199254740993", "9007199254740992" },
        { "0.1", "0.1000000000000000055511151231257827" },
        { "1e-400", "1e-401" },
    };
    static const char *const none[] = { "", " 1", "1 ", "1x", "\"1\"", "-" };
    convo_number_t a, b;

    (void) state;

#define READ(number, string)                                                  \
    convo_number_read(number, &(convo_text_t){ string, strlen(string) })

    for (size_t i = 0; i < sizeof(equal) / sizeof(equal[0]); i++) {
        assert_true(READ(&a, equal[i][0]) && READ(&b, equal[i][1]));
        assert_true(convo_number_equal(&a, &b));
        assert_true(convo_number_equal(&b, &a));
    }

    for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++) {
        assert_true(READ(&a, differ[i][0]) && READ(&b, differ[i][1]));
        assert_false(convo_number_equal(&a, &b));
        assert_false(convo_number_equal(&b, &a));
    }

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(READ(&a, none[i]));
    }
}


static void
a_number_has_a_double(void **state)
{
    static const struct {
        const char *json;
        double number;
    } cases[] = {
        { "[0]", 0 }, { "[-0]", 0 }, { "[1795380000]", 1795380000 },
        { "[1795380000.25]", 1795380000.25 }, { "[-12.5e1]", -125 },
        { "[1e3]", 1000 }, { "[0.001]", 0.001 }, { "[1e22]", 1e22 },
        { "[9007199254740992]", 9007199254740992 }, { "[1e-400]", 0 },
        { "[123456789012345e-22]", 123456789012345e-22 },
        { "[10000000000000000000000000]", 1e25 },
    };
    double number;

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(reads(cases[i].json), 2);
        assert_true(convo_value_number(values + 1, &number));
        assert_true(number == cases[i].number);
    }

    assert_int_equal(reads("[\"1\"]"), 2);
    assert_false(convo_value_number(values + 1, &number));
}


static void
a_member_is_not_said_twice(void **state)
{
    static const char *const bad[] = {
        "{\"a\":1,\"a\":1}", "{\"iss\":1,\"\\u0069ss\":2}",
        "{\"a\":1,\"b\":2,\"a\":3}", "{\"\":1,\"\":2}",
        "[{\"x\":[{\"a\":1,\"a\":2}]}]", "{\"a\":{\"b\":1,\"b\":2}}",
        "{\"\xc3\xa9\":1,\"\\u00e9\":2}", "{\"/\":1,\"\\/\":2}",
        "{\"a\":{\"a\":{\"a\":1}},\"a\":1}",
    };
    static const char *const good[] = {
        "{\"a\":1,\"A\":2}", "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}",
        "[{\"a\":1},{\"a\":2}]", "{\"a\":\"a\",\"b\":\"a\"}",
        "{\"a\":1,\"a \":2,\"\":3}",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(reads(bad[i]), 0);
    }

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_not_equal(reads(good[i]), 0);
    }
}


/* An object of n members "m000"…; member again has the first one's name. */
static size_t
reads_members(size_t n, size_t again)
{
    char json[16 * 1024] = "{";
    size_t len = 1;

    for (size_t i = 0; i < n; i++) {
        len += (size_t) snprintf(json + len, sizeof(json) - len,
                                 "\"m%03zu\":[%zu],", i == again ? 0 : i, i);
    }

    json[len - 1] = '}';

    return reads_bytes(json, len);
}


static void
no_member_of_many_is_said_twice(void **state)
{
    (void) state;

    for (size_t n = 3; n < 80; n++) {
        assert_int_equal(reads_members(n, 0), 1 + 2 * n);
        assert_int_equal(reads_members(n, 1), 0);
        assert_int_equal(reads_members(n, n - 1), 0);
        assert_int_equal(reads_members(n, n / 2), 0);
    }

    assert_int_equal(reads_members(255, 0), 511);
    assert_int_equal(reads_members(255, 254), 0);
}


static void
depth_count_and_length_end_where_they_are_set(void **state)
{
    static char bomb[CONVO_DOCUMENT_LEN_MAX + CONVO_DOCUMENT_SLACK + 1];

    (void) state;

    assert_int_equal(reads("[[[[[[[[]]]]]]]]"), 8);
    assert_int_equal(reads("[[[[[[[[[]]]]]]]]]"), 0);
    assert_int_equal(reads("[[[[[[[[1]]]]]]],{\"a\":[{}]}]"), 12);

    strcpy(bomb, "[[],[]]");
    assert_int_equal(convo_document_read(values, 3, 2, bomb, 7), 3);
    strcpy(bomb, "[[],[]]");
    assert_int_equal(convo_document_read(values, 2, 2, bomb, 7), 0);
    strcpy(bomb, "[[],[]]");
    assert_int_equal(convo_document_read(values, 3, 1, bomb, 7), 0);
    assert_int_equal(convo_document_read(values, 0, 1, bomb, 7), 0);

    memset(bomb, '[', sizeof(bomb));
    assert_int_equal(convo_document_read(values, MAX, 8, bomb, 60000), 0);

    memset(bomb, ' ', sizeof(bomb));
    memcpy(bomb, "[]", 2);
    assert_int_equal(convo_document_read(values, MAX, 8, bomb, 65535), 1);
    assert_int_equal(convo_document_read(values, MAX, 8, bomb, 65536), 0);

    memset(bomb, 's', sizeof(bomb));
    memcpy(bomb, "[\"", 2);
    memcpy(bomb + 65533, "\"]", 2);
    assert_int_equal(convo_document_read(values, MAX, 8, bomb, 65535), 2);
    assert_int_equal(convo_value_text(values + 1).len, 65531);
}


static void
a_value_is_written_as_json(void **state)
{
    static const char *const cases[][2] = {
        { "[ ]", "[]" },
        { "{ \"a\" : { } , \"b\":[ 1 , 2.50, -1E+2 ] }",
          "{\"a\":{},\"b\":[1,2.50,-1E+2]}" },
        { "[[[]],{\"x\":[{\"y\":null}]},true,false]",
          "[[[]],{\"x\":[{\"y\":null}]},true,false]" },
        { "[\"\\u0022\\u005c\\/\\u000a\\u0001\\u007f\\u00e9\"]",
          "[\"\\\"\\\\/\\n\\u0001\x7f\xc3\xa9\"]" },
    };
    char json[128];

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_not_equal(reads(cases[i][0]), 0);
        assert_int_equal(convo_value_json(values, NULL), strlen(cases[i][1]));
        assert_int_equal(convo_value_json(values, json), strlen(cases[i][1]));
        assert_memory_equal(json, cases[i][1], strlen(cases[i][1]));
    }

    /* a member without its name, and nothing of what follows it */
    assert_int_not_equal(reads("{\"a\":[1],\"b\":2}"), 0);
    assert_int_equal(convo_value_json(values + 1, json), 3);
    assert_memory_equal(json, "[1]", 3);
}


static void
values_move_with_their_text(void **state)
{
    convo_value_t moved[3];
    char copy[16];

    (void) state;

    assert_int_equal(reads("{\"a\":\"b\",\"c\":[]}"), 3);
    memcpy(copy, text, sizeof(copy));
    memcpy(moved, values, sizeof(moved));
    convo_document_move(moved, 3, text, copy);
    memset(text, '?', sizeof(text));

    assert_true(convo_value_is(convo_value_member(moved, "a", 1), "b", 1));
    assert_non_null(convo_value_member(moved, "c", 1));
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_in_the_order_of_the_text),
        cmocka_unit_test(no_value_has_nothing),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(a_string_is_decoded),
        cmocka_unit_test(a_string_has_no_other_escapes),
        cmocka_unit_test(a_string_is_utf_8),
        cmocka_unit_test(a_number_has_one_grammar),
        cmocka_unit_test(numbers_are_compared_exactly),
        cmocka_unit_test(a_number_has_a_double),
        cmocka_unit_test(a_member_is_not_said_twice),
        cmocka_unit_test(no_member_of_many_is_said_twice),
        cmocka_unit_test(depth_count_and_length_end_where_they_are_set),
        cmocka_unit_test(a_value_is_written_as_json),
        cmocka_unit_test(values_move_with_their_text),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
