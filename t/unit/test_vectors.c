/*
 * What RFCs print: their tokens verify, no token with a character changed
 * does, and their key sets give the keys that may be used.
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
#include "token_vectors.h"

/* None of the published keys of the tokens says its algorithm. */
static const convo_jwa_accept_t all = { CONVO_JWA_ALL, CONVO_JWA_ALL };


static convo_jwks_t *
set_of(const char *jwk, convo_jwks_report_t *report)
{
    char *text = token_fixture_text("{\"keys\":[%s]}", jwk);
    convo_jwks_t *set = convo_jwks_parse(text, strlen(text), report);

    free(text);

    return set;
}


/* The whole way of a token, as the edge goes it. */
static convo_fault_e
verify(const convo_jwks_t *set, const convo_jwa_accept_t *accept,
       const char *token)
{
    convo_jws_t jws;
    convo_jws_header_t header;
    convo_fault_e fault = convo_jws_split(&jws, token, strlen(token));

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_jws_read_header(&jws, &header);
    }

    if (fault == CONVO_FAULT_NONE) {
        fault = convo_jwks_verify(set, &header, accept, &jws);
    }

    return fault;
}


static void
the_tokens_verify(void **state)
{
    (void) state;

    for (size_t i = 0; i < TOKEN_VECTORS; i++) {
        const token_vector_t *vector = &token_vectors[i];
        convo_jwks_report_t report;
        convo_jwks_t *set = set_of(vector->jwk, &report);

        print_message("# %s: %s\n", vector->section, vector->alg);
        assert_non_null(set);
        assert_int_equal(verify(set, &all, vector->token), CONVO_FAULT_NONE);
        convo_jwks_free(set);
    }
}


/* Any character: of the header, the payload, the signature, or a dot. */
static void
no_tampered_token_verifies(void **state)
{
    (void) state;

    for (size_t i = 0; i < TOKEN_VECTORS; i++) {
        convo_jwks_report_t report;
        convo_jwks_t *set = set_of(token_vectors[i].jwk, &report);
        char *token = strdup(token_vectors[i].token);

        for (char *at = token; *at != '\0'; at++) {
            char was = *at;

            *at = was == 'A' ? 'B' : 'A';
            assert_int_not_equal(verify(set, &all, token), CONVO_FAULT_NONE);
            *at = was;
        }

        assert_int_equal(ERR_peek_error(), 0);
        assert_int_equal(verify(set, &all, token), CONVO_FAULT_NONE);
        free(token);
        convo_jwks_free(set);
    }
}


/* Where the algorithm is accepted, and where every other one is. */
static void
the_place_says_what_it_accepts(void **state)
{
    (void) state;

    for (size_t i = 0; i < TOKEN_VECTORS; i++) {
        const token_vector_t *vector = &token_vectors[i];
        unsigned bit = CONVO_JWA_BIT(convo_jwa_by_name(vector->alg));
        const convo_jwa_accept_t only = { bit, bit };
        const convo_jwa_accept_t others = { CONVO_JWA_ALL & ~bit,
                                            CONVO_JWA_ALL & ~bit };
        convo_jwks_report_t report;
        convo_jwks_t *set = set_of(vector->jwk, &report);

        assert_int_equal(verify(set, &only, vector->token),
                         CONVO_FAULT_NONE);
        assert_int_not_equal(verify(set, &others, vector->token),
                             CONVO_FAULT_NONE);
        convo_jwks_free(set);
    }
}


/* RFC 7515, A.1 and A.5: whoever verifies could have signed, or nobody did. */
static void
tokens_that_anybody_can_make_are_refused(void **state)
{
    convo_jwks_report_t report;

    (void) state;

    assert_null(set_of(token_vector_hmac_key, &report));
    assert_string_equal(report.reason,
                        "it is a secret and must not be published");

    for (size_t i = 0; i < TOKEN_VECTORS; i++) {
        convo_jwks_t *set = set_of(token_vectors[i].jwk, &report);

        assert_int_not_equal(verify(set, &all, token_vector_hmac),
                             CONVO_FAULT_NONE);
        assert_int_equal(verify(set, &all, token_vector_none),
                         CONVO_FAULT_MALFORMED);
        convo_jwks_free(set);
    }
}


/* RFC 7517, A.1: one key for encryption and one for signatures. */
static void
of_the_public_keys_one_is_for_signatures(void **state)
{
    convo_jws_header_t header = { .alg = "RS256", .kid = "2011-04-29" };
    convo_jwks_report_t report;
    convo_jwks_t *set = convo_jwks_parse(
        token_vector_public_keys, strlen(token_vector_public_keys), &report);

    (void) state;

    assert_non_null(set);
    assert_int_equal(report.entries, 2);
    assert_int_equal(report.refused, 1);
    assert_string_equal(report.refusals[0], "its \"use\" is not \"sig\"");
    assert_null(report.refusals[1]);
    assert_non_null(convo_jwks_find(set, &header, &all));
    strcpy(header.kid, "1");
    assert_null(convo_jwks_find(set, &header, &all));
    convo_jwks_free(set);
}


/* RFC 7517, A.2 and A.3 */
static void
private_and_symmetric_keys_are_refused(void **state)
{
    static const char *const texts[] = { token_vector_private_keys,
                                         token_vector_symmetric_keys };
    convo_jwks_report_t report;

    (void) state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_null(convo_jwks_parse(texts[i], strlen(texts[i]), &report));
        assert_int_equal(report.entries, 2);
        assert_int_equal(report.refused, 2);
        assert_string_equal(report.refusals[1],
                            "it is a secret and must not be published");
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tokens_verify),
        cmocka_unit_test(no_tampered_token_verifies),
        cmocka_unit_test(the_place_says_what_it_accepts),
        cmocka_unit_test(tokens_that_anybody_can_make_are_refused),
        cmocka_unit_test(of_the_public_keys_one_is_for_signatures),
        cmocka_unit_test(private_and_symmetric_keys_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
