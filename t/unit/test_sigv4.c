/*
 * convo_sigv4: AWS's own published values, and every text that is refused.
 * Requests of every shape are compared with botocore in t/aws.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "convo_sigv4.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* 2015-08-30T12:36:00Z */
#define NOW 1440938160

static const convo_aws_key_t example = {
    .id = "AKIDEXAMPLE",
    .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

/* get-vanilla of AWS's test suite for this version of signatures. */
static const convo_sigv4_request_t vanilla = {
    .method = "GET",
    .host = "example.amazonaws.com",
    .path = "/",
    .query = "",
    .payload = EMPTY,
    .region = "us-east-1",
    .service = "service",
    .now_s = NOW,
};


static void
a_hash_is_sha256(void **state)
{
    char hash[CONVO_SIGV4_HASH_LEN + 1];

    (void) state;

    assert_int_equal(convo_sigv4_hash(hash, "", 0), 0);
    assert_string_equal(hash, EMPTY);
    assert_int_equal(convo_sigv4_hash(hash, "abc", 3), 0);
    assert_string_equal(hash, "ba7816bf8f01cfea414140de5dae2223"
                              "b00361a396177a9cb410ff61f20015ad");
}


static void
the_simplest_request_of_the_test_suite(void **state)
{
    convo_sigv4_t made;

    (void) state;

    assert_int_equal(convo_sigv4_sign(&made, &vanilla, &example),
                     CONVO_SIGV4_OK);
    assert_string_equal(made.date, "20150830T123600Z");
    assert_string_equal(
        made.authorization,
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature="
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}


/* The example of the General Reference: IAM's ListUsers. */
static void
a_request_with_a_query_and_a_header(void **state)
{
    static const convo_sigv4_header_t header = {
        "Content-Type", "application/x-www-form-urlencoded; charset=utf-8"
    };
    convo_sigv4_request_t request = vanilla;
    convo_sigv4_t made;

    (void) state;

    request.host = "iam.amazonaws.com";
    request.query = "Action=ListUsers&Version=2010-05-08";
    request.service = "iam";
    request.headers = &header;
    request.nheaders = 1;

    assert_int_equal(convo_sigv4_sign(&made, &request, &example),
                     CONVO_SIGV4_OK);
    assert_string_equal(
        made.authorization,
        "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, Signature="
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}


static void
the_order_and_case_of_headers_do_not_matter(void **state)
{
    static const convo_sigv4_header_t one[]
        = { { "X-Amz-Target", "  a \t b " }, { "Content-Type", "c" } };
    static const convo_sigv4_header_t other[]
        = { { "content-type", "c" }, { "x-amz-target", "a b" } };
    convo_sigv4_request_t request = vanilla;
    convo_sigv4_t first, second;

    (void) state;

    request.nheaders = 2;
    request.headers = one;
    assert_int_equal(convo_sigv4_sign(&first, &request, &example),
                     CONVO_SIGV4_OK);
    request.headers = other;
    assert_int_equal(convo_sigv4_sign(&second, &request, &example),
                     CONVO_SIGV4_OK);
    assert_string_equal(first.authorization, second.authorization);
}


/* Same path, whatever it takes to get there. */
static void
a_path_is_normalised(void **state)
{
    static const char *const same[] = {
        "/", "//", "/.", "/./", "/a/..", "/a/../", "/..", "/a//b/../../",
    };
    convo_sigv4_request_t request = vanilla;
    convo_sigv4_t made, expected;

    (void) state;

    convo_sigv4_sign(&expected, &vanilla, &example);

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        request.path = same[i];
        assert_int_equal(convo_sigv4_sign(&made, &request, &example),
                         CONVO_SIGV4_OK);
        assert_string_equal(made.authorization, expected.authorization);
    }

    request.path = "/a";
    convo_sigv4_sign(&made, &request, &example);
    assert_string_not_equal(made.authorization, expected.authorization);
}


static void
the_longest_of_everything_fits(void **state)
{
    static char names[CONVO_SIGV4_HEADERS_MAX][CONVO_SIGV4_NAME_MAX + 1];
    static char path[CONVO_SIGV4_PATH_MAX + 1], host[CONVO_SIGV4_PATH_MAX + 1];
    static char region[CONVO_SIGV4_REGION_MAX + 1];
    static char service[CONVO_SIGV4_SERVICE_MAX + 1];
    convo_sigv4_header_t headers[CONVO_SIGV4_HEADERS_MAX];
    convo_sigv4_request_t request = vanilla;
    convo_aws_key_t key = { .expires_s = 0 };
    convo_sigv4_t made;

    (void) state;

    for (size_t i = 0; i < CONVO_SIGV4_HEADERS_MAX; i++) {
        memset(names[i], 'a', CONVO_SIGV4_NAME_MAX);
        names[i][0] = (char) ('a' + i);
        headers[i] = (convo_sigv4_header_t){ names[i], "v" };
    }

    memset(path, '/', CONVO_SIGV4_PATH_MAX);
    memset(host, 'h', CONVO_SIGV4_PATH_MAX);
    memset(region, 'r', CONVO_SIGV4_REGION_MAX);
    memset(service, 's', CONVO_SIGV4_SERVICE_MAX);
    memset(key.id, 'k', CONVO_AWS_KEY_ID_MAX);
    memset(key.secret, 's', CONVO_AWS_SECRET_MAX);
    memset(key.session, 't', CONVO_AWS_SESSION_MAX);

    request.path = path;
    request.host = host;
    request.region = region;
    request.service = service;
    request.headers = headers;
    request.nheaders = CONVO_SIGV4_HEADERS_MAX;

    assert_int_equal(convo_sigv4_sign(&made, &request, &key), CONVO_SIGV4_OK);
    assert_non_null(strstr(made.authorization, ", Signature="));
    assert_int_equal(
        strlen(strstr(made.authorization, "Signature=") + 10),
        CONVO_SIGV4_HASH_LEN);
}


static void
refused(const convo_sigv4_request_t *request)
{
    convo_sigv4_t made;

    assert_int_equal(convo_sigv4_sign(&made, request, &example),
                     CONVO_SIGV4_REQUEST);
    assert_string_equal(made.date, "");
    assert_string_equal(made.authorization, "");
}


static void
texts_that_are_none_are_refused(void **state)
{
    static char longest[CONVO_SIGV4_PATH_MAX + 2];
    static const char *const bad[] = { "", "a b", "a\nb", "a\r", "\x7f",
                                       longest };

    (void) state;

    memset(longest, '/', sizeof(longest) - 1);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        convo_sigv4_request_t request;

        request = vanilla, request.method = bad[i], refused(&request);
        request = vanilla, request.host = bad[i], refused(&request);
        request = vanilla, request.path = bad[i], refused(&request);
        request = vanilla, request.payload = bad[i], refused(&request);
        request = vanilla, request.region = bad[i], refused(&request);
        request = vanilla, request.service = bad[i], refused(&request);
    }

    for (size_t i = 1; i < sizeof(bad) / sizeof(bad[0]) - 1; i++) {
        convo_sigv4_request_t request = vanilla;

        request.query = bad[i];
        refused(&request);
    }
}


static void
headers_that_are_none_are_refused(void **state)
{
    static const convo_sigv4_header_t bad[] = {
        { "", "v" },           { "a:b", "v" },         { "a b", "v" },
        { "a", "v\r\nb: c" },  { "a", "v\n" },         { "Host", "other" },
        { "X-Amz-Date", "v" }, { "\xc3\xa9", "v" },
    };
    static const convo_sigv4_header_t twice[]
        = { { "a", "1" }, { "b", "2" }, { "A", "3" } };
    convo_sigv4_header_t many[CONVO_SIGV4_HEADERS_MAX + 1];
    char names[CONVO_SIGV4_HEADERS_MAX + 1][2];
    convo_sigv4_request_t request = vanilla;

    (void) state;

    request.nheaders = 1;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        request.headers = &bad[i];
        refused(&request);
    }

    request.nheaders = 3;
    request.headers = twice;
    refused(&request);

    for (size_t i = 0; i <= CONVO_SIGV4_HEADERS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "%c", (char) ('a' + i));
        many[i] = (convo_sigv4_header_t){ names[i], "v" };
    }
    request.nheaders = CONVO_SIGV4_HEADERS_MAX + 1;
    request.headers = many;
    refused(&request);
}


static void
a_time_without_a_year_of_four_digits_is_refused(void **state)
{
    convo_sigv4_request_t request = vanilla;

    (void) state;

    request.now_s = 253402300800; /* the year 10000 */
    refused(&request);
}


static void
a_key_without_id_or_secret_signs_nothing(void **state)
{
    static const convo_aws_key_t bad[] = {
        { .secret = "s" },
        { .id = "k" },
        { .id = "k k", .secret = "s" },
        { .id = "k\n", .secret = "s" },
    };
    convo_sigv4_t made;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(convo_sigv4_sign(&made, &vanilla, &bad[i]),
                         CONVO_SIGV4_KEY);
        assert_string_equal(made.authorization, "");
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_sha256),
        cmocka_unit_test(the_simplest_request_of_the_test_suite),
        cmocka_unit_test(a_request_with_a_query_and_a_header),
        cmocka_unit_test(the_order_and_case_of_headers_do_not_matter),
        cmocka_unit_test(a_path_is_normalised),
        cmocka_unit_test(the_longest_of_everything_fits),
        cmocka_unit_test(texts_that_are_none_are_refused),
        cmocka_unit_test(headers_that_are_none_are_refused),
        cmocka_unit_test(a_time_without_a_year_of_four_digits_is_refused),
        cmocka_unit_test(a_key_without_id_or_secret_signs_nothing),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
