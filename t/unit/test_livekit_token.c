/*
 * convo_livekit_token: what our tokens grant, and every way to forge one of a
 * webhook.  Forged tokens are signed here by hand, so that nothing that makes
 * tokens elsewhere can make these good.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "convo_base64.h"
#include "convo_livekit_token.h"

#define NOW 1000000100
#define LEEWAY 60
#define BODY "{\"event\":\"room_finished\",\"id\":\"EV_1\"}"
#define HASH "T3nmmgoMb0K0JzFqzd+ruluBPihNnvk5evpiXLgkr+0="

#define OLD "0123456789abcdef0123456789abcdef"
#define NEW "fedcba9876543210fedcba9876543210"

/* {"alg":"HS256","typ":"JWT"}
 * {"iss":"APIconvo","nbf":1000000000,"exp":1000000300,"sha256":HASH}
 * signed with OLD by Python's hmac */
#define RECORDED \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJBUEljb252byIsIm5iZiI6M" \
    "TAwMDAwMDAwMCwiZXhwIjoxMDAwMDAwMzAwLCJzaGEyNTYiOiJUM25tbWdvTWIwSzBKekZ" \
    "xemQrcnVsdUJQaWhObnZrNWV2cGlYTGdrciswPSJ9.BgEqRdNu0mrqlsuXxDBHLE3Bpntl" \
    "YZOmx1F29wlkTW8"

#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define CLAIMS(iss, nbf, exp, sha256) \
    "{\"iss\":\"" iss "\",\"nbf\":" nbf ",\"exp\":" exp ",\"sha256\":\"" \
    sha256 "\"}"
#define GOOD CLAIMS("APIconvo", "1000000000", "1000000300", HASH)

static const convo_secrets_t secrets = {
    2, { { sizeof(NEW) - 1, NEW }, { sizeof(OLD) - 1, OLD } }
};
static const convo_livekit_key_t key = { "APIconvo", &secrets };


/* --- forging */

static char *
forge(char *token, const char *header, const char *claims, const char *secret,
      const EVP_MD *hash)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned int mac_len;
    size_t len;

    len = convo_base64url(token, (const unsigned char *) header,
                          strlen(header));
    token[len++] = '.';
    len += convo_base64url(token + len, (const unsigned char *) claims,
                           strlen(claims));

    HMAC(hash, secret, (int) strlen(secret), (const unsigned char *) token,
         len, mac, &mac_len);
    token[len++] = '.';
    convo_base64url(token + len, mac, mac_len);

    return token;
}


static convo_livekit_verdict_e
verify(const char *header)
{
    return convo_livekit_verify(&key, header, strlen(header), BODY,
                                strlen(BODY), NOW, LEEWAY);
}


static convo_livekit_verdict_e
verify_forged(const char *header, const char *claims)
{
    char token[4096];

    return verify(forge(token, header, claims, OLD, EVP_sha256()));
}


/* --- minting */

static json_t *
part(const char *token, int n)
{
    unsigned char text[CONVO_LIVEKIT_TOKEN_MAX];
    long len;

    while (n-- > 0) {
        token = strchr(token, '.') + 1;
    }

    len = convo_base64url_decode(text, token, strcspn(token, "."));
    assert_true(len > 0);

    return json_loadb((const char *) text, (size_t) len, 0, NULL);
}


static void
expect_part(const char *token, int n, const char *json)
{
    json_t *is = part(token, n);
    json_t *should = json_loads(json, 0, NULL);

    if (!json_equal(is, should)) {
        char *text = json_dumps(is, JSON_SORT_KEYS);

        print_message("# %s\n", text);
        free(text);
        fail();
    }

    json_decref(is);
    json_decref(should);
}


static void
a_user_may_join_one_room_and_nothing_else(void **state)
{
    char token[CONVO_LIVEKIT_TOKEN_MAX + 1];
    size_t len;

    (void) state;

    len = convo_livekit_user_token(token, &key, "p.sid", "sid-a", NOW,
                                   NOW + 300);

    assert_int_equal(len, strlen(token));
    expect_part(token, 0, HS256);
    expect_part(token, 1,
                "{\"iss\":\"APIconvo\",\"sub\":\"sid-a\","
                "\"nbf\":1000000040,\"exp\":1000000400,"
                "\"video\":{\"room\":\"p.sid\",\"roomJoin\":true,"
                "\"canPublish\":true,\"canSubscribe\":true,"
                "\"canPublishData\":true}}");
}


static void
a_worker_gets_what_it_asks_for(void **state)
{
    char token[CONVO_LIVEKIT_TOKEN_MAX + 1];

    (void) state;

    assert_true(convo_livekit_admin_token(
        token, &key, CONVO_LIVEKIT_ROOM_CREATE | CONVO_LIVEKIT_ROOM_LIST,
        NULL, NOW, NOW + 60));
    expect_part(token, 1,
                "{\"iss\":\"APIconvo\",\"nbf\":1000000040,"
                "\"exp\":1000000160,"
                "\"video\":{\"roomCreate\":true,\"roomList\":true}}");

    assert_true(convo_livekit_admin_token(
        token, &key, CONVO_LIVEKIT_ROOM_ADMIN, "p.sid", NOW, NOW + 60));
    expect_part(token, 1,
                "{\"iss\":\"APIconvo\",\"nbf\":1000000040,"
                "\"exp\":1000000160,"
                "\"video\":{\"roomAdmin\":true,\"room\":\"p.sid\"}}");
}


static void
the_first_secret_signs(void **state)
{
    char token[CONVO_LIVEKIT_TOKEN_MAX + 1];
    char again[CONVO_LIVEKIT_TOKEN_MAX + 1];
    char *dot;
    size_t len;
    unsigned char mac[32];

    (void) state;

    len = convo_livekit_user_token(token, &key, "p.sid", "sid-a", NOW,
                                   NOW + 300);
    dot = strrchr(token, '.');
    HMAC(EVP_sha256(), NEW, sizeof(NEW) - 1, (unsigned char *) token,
         (size_t) (dot - token), mac, NULL);
    convo_base64url(again, mac, sizeof(mac));

    assert_string_equal(dot + 1, again);
    assert_int_equal(len, dot + 1 + strlen(again) - token);
}


static void
an_identity_that_is_not_text_or_too_long_gets_no_token(void **state)
{
    char token[CONVO_LIVEKIT_TOKEN_MAX + 1];
    static char longest[CONVO_LIVEKIT_TOKEN_MAX + 1];

    (void) state;

    memset(longest, 'x', sizeof(longest) - 1);

    assert_int_equal(convo_livekit_user_token(token, &key, "p.sid", longest,
                                              NOW, NOW + 300),
                     0);
    assert_string_equal(token, "");
    assert_int_equal(convo_livekit_user_token(token, &key, "p.\xff", "sid-a",
                                              NOW, NOW + 300),
                     0);
    assert_int_equal(convo_livekit_user_token(token, &key, "p.sid", "\xff",
                                              NOW, NOW + 300),
                     0);
    assert_string_equal(token, "");
}


static void
a_key_is_a_word(void **state)
{
    static char longest[CONVO_LIVEKIT_KEY_MAX + 1];

    (void) state;

    memset(longest, 'k', sizeof(longest));

    assert_int_equal(convo_livekit_is_key("APIconvo_1-x", 12), 1);
    assert_int_equal(convo_livekit_is_key(longest, sizeof(longest) - 1), 1);
    assert_int_equal(convo_livekit_is_key(longest, sizeof(longest)), 0);
    assert_int_equal(convo_livekit_is_key("", 0), 0);
    assert_int_equal(convo_livekit_is_key("a b", 3), 0);
    assert_int_equal(convo_livekit_is_key("a\0b", 3), 0);
    assert_int_equal(convo_livekit_is_key("a:b", 3), 0);
}


/* --- verifying */

static void
a_good_webhook_is_taken(void **state)
{
    (void) state;

    assert_int_equal(verify(RECORDED), CONVO_LIVEKIT_OK);
    assert_int_equal(verify("Bearer " RECORDED), CONVO_LIVEKIT_OK);
    assert_int_equal(verify("bearer " RECORDED), CONVO_LIVEKIT_OK);
    assert_int_equal(verify_forged(HS256, GOOD), CONVO_LIVEKIT_OK);
}


static void
either_generation_of_secrets_verifies(void **state)
{
    char token[1024];

    (void) state;

    forge(token, HS256, GOOD, OLD, EVP_sha256());
    assert_int_equal(verify(token), CONVO_LIVEKIT_OK);

    forge(token, HS256, GOOD, NEW, EVP_sha256());
    assert_int_equal(verify(token), CONVO_LIVEKIT_OK);
}


static void
attack_another_secret(void **state)
{
    char token[1024];

    (void) state;

    forge(token, HS256, GOOD, "0123456789abcdef0123456789abcdeX",
          EVP_sha256());
    assert_int_equal(verify(token), CONVO_LIVEKIT_SIGNATURE);

    forge(token, HS256, GOOD, "", EVP_sha256());
    assert_int_equal(verify(token), CONVO_LIVEKIT_SIGNATURE);
}


static void
attack_no_algorithm(void **state)
{
    char token[1024];

    (void) state;

    forge(token, "{\"alg\":\"none\"}", GOOD, "", EVP_sha256());
    *(strrchr(token, '.') + 1) = '\0';
    assert_int_equal(verify(token), CONVO_LIVEKIT_SIGNATURE);

    /* even by somebody who has the secret */
    assert_int_equal(verify_forged("{\"alg\":\"none\"}", GOOD),
                     CONVO_LIVEKIT_ALGORITHM);
    assert_int_equal(verify_forged("{\"alg\":\"None\"}", GOOD),
                     CONVO_LIVEKIT_ALGORITHM);
    assert_int_equal(verify_forged("{}", GOOD), CONVO_LIVEKIT_ALGORITHM);
    assert_int_equal(verify_forged("[\"HS256\"]", GOOD),
                     CONVO_LIVEKIT_ALGORITHM);
}


static void
attack_another_algorithm(void **state)
{
    char token[1024];

    (void) state;

    forge(token, "{\"alg\":\"HS512\"}", GOOD, OLD, EVP_sha512());
    assert_int_equal(verify(token), CONVO_LIVEKIT_SIGNATURE);
    assert_int_equal(verify_forged("{\"alg\":\"HS512\"}", GOOD),
                     CONVO_LIVEKIT_ALGORITHM);
    assert_int_equal(verify_forged("{\"alg\":\"RS256\"}", GOOD),
                     CONVO_LIVEKIT_ALGORITHM);
    assert_int_equal(verify_forged("{\"alg\":256}", GOOD),
                     CONVO_LIVEKIT_ALGORITHM);
}


static void
attack_critical_extension(void **state)
{
    (void) state;

    assert_int_equal(
        verify_forged("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
                      GOOD),
        CONVO_LIVEKIT_ALGORITHM);
}


static void
attack_members_twice(void **state)
{
    (void) state;

    assert_int_equal(
        verify_forged("{\"alg\":\"none\",\"alg\":\"HS256\"}", GOOD),
        CONVO_LIVEKIT_ALGORITHM);
    assert_int_equal(
        verify_forged(HS256, "{\"iss\":\"other\",\"iss\":\"APIconvo\","
                             "\"exp\":1000000300,\"sha256\":\"" HASH "\"}"),
        CONVO_LIVEKIT_MALFORMED);
}


static void
attack_signature_spelled_otherwise(void **state)
{
    char token[1024];
    size_t len = strlen(RECORDED);

    (void) state;

    /* the last digit of 43 holds two bits that mean nothing */
    strcpy(token, RECORDED);
    token[len - 1]++;
    assert_int_equal(verify(token), CONVO_LIVEKIT_SIGNATURE);

    strcpy(token, RECORDED "=");
    assert_int_equal(verify(token), CONVO_LIVEKIT_SIGNATURE);

    strcpy(token, RECORDED);
    token[len - 1] = '\0';
    assert_int_equal(verify(token), CONVO_LIVEKIT_SIGNATURE);
}


static void
attack_another_key(void **state)
{
    (void) state;

    assert_int_equal(verify_forged(HS256, CLAIMS("APIother", "1000000000",
                                                 "1000000300", HASH)),
                     CONVO_LIVEKIT_ISSUER);
    assert_int_equal(verify_forged(HS256, "{\"exp\":1000000300,\"sha256\":\""
                                          HASH "\"}"),
                     CONVO_LIVEKIT_ISSUER);
    assert_int_equal(verify_forged(HS256, "{\"iss\":[\"APIconvo\"]}"),
                     CONVO_LIVEKIT_ISSUER);
}


static void
attack_old_token(void **state)
{
    (void) state;

    assert_int_equal(verify_forged(HS256, CLAIMS("APIconvo", "1", "1000000040",
                                                 HASH)),
                     CONVO_LIVEKIT_EXPIRED);
    assert_int_equal(verify_forged(HS256, CLAIMS("APIconvo", "1", "1000000041",
                                                 HASH)),
                     CONVO_LIVEKIT_OK);
}


static void
attack_token_for_ever(void **state)
{
    (void) state;

    assert_int_equal(verify_forged(HS256, "{\"iss\":\"APIconvo\","
                                          "\"sha256\":\"" HASH "\"}"),
                     CONVO_LIVEKIT_EXPIRED);
    assert_int_equal(verify_forged(HS256, "{\"iss\":\"APIconvo\","
                                          "\"exp\":\"9999999999\","
                                          "\"sha256\":\"" HASH "\"}"),
                     CONVO_LIVEKIT_EXPIRED);
}


static void
attack_token_from_the_future(void **state)
{
    (void) state;

    assert_int_equal(verify_forged(HS256, CLAIMS("APIconvo", "1000000161",
                                                 "1000000300", HASH)),
                     CONVO_LIVEKIT_EARLY);
    assert_int_equal(verify_forged(HS256, CLAIMS("APIconvo", "1000000160",
                                                 "1000000300", HASH)),
                     CONVO_LIVEKIT_OK);
    assert_int_equal(verify_forged(HS256, CLAIMS("APIconvo", "\"1\"",
                                                 "1000000300", HASH)),
                     CONVO_LIVEKIT_EARLY);
}


static void
attack_another_body(void **state)
{
    static const char other[] = "{\"event\":\"room_finished\",\"id\":\"EV_2\"}";

    (void) state;

    assert_int_equal(convo_livekit_verify(&key, RECORDED, strlen(RECORDED),
                                          other, strlen(other), NOW, LEEWAY),
                     CONVO_LIVEKIT_BODY);
    assert_int_equal(convo_livekit_verify(&key, RECORDED, strlen(RECORDED),
                                          BODY, strlen(BODY) - 1, NOW, LEEWAY),
                     CONVO_LIVEKIT_BODY);
    assert_int_equal(convo_livekit_verify(&key, RECORDED, strlen(RECORDED),
                                          "", 0, NOW, LEEWAY),
                     CONVO_LIVEKIT_BODY);
}


static void
attack_token_of_a_user(void **state)
{
    char token[CONVO_LIVEKIT_TOKEN_MAX + 1];

    (void) state;

    /* a user holds a token that the same secret has signed */
    convo_livekit_user_token(token, &key, "p.sid", "sid-a", NOW, NOW + 300);
    assert_int_equal(verify(token), CONVO_LIVEKIT_BODY);

    assert_int_equal(verify_forged(HS256, CLAIMS("APIconvo", "1000000000",
                                                 "1000000300", "")),
                     CONVO_LIVEKIT_BODY);
    assert_int_equal(verify_forged(HS256, "{\"iss\":\"APIconvo\","
                                          "\"exp\":1000000300,"
                                          "\"sha256\":true}"),
                     CONVO_LIVEKIT_BODY);
}


static void
attack_rubbish(void **state)
{
    static const char *const rubbish[] = { "",      "Bearer",  "Bearer ",
                                           ".",     "a.b",     "a.b.c.d",
                                           "Basic" };
    static char longest[CONVO_LIVEKIT_TOKEN_MAX + 2];

    (void) state;

    for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
        assert_int_equal(verify(rubbish[i]), CONVO_LIVEKIT_MALFORMED);
    }

    assert_int_equal(verify(".."), CONVO_LIVEKIT_SIGNATURE);
    assert_int_equal(verify("Basic " RECORDED), CONVO_LIVEKIT_SIGNATURE);
    assert_int_equal(verify("Bearer  " RECORDED), CONVO_LIVEKIT_SIGNATURE);

    memset(longest, 'x', sizeof(longest) - 1);
    longest[10] = longest[20] = '.';
    assert_int_equal(verify(longest), CONVO_LIVEKIT_MALFORMED);

    assert_int_equal(verify_forged(HS256, "no JSON"),
                     CONVO_LIVEKIT_MALFORMED);
    assert_int_equal(verify_forged(HS256, "\"text\""),
                     CONVO_LIVEKIT_MALFORMED);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_may_join_one_room_and_nothing_else),
        cmocka_unit_test(a_worker_gets_what_it_asks_for),
        cmocka_unit_test(the_first_secret_signs),
        cmocka_unit_test(
            an_identity_that_is_not_text_or_too_long_gets_no_token),
        cmocka_unit_test(a_key_is_a_word),
        cmocka_unit_test(a_good_webhook_is_taken),
        cmocka_unit_test(either_generation_of_secrets_verifies),
        cmocka_unit_test(attack_another_secret),
        cmocka_unit_test(attack_no_algorithm),
        cmocka_unit_test(attack_another_algorithm),
        cmocka_unit_test(attack_critical_extension),
        cmocka_unit_test(attack_members_twice),
        cmocka_unit_test(attack_signature_spelled_otherwise),
        cmocka_unit_test(attack_another_key),
        cmocka_unit_test(attack_old_token),
        cmocka_unit_test(attack_token_for_ever),
        cmocka_unit_test(attack_token_from_the_future),
        cmocka_unit_test(attack_another_body),
        cmocka_unit_test(attack_token_of_a_user),
        cmocka_unit_test(attack_rubbish),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
