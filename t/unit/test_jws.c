/*
 * convo_jws: tokens and headers that attackers send, and one that is right.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convo_base64.h"
#include "convo_jws.h"
#include "token_fixture.h"


static convo_fault_e
split(const char *token)
{
    convo_jws_t jws;

    return convo_jws_split(&jws, token, strlen(token));
}


/* The fault of a header of this text, in a token that is otherwise whole. */
static convo_fault_e
header_bytes(const char *text, size_t len, convo_jws_header_t *header)
{
    static char encoded[8192];
    char *token;
    convo_jws_t jws;
    convo_fault_e fault;

    convo_base64url(encoded, (const unsigned char *) text, len);
    token = token_fixture_text("%s.e30.AAAA", encoded);

    fault = convo_jws_split(&jws, token, strlen(token));

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_jws_read_header(&jws, header);
    }

    free(token);

    return fault;
}


static convo_fault_e
header(const char *text)
{
    convo_jws_header_t unused;

    return header_bytes(text, strlen(text), &unused);
}


static void
a_header_says_its_key_and_algorithm(void **state)
{
    static const char text[] =
        "{\"kid\":\"K\\/1=\",\"alg\":\"RS256\",\"typ\":\"JWT\",\"x\":[1]}";
    convo_jws_header_t read;

    (void) state;

    assert_int_equal(header_bytes(text, strlen(text), &read),
                     CONVO_FAULT_NONE);
    assert_string_equal(read.alg, "RS256");
    assert_string_equal(read.kid, "K/1=");

    assert_int_equal(header_bytes("{\"alg\":\"RS256\"}", 15, &read),
                     CONVO_FAULT_NONE);
    assert_string_equal(read.kid, "");
}


static void
a_token_has_three_parts(void **state)
{
    static const char *const bad[] = {
        "", ".", "..", "...", "a", "a.b", "a.b.", "a..c", ".b.c", "a.b.c.d",
        "a.b.c.", ".a.b.c", "a.b.c.d.e",
    };

    (void) state;

    assert_int_equal(split("a.b.c"), CONVO_FAULT_NONE);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(split(bad[i]), CONVO_FAULT_MALFORMED);
    }
}


static void
a_token_and_its_parts_are_bounded(void **state)
{
    static char token[CONVO_JWS_TOKEN_MAX + 2];
    convo_jws_t jws;

    (void) state;

    memset(token, 'A', sizeof(token));
    token[4] = '.';
    token[CONVO_JWS_TOKEN_MAX - 5] = '.';

    assert_int_equal(convo_jws_split(&jws, token, CONVO_JWS_TOKEN_MAX),
                     CONVO_FAULT_NONE);
    assert_int_equal(convo_jws_split(&jws, token, CONVO_JWS_TOKEN_MAX + 1),
                     CONVO_FAULT_MALFORMED);

    /* a header of the whole token, then a signature of the whole token */
    token[4] = 'A';
    token[CONVO_JWS_TOKEN_MAX - 3] = '.';
    assert_int_equal(convo_jws_split(&jws, token, CONVO_JWS_TOKEN_MAX),
                     CONVO_FAULT_MALFORMED);

    memset(token, 'A', sizeof(token));
    token[2] = '.';
    token[4] = '.';
    assert_int_equal(convo_jws_split(&jws, token, CONVO_JWS_TOKEN_MAX),
                     CONVO_FAULT_MALFORMED);
}


static void
the_signed_input_is_what_was_sent(void **state)
{
    convo_jws_t jws;

    (void) state;

    assert_int_equal(convo_jws_split(&jws, "aa.bbb.cccc", 11),
                     CONVO_FAULT_NONE);
    assert_int_equal(jws.signed_input.len, 6);
    assert_memory_equal(jws.signed_input.data, "aa.bbb", 6);
    assert_memory_equal(jws.signature.data, "cccc", jws.signature.len);
}


static void
any_crit_is_refused(void **state)
{
    (void) state;

    assert_int_equal(header("{\"alg\":\"RS256\",\"crit\":[\"exp\"]}"),
                     CONVO_FAULT_CRITICAL);
    assert_int_equal(header("{\"alg\":\"RS256\",\"crit\":[]}"),
                     CONVO_FAULT_CRITICAL);
    assert_int_equal(header("{\"alg\":\"RS256\",\"crit\":null}"),
                     CONVO_FAULT_CRITICAL);
}


static void
headers_of_other_shapes_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "{}", "[]", "\"RS256\"", "{\"alg\":null}", "{\"alg\":1}",
        "{\"alg\":[\"RS256\"]}", "{\"alg\":\"\"}", "{\"kid\":\"a\"}",
        "{\"alg\":\"RS256\",\"alg\":\"none\"}",
        "{\"alg\":\"RS256\",\"kid\":1}", "{\"alg\":\"RS256\",\"kid\":\"\"}",
        "{\"alg\":\"RS256\",\"kid\":null}",
        "{\"alg\":\"RS256\",\"kid\":\"a\\u0000b\"}",
        "{\"alg\":\"RS256RS256RS256RS256\"}",
        "{\"alg\":\"RS256\",\"b64\":false}",
        "{\"alg\":\"RS256\",\"zip\":\"DEF\"}",
        "{\"alg\":\"RS256\",\"typ\":\"JOSE\"}",
        "{\"alg\":\"RS256\",\"typ\":1}",
        "{\"alg\":\"RS256\",\"x\":[[[[[[[[[]]]]]]]]]}",
        "{\"alg\":\"RS256\"}x", "{\"alg\":\"RS256\"", "\xef\xbb\xbf{}",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(header(bad[i]), CONVO_FAULT_MALFORMED);
    }
}


static void
a_kid_is_bounded(void **state)
{
    char kid[CONVO_JWS_KID_MAX + 2];
    char *text;

    (void) state;

    memset(kid, 'k', sizeof(kid));
    kid[CONVO_JWS_KID_MAX + 1] = '\0';

    text = token_fixture_text("{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid);
    assert_int_equal(header(text), CONVO_FAULT_MALFORMED);
    free(text);

    text = token_fixture_text("{\"alg\":\"RS256\",\"kid\":\"%s\"}", kid + 1);
    assert_int_equal(header(text), CONVO_FAULT_NONE);
    free(text);
}


static void
another_spelling_of_the_header_is_refused(void **state)
{
    static const char *const bad[] = {
        "eyJhbGciOiJSUzI1NiJ9=.e30.AAAA", "eyJhbGciOiJSUzI1NiJ9 .e30.AAAA",
        "eyJhbGciOiJSUzI1NiJ9\n.e30.AAAA", "eyJhbGciOiJSUzI1NiJ9A.e30.AAAA",
        " eyJhbGciOiJSUzI1NiJ9.e30.AAAA",
    };
    convo_jws_t jws;
    convo_jws_header_t read;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(convo_jws_split(&jws, bad[i], strlen(bad[i])),
                         CONVO_FAULT_NONE);
        assert_int_equal(convo_jws_read_header(&jws, &read),
                         CONVO_FAULT_MALFORMED);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_says_its_key_and_algorithm),
        cmocka_unit_test(a_token_has_three_parts),
        cmocka_unit_test(a_token_and_its_parts_are_bounded),
        cmocka_unit_test(the_signed_input_is_what_was_sent),
        cmocka_unit_test(any_crit_is_refused),
        cmocka_unit_test(headers_of_other_shapes_are_refused),
        cmocka_unit_test(a_kid_is_bounded),
        cmocka_unit_test(another_spelling_of_the_header_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
