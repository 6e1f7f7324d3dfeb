/*
 * convo_aws_key: shared credentials files and endpoints' answers, good and
 * bad.  Files at random are compared with botocore in t/aws.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "convo_aws_key.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

#define ID     "aws_access_key_id = AKID\n"
#define SECRET "aws_secret_access_key = s/e+c=r:e\n"


static void
is_wiped(const convo_aws_key_t *key)
{
    static const convo_aws_key_t nothing;

    assert_memory_equal(key, &nothing, sizeof(nothing));
}


static convo_aws_key_e
read_file(convo_aws_key_t *key, const char *text, const char *profile)
{
    convo_aws_key_e error;

    memset(key, 'x', sizeof(*key));
    error = convo_aws_key_from_file(key, text, strlen(text), profile);

    if (error != CONVO_AWS_KEY_OK) {
        is_wiped(key);
    }

    return error;
}


static convo_aws_key_e
read_answer(convo_aws_key_t *key, const char *text)
{
    convo_aws_key_e error;

    memset(key, 'x', sizeof(*key));
    error = convo_aws_key_from_answer(key, text, strlen(text));

    if (error != CONVO_AWS_KEY_OK) {
        is_wiped(key);
    }

    return error;
}


static void
a_key_is_made_of_its_texts(void **state)
{
    char longest[CONVO_AWS_SESSION_MAX + 2] = "";
    convo_aws_key_t key;

    (void) state;

    assert_int_equal(convo_aws_key_set(&key, "AKID", "secret", NULL), 0);
    assert_string_equal(key.id, "AKID");
    assert_string_equal(key.secret, "secret");
    assert_string_equal(key.session, "");
    assert_int_equal(key.expires_s, 0);

    memset(longest, 't', CONVO_AWS_SESSION_MAX);
    assert_int_equal(convo_aws_key_set(&key, "a", "s", longest), 0);
    assert_string_equal(key.session, longest);

    longest[CONVO_AWS_SESSION_MAX] = 't';
    assert_int_equal(convo_aws_key_set(&key, "a", "s", longest),
                     CONVO_AWS_KEY_TEXT);
    is_wiped(&key);
    assert_int_equal(convo_aws_key_set(&key, "a", longest, ""),
                     CONVO_AWS_KEY_TEXT);
    assert_int_equal(convo_aws_key_set(&key, longest, "s", ""),
                     CONVO_AWS_KEY_TEXT);
}


static void
a_text_that_could_forge_a_header_is_none(void **state)
{
    static const char *const bad[] = { "a\nb", "a\r\nX: y", "a b", "a\t",
                                       "a\x7f", "\xc3\xa9" };
    convo_aws_key_t key;

    (void) state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(convo_aws_key_set(&key, bad[i], "s", ""),
                         CONVO_AWS_KEY_TEXT);
        assert_int_equal(convo_aws_key_set(&key, "a", bad[i], ""),
                         CONVO_AWS_KEY_TEXT);
        assert_int_equal(convo_aws_key_set(&key, "a", "s", bad[i]),
                         CONVO_AWS_KEY_TEXT);
        is_wiped(&key);
    }
}


static void
half_a_key_is_told_from_none(void **state)
{
    convo_aws_key_t key;

    (void) state;

    assert_int_equal(convo_aws_key_set(&key, NULL, "", "t"),
                     CONVO_AWS_KEY_NONE);
    assert_int_equal(convo_aws_key_set(&key, "", "s", "t"),
                     CONVO_AWS_KEY_NONE);
    assert_int_equal(convo_aws_key_set(&key, "a", NULL, "t"),
                     CONVO_AWS_KEY_PARTIAL);
}


/* --- files --- */

static void
a_profile_is_found_among_others(void **state)
{
    static const char text[]
        = "# aws_access_key_id = no\n"
          "\n"
          "[default]\n" ID SECRET "\n"
          "  ; a comment\n"
          "[ other one ] # and one here\r\n"
          "AWS_Access_Key_Id:OTHER\r\n"
          "aws_secret_access_key   =   other\t \r\n"
          "aws_session_token = t==\r\n"
          "region = eu-central-1\n"
          "[third]\n" SECRET ID;
    convo_aws_key_t key;

    (void) state;

    assert_int_equal(read_file(&key, text, "default"), CONVO_AWS_KEY_OK);
    assert_string_equal(key.id, "AKID");
    assert_string_equal(key.secret, "s/e+c=r:e");
    assert_string_equal(key.session, "");

    assert_int_equal(read_file(&key, text, "other one"), CONVO_AWS_KEY_OK);
    assert_string_equal(key.id, "OTHER");
    assert_string_equal(key.secret, "other");
    assert_string_equal(key.session, "t==");

    assert_int_equal(read_file(&key, text, "third"), CONVO_AWS_KEY_OK);
    assert_string_equal(key.id, "AKID");

    assert_int_equal(read_file(&key, text, "Default"), CONVO_AWS_KEY_ABSENT);
    assert_int_equal(read_file(&key, text, ""), CONVO_AWS_KEY_ABSENT);
}


static void
the_last_line_needs_no_end(void **state)
{
    convo_aws_key_t key;

    (void) state;

    assert_int_equal(
        read_file(&key, "[p]\n" ID "aws_secret_access_key=last", "p"),
        CONVO_AWS_KEY_OK);
    assert_string_equal(key.secret, "last");
}


static void
further_lines_of_other_values_are_passed_over(void **state)
{
    convo_aws_key_t key;

    (void) state;

    assert_int_equal(read_file(&key,
                               "[p]\n"
                               "s3 =\n"
                               "  aws_access_key_id = nested\n"
                               "  [no heading\n"
                               "\n"
                               "  max = 20\n" ID SECRET,
                               "p"),
                     CONVO_AWS_KEY_OK);
    assert_string_equal(key.id, "AKID");

    assert_int_equal(read_file(&key, "  [p]\n  " ID "  " SECRET, "p"),
                     CONVO_AWS_KEY_OK);
}


static void
bad_files_are_refused(void **state)
{
    static const struct {
        const char *text;
        convo_aws_key_e error;
    } bad[] = {
        { "", CONVO_AWS_KEY_ABSENT },
        { "[q]\n" ID SECRET, CONVO_AWS_KEY_ABSENT },
        { "[p]\n", CONVO_AWS_KEY_NONE },
        { "[p]\nregion = x\n", CONVO_AWS_KEY_NONE },
        { "[p]\n[q]\n" ID SECRET, CONVO_AWS_KEY_NONE },
        { "[p]\n" ID, CONVO_AWS_KEY_PARTIAL },
        { "[p]\n" SECRET, CONVO_AWS_KEY_NONE },
        { "[p]\n" ID "aws_secret_access_key =\n", CONVO_AWS_KEY_PARTIAL },
        { "[p]\n" ID "aws_secret_access_key = s # mine\n",
          CONVO_AWS_KEY_TEXT },
        { "[p]\n" ID "aws_secret_access_key = s\n  more\n",
          CONVO_AWS_KEY_TEXT },
        { "[p]\n" SECRET "aws_access_key_id = \xc3\xa9\n",
          CONVO_AWS_KEY_TEXT },
        { "[p]\n" ID SECRET ID, CONVO_AWS_KEY_TWICE },
        { "[p]\n" SECRET "[p]\n" ID, CONVO_AWS_KEY_TWICE },
        { ID SECRET "[p]\n", CONVO_AWS_KEY_MALFORMED },
        { "[p\n" ID SECRET, CONVO_AWS_KEY_MALFORMED },
        { "[p] x\n" ID SECRET, CONVO_AWS_KEY_MALFORMED },
        { "[p]\n" ID SECRET "nothing\n", CONVO_AWS_KEY_MALFORMED },
        { "[p]\n" ID SECRET "= nothing\n", CONVO_AWS_KEY_MALFORMED },
        { "\xef\xbb\xbf[p]\n" ID SECRET, CONVO_AWS_KEY_MALFORMED },
    };
    convo_aws_key_t key;

    (void) state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        convo_aws_key_e error = read_file(&key, bad[i].text, "p");

        if (error != bad[i].error) {
            fail_msg("%d, not %d: %s", error, bad[i].error, bad[i].text);
        }
    }
}


/* --- answers --- */

#define PARTS  "\"AccessKeyId\":\"ASIA\",\"SecretAccessKey\":\"s\""
#define TOKEN  "\"Token\":\"t\""
#define EXPIRY "\"Expiration\":\"2015-08-30T12:36:00Z\""


static void
good_answers_are_taken(void **state)
{
    static const char *const good[] = {
        "{" PARTS "," TOKEN "," EXPIRY "}",
        "{\"Code\":\"Success\",\"LastUpdated\":\"2015-08-30T06:00:00Z\","
        "\"Type\":\"AWS-HMAC\"," PARTS "," TOKEN "," EXPIRY "}",
        "{" PARTS "," TOKEN ",\"Expiration\":\"2015-08-30T12:36:00.999Z\","
        "\"RoleArn\":\"arn:aws:iam::1:role/r\"}",
        "{" PARTS "," TOKEN ",\"Expiration\":\"2015-08-30T14:36:00+02:00\"}",
    };
    convo_aws_key_t key;

    (void) state;

    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(read_answer(&key, good[i]), CONVO_AWS_KEY_OK);
        assert_string_equal(key.id, "ASIA");
        assert_string_equal(key.secret, "s");
        assert_string_equal(key.session, "t");
        assert_int_equal(key.expires_s, 1440938160);
    }
}


static void
bad_answers_are_refused(void **state)
{
    static const struct {
        const char *text;
        convo_aws_key_e error;
    } bad[] = {
        { "", CONVO_AWS_KEY_MALFORMED },
        { "[]", CONVO_AWS_KEY_MALFORMED },
        { "<html>", CONVO_AWS_KEY_MALFORMED },
        { "{" PARTS "," TOKEN "," EXPIRY, CONVO_AWS_KEY_MALFORMED },
        { "{" PARTS "," TOKEN "," TOKEN "," EXPIRY "}",
          CONVO_AWS_KEY_MALFORMED },
        { "{" PARTS "," EXPIRY ",\"Token\":\"a\\u0000b\"}",
          CONVO_AWS_KEY_MALFORMED },
        { "{" PARTS "," TOKEN "," EXPIRY ",\"a\":[[[[[]]]]]}",
          CONVO_AWS_KEY_MALFORMED },
        { "{" TOKEN "," EXPIRY "}", CONVO_AWS_KEY_NONE },
        { "{\"AccessKeyId\":\"a\"," TOKEN "," EXPIRY "}",
          CONVO_AWS_KEY_PARTIAL },
        { "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":1," TOKEN "," EXPIRY "}",
          CONVO_AWS_KEY_PARTIAL },
        { "{" PARTS "," EXPIRY "}", CONVO_AWS_KEY_PARTIAL },
        { "{" PARTS "," EXPIRY ",\"Token\":\"a\\r\\nb: c\"}",
          CONVO_AWS_KEY_TEXT },
        { "{" PARTS "," TOKEN "}", CONVO_AWS_KEY_EXPIRY },
        { "{" PARTS "," TOKEN ",\"Expiration\":null}", CONVO_AWS_KEY_EXPIRY },
        { "{" PARTS "," TOKEN ",\"Expiration\":\"soon\"}",
          CONVO_AWS_KEY_EXPIRY },
        { "{" PARTS "," TOKEN ",\"Expiration\":\"1h\"}",
          CONVO_AWS_KEY_EXPIRY },
        { "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"no\"}",
          CONVO_AWS_KEY_FAILED },
    };
    convo_aws_key_t key;

    (void) state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        convo_aws_key_e error = read_answer(&key, bad[i].text);

        if (error != bad[i].error) {
            fail_msg("%d, not %d: %s", error, bad[i].error, bad[i].text);
        }
    }
}


static void
an_answer_that_is_too_large_is_not_read(void **state)
{
    static char text[CONVO_AWS_ANSWER_MAX + 2];
    static const char start[] = "{" PARTS "," TOKEN "," EXPIRY "}";
    convo_aws_key_t key;

    (void) state;

    memset(text, ' ', sizeof(text) - 1);
    memcpy(text, start, sizeof(start) - 1);
    assert_int_equal(read_answer(&key, text), CONVO_AWS_KEY_MALFORMED);
    text[CONVO_AWS_ANSWER_MAX] = '\0';
    assert_int_equal(read_answer(&key, text), CONVO_AWS_KEY_OK);
}


static void
every_error_has_its_words(void **state)
{
    (void) state;

    for (int e = 0; e <= CONVO_AWS_KEY_MALFORMED; e++) {
        assert_true(strlen(convo_aws_key_error((convo_aws_key_e) e)) > 5);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_of_its_texts),
        cmocka_unit_test(a_text_that_could_forge_a_header_is_none),
        cmocka_unit_test(half_a_key_is_told_from_none),
        cmocka_unit_test(a_profile_is_found_among_others),
        cmocka_unit_test(the_last_line_needs_no_end),
        cmocka_unit_test(further_lines_of_other_values_are_passed_over),
        cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(good_answers_are_taken),
        cmocka_unit_test(bad_answers_are_refused),
        cmocka_unit_test(an_answer_that_is_too_large_is_not_read),
        cmocka_unit_test(every_error_has_its_words),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
