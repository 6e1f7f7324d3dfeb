/*
 * convo_jwks: key sets good and bad, and signatures that attackers make.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/err.h>

#include "convo_jwks.h"
#include "token_fixture.h"

static const convo_jwa_accept_t accept = CONVO_JWA_ACCEPT_DEFAULT;

#define HEADER "{\"alg\":\"RS256\",\"kid\":\"a\"}"


/* A set of this "keys" text, which is freed; NULL when it is refused. */
static convo_jwks_t *
set_of(char *keys, convo_jwks_report_t *report)
{
    char *text = token_fixture_text("{\"keys\":[%s]}", keys);
    convo_jwks_t *set = convo_jwks_parse(text, strlen(text), report);

    free(keys);
    free(text);

    return set;
}


static convo_fault_e
verify(const convo_jwk_t *key, const char *alg, const char *token)
{
    convo_jws_t jws;

    assert_int_equal(convo_jws_split(&jws, token, strlen(token)),
                     CONVO_FAULT_NONE);

    return convo_jwk_verify(key, alg, &accept, &jws);
}


static const convo_jwk_t *
find(const convo_jwks_t *set, const char *kid)
{
    convo_jws_header_t header = { .alg = "RS256" };

    strcpy(header.kid, kid);

    return convo_jwks_find(set, &header, &accept);
}


static void
another_signature_does_not_verify(void **state)
{
    EVP_PKEY *ours = token_fixture_key(1, 2048);
    EVP_PKEY *theirs = token_fixture_key(2, 2048);
    EVP_PKEY *longer = token_fixture_key(1, 3072);
    convo_jwks_report_t report;
    convo_jwks_t *set = set_of(token_fixture_jwk(ours, ",\"kid\":\"a\""),
                               &report);
    const convo_jwk_t *key = find(set, "a");
    char *token[] = {
        token_fixture_sign(ours, HEADER, "{}"),
        token_fixture_sign(theirs, HEADER, "{}"),
        token_fixture_sign(longer, HEADER, "{}"),
        token_fixture_sign_with(ours, "SHA512", HEADER, "{}"),
    };

    (void) state;

    assert_int_equal(verify(key, "RS256", token[0]), CONVO_FAULT_NONE);

    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(verify(key, "RS256", token[i]),
                         CONVO_FAULT_SIGNATURE);
        assert_int_equal(ERR_peek_error(), 0);
    }

    for (size_t i = 0; i < 4; i++) {
        free(token[i]);
    }

    convo_jwks_free(set);
}


static void
a_changed_bit_does_not_verify(void **state)
{
    EVP_PKEY *ours = token_fixture_key(1, 2048);
    convo_jwks_report_t report;
    convo_jwks_t *set = set_of(token_fixture_jwk(ours, ""), &report);
    const convo_jwk_t *key = find(set, "");
    char *token = token_fixture_sign(ours, HEADER, "{\"sub\":\"u\"}");

    (void) state;

    for (size_t i = 0; token[i] != '\0'; i++) {
        char was = token[i];

        if (was == '.') {
            continue;
        }

        token[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(key, "RS256", token), CONVO_FAULT_NONE);
        token[i] = was;
    }

    assert_int_equal(verify(key, "RS256", token), CONVO_FAULT_NONE);

    free(token);
    convo_jwks_free(set);
}


static void
the_keys_algorithm_decides(void **state)
{
    static const char *const others[] = {
        "none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512",
        "rs256", "RS256 ", "RS384", "RS512", "PS256", "ES256", "EdDSA",
    };
    EVP_PKEY *ours = token_fixture_key(1, 2048);
    convo_jwks_report_t report;
    convo_jwks_t *set = set_of(token_fixture_jwk(ours, ""), &report);
    char *token = token_fixture_sign(ours, HEADER, "{}");

    (void) state;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(
            verify(find(set, ""), others[i], token),
            CONVO_FAULT_ALGORITHM);
    }

    free(token);
    convo_jwks_free(set);
}


static void
signatures_of_other_shapes_are_refused(void **state)
{
    static const char *const bad[] = {
        "e30.e30.AAAA", "e30.e30.A", "e30.e30.AAA=", "e30.e30.AB",
        "e30.e30.A A", "e30.e30.AA+A",
    };
    convo_jwks_report_t report;
    convo_jwks_t *set = set_of(
        token_fixture_jwk(token_fixture_key(1, 2048), ""), &report);

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(verify(find(set, ""), "RS256", bad[i]),
                         i == 0 ? CONVO_FAULT_SIGNATURE
                                : CONVO_FAULT_MALFORMED);
    }

    convo_jwks_free(set);
}


static void
a_kid_chooses_and_none_only_when_alone(void **state)
{
    char *first = token_fixture_jwk(token_fixture_key(1, 2048),
                                    ",\"kid\":\"a\"");
    char *second = token_fixture_jwk(token_fixture_key(2, 2048),
                                     ",\"kid\":\"b\"");
    convo_jwks_report_t report;
    convo_jwks_t *one = set_of(token_fixture_text("%s", first), &report);
    convo_jwks_t *two = set_of(token_fixture_text("%s,%s", first, second),
                               &report);

    (void) state;

    assert_int_equal(convo_jwks_count(two), 2);
    assert_non_null(find(two, "a"));
    assert_ptr_not_equal(find(two, "a"),
                         find(two, "b"));
    assert_null(find(two, "A"));
    assert_null(find(two, "c"));
    assert_null(find(two, ""));
    assert_non_null(find(one, ""));
    assert_memory_not_equal(convo_jwks_digest(one), convo_jwks_digest(two),
                            CONVO_JWKS_DIGEST_LEN);

    convo_jwks_free(one);
    convo_jwks_free(two);
    free(first);
    free(second);
}


static void
unfit_entries_are_left_out_and_the_rest_serve(void **state)
{
    static const char *const members[] = {
        ",\"use\":\"enc\"", ",\"use\":1", ",\"key_ops\":[\"sign\"]",
        ",\"key_ops\":\"verify\"", ",\"alg\":\"ES256\"",
        ",\"alg\":\"HS256\"", ",\"alg\":\"none\"", ",\"alg\":1",
        ",\"alg\":null", ",\"d\":\"AQAB\"", ",\"k\":\"AAAA\"",
        ",\"kid\":1", ",\"kid\":\"\"", ",\"kid\":\"a\"",
    };
    char *good = token_fixture_jwk(token_fixture_key(1, 2048),
                                   ",\"kid\":\"a\",\"use\":\"sig\","
                                   "\"alg\":\"RS256\",\"x5c\":[\"AAAA\"],"
                                   "\"key_ops\":[\"verify\"]");

    (void) state;

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        char *bad = token_fixture_jwk(token_fixture_key(2, 2048), members[i]);
        convo_jwks_report_t report;
        convo_jwks_t *set = set_of(token_fixture_text("%s,%s", good, bad),
                                   &report);

        assert_non_null(set);
        assert_int_equal(convo_jwks_count(set), 1);
        assert_non_null(find(set, "a"));
        assert_int_equal(report.entries, 2);
        assert_int_equal(report.refused, 1);
        assert_null(report.refusals[0]);
        assert_non_null(report.refusals[1]);
        assert_ptr_equal(report.reason, report.refusals[1]);

        convo_jwks_free(set);
        free(bad);
    }

    free(good);
}


static void
entries_that_are_no_rsa_key_are_refused(void **state)
{
    static const char *const bad[] = {
        "1", "null", "[]", "{}", "\"a\"",
        "{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"HS256\"}",
        "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
        "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
        "{\"kty\":\"RSA\"}", "{\"kty\":\"RSA\",\"n\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":1,\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"=\",\"e\":\"AQAB\"}",
        "{\"kty\":\"rsa\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        convo_jwks_report_t report;

        assert_null(set_of(token_fixture_text("%s", bad[i]), &report));
        assert_int_equal(report.refused, 1);
        assert_non_null(report.reason);
    }
}


static void
weak_keys_are_refused(void **state)
{
    static const char *const exponents[] = { "AQ", "AA", "Ag", "AQAAAAE" };
    convo_jwks_report_t report;
    char *jwk, *n_end;

    (void) state;

    assert_null(set_of(token_fixture_jwk(token_fixture_key(1, 1024), ""),
                       &report));
    assert_string_equal(report.reason,
                        "its modulus is shorter than 2048 bits");

    /* e = 1 verifies whatever is signed with no key at all */
    for (size_t i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
        jwk = token_fixture_jwk(token_fixture_key(1, 2048), "");
        n_end = strstr(jwk, ",\"e\":");
        *n_end = '\0';
        assert_null(set_of(token_fixture_text("%s,\"e\":\"%s\"}", jwk,
                                              exponents[i]),
                           &report));
        assert_string_equal(report.reason,
                            "its modulus or exponent is no RSA number");
        free(jwk);
    }
}


static void
documents_that_are_no_key_set_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "{}", "[]", "null", "<html></html>", "{\"keys\":{}}",
        "{\"keys\":[]}", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[{]}",
        "{\"keys\":[[[[[[[[[[]]]]]]]]]]}", "\x1f\x8b\x08",
    };
    convo_jwks_report_t report;

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(convo_jwks_parse(bad[i], strlen(bad[i]), &report));
        assert_non_null(report.reason);
    }
}


static void
documents_are_bounded(void **state)
{
    static char large[CONVO_JWKS_TEXT_MAX + 1];
    convo_jwks_report_t report;
    char *many = token_fixture_text("%s", "{}");

    (void) state;

    memset(large, ' ', sizeof(large));
    assert_null(convo_jwks_parse(large, sizeof(large), &report));
    assert_string_equal(report.reason, "the document is longer than 256 KB");

    for (size_t i = 0; i < CONVO_JWKS_KEYS_MAX; i++) {
        char *more = token_fixture_text("%s,{}", many);

        free(many);
        many = more;
    }

    assert_null(set_of(many, &report));
    assert_string_equal(report.reason, "the document has more than 64 keys");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_signature_does_not_verify),
        cmocka_unit_test(a_changed_bit_does_not_verify),
        cmocka_unit_test(the_keys_algorithm_decides),
        cmocka_unit_test(signatures_of_other_shapes_are_refused),
        cmocka_unit_test(a_kid_chooses_and_none_only_when_alone),
        cmocka_unit_test(unfit_entries_are_left_out_and_the_rest_serve),
        cmocka_unit_test(entries_that_are_no_rsa_key_are_refused),
        cmocka_unit_test(weak_keys_are_refused),
        cmocka_unit_test(documents_that_are_no_key_set_are_refused),
        cmocka_unit_test(documents_are_bounded),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
