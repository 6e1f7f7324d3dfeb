/*
 * convo_jwk: every algorithm with its key, what a place accepts, and the
 * signatures and points that OpenSSL alone would take or misread.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "convo_base64.h"
#include "convo_jwk.h"
#include "token_fixture.h"

#define HEADER "{}"
#define PAYLOAD "{\"sub\":\"u\"}"

static const convo_jwa_accept_t all = { CONVO_JWA_ALL, CONVO_JWA_ALL };
static const convo_jwa_accept_t defaults = CONVO_JWA_ACCEPT_DEFAULT;


static EVP_PKEY *
key_for(unsigned algorithm)
{
    static const char *const curves[] = {
        [CONVO_JWA_KEY_P256] = "P-256",
        [CONVO_JWA_KEY_P384] = "P-384",
        [CONVO_JWA_KEY_P521] = "P-521",
        [CONVO_JWA_KEY_ED25519] = "ED25519",
    };
    convo_jwa_key_e type = convo_jwa((convo_jwa_e) algorithm)->key;

    return type == CONVO_JWA_KEY_RSA
               ? token_fixture_key(1, 2048)
               : token_fixture_curve_key(1, curves[type]);
}


static const char *
name_of(unsigned algorithm)
{
    return convo_jwa((convo_jwa_e) algorithm)->name;
}


/* The key of a JWK text, which is freed; NULL with the reason. */
static convo_jwk_t *
jwk_of(char *text, const char **reason)
{
    json_t *entry = json_loads(text, 0, NULL);
    convo_jwk_t *key;

    assert_non_null(entry);
    key = convo_jwk_create(entry, reason);
    json_decref(entry);
    free(text);
    assert_int_equal(ERR_peek_error(), 0);

    return key;
}


static convo_jwk_t *
good_jwk(EVP_PKEY *pkey, const char *members)
{
    const char *reason;
    convo_jwk_t *key = jwk_of(token_fixture_jwk(pkey, members), &reason);

    assert_non_null(key);

    return key;
}


/* Leaves the hash in the token's parts, of what it signs. */
static void
hash(convo_jws_t *jws)
{
    const convo_text_t *input = &jws->signed_input;

    SHA256((const unsigned char *) input->data, input->len, jws->sha256);
    jws->is_hashed = true;
}


/* The verdict on a token, which is freed; the same when its hash is known. */
static convo_fault_e
verify(const convo_jwk_t *key, const char *alg,
       const convo_jwa_accept_t *accept, char *token)
{
    convo_jws_t jws;
    convo_fault_e fault;

    assert_int_equal(convo_jws_split(&jws, token, strlen(token)),
                     CONVO_FAULT_NONE);
    fault = convo_jwk_verify(key, alg, accept, &jws);
    hash(&jws);
    assert_int_equal(convo_jwk_verify(key, alg, accept, &jws), fault);
    free(token);
    assert_int_equal(ERR_peek_error(), 0);

    return fault;
}


static void
each_algorithm_verifies_with_its_key(void **state)
{
    (void) state;

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        char *alg = token_fixture_text(",\"alg\":\"%s\"", name_of(i));
        convo_jwk_t *key = good_jwk(key_for(i), alg);

        for (unsigned j = 0; j < CONVO_JWA_COUNT; j++) {
            char *token = token_fixture_sign_by(key_for(j), name_of(j),
                                                HEADER, PAYLOAD);

            /* said to be the key's: only what is, verifies */
            assert_int_equal(verify(key, name_of(i), &defaults,
                                    strdup(token)),
                             i == j ? CONVO_FAULT_NONE
                                    : CONVO_FAULT_SIGNATURE);

            /* said to be what it is: only the key's is asked */
            assert_int_equal(verify(key, name_of(j), &defaults, token),
                             i == j ? CONVO_FAULT_NONE
                                    : CONVO_FAULT_ALGORITHM);
        }

        convo_jwk_free(key);
        free(alg);
    }
}


/* By those algorithms that sign the SHA-256; others make their own hash. */
static void
a_hash_that_is_known_is_what_is_verified(void **state)
{
    (void) state;

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        const char *digest = convo_jwa((convo_jwa_e) i)->digest;
        bool counts = digest != NULL && strcmp(digest, "SHA256") == 0;
        convo_jwk_t *key = good_jwk(key_for(i), "");
        char *token = token_fixture_sign_by(key_for(i), name_of(i), HEADER,
                                            PAYLOAD);
        convo_jws_t jws;

        assert_int_equal(convo_jws_split(&jws, token, strlen(token)),
                         CONVO_FAULT_NONE);
        hash(&jws);
        jws.sha256[31] ^= 1;
        assert_int_equal(convo_jwk_verify(key, name_of(i), &all, &jws),
                         counts ? CONVO_FAULT_SIGNATURE : CONVO_FAULT_NONE);

        convo_jwk_free(key);
        free(token);
    }
}


/* By what the token's algorithm is, among those that are listed. */
static void
a_key_without_alg_serves_what_is_listed(void **state)
{
    static const unsigned listed[] = {
        0, CONVO_JWA_BIT(CONVO_JWA_RS256),
        CONVO_JWA_BIT(CONVO_JWA_RS512) | CONVO_JWA_BIT(CONVO_JWA_PS256),
        CONVO_JWA_BIT(CONVO_JWA_ES384) | CONVO_JWA_BIT(CONVO_JWA_EDDSA),
        CONVO_JWA_ALL,
    };

    (void) state;

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        convo_jwk_t *key = good_jwk(key_for(i), "");

        for (size_t j = 0; j < sizeof(listed) / sizeof(listed[0]); j++) {
            const convo_jwa_accept_t accept = { CONVO_JWA_ALL, listed[j] };

            assert_int_equal(
                verify(key, name_of(i), &accept,
                       token_fixture_sign_by(key_for(i), name_of(i), HEADER,
                                             PAYLOAD)),
                listed[j] & CONVO_JWA_BIT(i) ? CONVO_FAULT_NONE
                                             : CONVO_FAULT_ALGORITHM);
        }

        convo_jwk_free(key);
    }
}


static void
a_key_with_alg_serves_it_where_it_is_listed(void **state)
{
    const unsigned ps256 = CONVO_JWA_BIT(CONVO_JWA_PS256);
    const convo_jwa_accept_t listed = { ps256, ps256 };
    const convo_jwa_accept_t others = { CONVO_JWA_ALL & ~ps256,
                                        CONVO_JWA_ALL };
    EVP_PKEY *pkey = token_fixture_key(1, 2048);
    convo_jwk_t *key = good_jwk(pkey, ",\"alg\":\"PS256\"");

    (void) state;

    assert_int_equal(verify(key, "PS256", &listed,
                            token_fixture_sign_by(pkey, "PS256", HEADER,
                                                  PAYLOAD)),
                     CONVO_FAULT_NONE);
    assert_int_equal(verify(key, "PS256", &others,
                            token_fixture_sign_by(pkey, "PS256", HEADER,
                                                  PAYLOAD)),
                     CONVO_FAULT_ALGORITHM);
    assert_int_equal(verify(key, "RS256", &all,
                            token_fixture_sign_by(pkey, "RS256", HEADER,
                                                  PAYLOAD)),
                     CONVO_FAULT_ALGORITHM);
    convo_jwk_free(key);
}


/* What one token leaves in a key's contexts is nothing to the next. */
static void
a_key_verifies_any_number_of_tokens(void **state)
{
    (void) state;

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        EVP_PKEY *pkey = key_for(i);
        convo_jwk_t *key = good_jwk(pkey, "");
        char *good = token_fixture_sign_by(pkey, name_of(i), HEADER, PAYLOAD);
        char *other = token_fixture_sign_by(pkey, name_of(i), HEADER, "{}");
        char *bad = token_fixture_text("%s", other);

        bad[2] = bad[2] == 'A' ? 'B' : 'A';

        for (int n = 0; n < 20; n++) {
            assert_int_equal(verify(key, name_of(i), &all, strdup(good)),
                             CONVO_FAULT_NONE);
            assert_int_equal(verify(key, name_of(i), &all, strdup(bad)),
                             CONVO_FAULT_SIGNATURE);
            assert_int_equal(verify(key, name_of(i), &all, strdup(other)),
                             CONVO_FAULT_NONE);
        }

        free(good);
        free(other);
        free(bad);
        convo_jwk_free(key);
    }
}


/* One digest of a key after another, as RSA keys without "alg" serve them. */
static void
algorithms_of_one_key_take_turns(void **state)
{
    EVP_PKEY *pkey = token_fixture_key(1, 2048);
    convo_jwk_t *key = good_jwk(pkey, "");

    (void) state;

    for (unsigned n = 0; n < 24; n++) {
        const char *name = name_of(n * 5 % 6);

        assert_int_equal(verify(key, name, &all,
                                token_fixture_sign_by(pkey, name, HEADER,
                                                      PAYLOAD)),
                         CONVO_FAULT_NONE);
    }

    convo_jwk_free(key);
}


static convo_fault_e
verify_bytes(const convo_jwk_t *key, const char *alg,
             const unsigned char *bytes, size_t len)
{
    return verify(key, alg, &all,
                  token_fixture_token(HEADER, PAYLOAD, bytes, len));
}


/* The signature of the payload under a key of ours, as bytes. */
static size_t
signature_of(EVP_PKEY *pkey, const char *alg, const char *payload,
             unsigned char *bytes)
{
    char *token = token_fixture_sign_by(pkey, alg, HEADER, payload);
    const char *text = strrchr(token, '.') + 1;
    long len = convo_base64url_decode(bytes, text, strlen(text));

    assert_true(len > 0);
    free(token);

    return (size_t) len;
}


/* Zero, the order, and more: as r, as s, and as both. */
static void
ecdsa_numbers_out_of_range_are_refused(void **state)
{
    (void) state;

    for (unsigned i = CONVO_JWA_ES256; i <= CONVO_JWA_ES512; i++) {
        EVP_PKEY *pkey = key_for(i);
        convo_jwk_t *key = good_jwk(pkey, "");
        unsigned char good[256], bad[256], edges[3][128] = { { 0 } };
        size_t len = signature_of(pkey, name_of(i), PAYLOAD, good);
        BIGNUM *order = NULL;

        assert_true(EVP_PKEY_get_bn_param(pkey, "order", &order));
        BN_bn2binpad(order, edges[1], (int) len / 2);
        memset(edges[2], 0xff, sizeof(edges[2]));
        BN_free(order);

        assert_int_equal(verify_bytes(key, name_of(i), good, len),
                         CONVO_FAULT_NONE);

        for (size_t j = 0; j < 9; j++) {
            memcpy(bad, good, len);

            if (j / 3 != 1) {
                memcpy(bad, edges[j % 3], len / 2);
            }

            if (j / 3 != 2) {
                memcpy(bad + len / 2, edges[j % 3], len / 2);
            }

            assert_int_equal(verify_bytes(key, name_of(i), bad, len),
                             CONVO_FAULT_SIGNATURE);
        }

        convo_jwk_free(key);
    }
}


static void
ecdsa_signatures_have_one_form(void **state)
{
    (void) state;

    for (unsigned i = CONVO_JWA_ES256; i <= CONVO_JWA_ES512; i++) {
        EVP_PKEY *pkey = key_for(i);
        convo_jwk_t *key = good_jwk(pkey, "");
        unsigned char good[256], bad[300] = { 0 }, *der = bad;
        size_t len = signature_of(pkey, name_of(i), PAYLOAD, good);
        ECDSA_SIG *both = ECDSA_SIG_new();

        assert_int_equal(verify_bytes(key, name_of(i), good, len - 1),
                         CONVO_FAULT_SIGNATURE);
        assert_int_equal(verify_bytes(key, name_of(i), good, len + 1),
                         CONVO_FAULT_SIGNATURE);

        /* a zero more before r and before s */
        memcpy(bad + 1, good, len / 2);
        memcpy(bad + 2 + len / 2, good + len / 2, len / 2);
        assert_int_equal(verify_bytes(key, name_of(i), bad, len + 2),
                         CONVO_FAULT_SIGNATURE);

        /* DER, as others write it */
        ECDSA_SIG_set0(both, BN_bin2bn(good, (int) len / 2, NULL),
                       BN_bin2bn(good + len / 2, (int) len / 2, NULL));
        len = (size_t) i2d_ECDSA_SIG(both, &der);
        assert_int_equal(verify_bytes(key, name_of(i), bad, len),
                         CONVO_FAULT_SIGNATURE);

        ECDSA_SIG_free(both);
        convo_jwk_free(key);
    }
}


/* Salt and MGF1 as RFC 7518, 3.5 wants them, and others. */
static convo_fault_e
verify_pss(const convo_jwk_t *key, EVP_PKEY *pkey, int salt,
           const char *mgf1)
{
    static const char input[] = "e30.eyJzdWIiOiJ1In0";
    unsigned char bytes[512];
    size_t len = sizeof(bytes);
    EVP_PKEY_CTX *pctx;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, "SHA256", NULL, NULL,
                                           pkey, NULL), 1);
    EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
    EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, salt);
    EVP_PKEY_CTX_set_rsa_mgf1_md_name(pctx, mgf1, NULL);
    assert_int_equal(EVP_DigestSign(ctx, bytes, &len,
                                    (const unsigned char *) input,
                                    sizeof(input) - 1), 1);
    EVP_MD_CTX_free(ctx);

    return verify_bytes(key, "PS256", bytes, len);
}


static void
a_pss_salt_is_as_long_as_the_digest(void **state)
{
    static const int others[] = { 0, 1, 31, 33, RSA_PSS_SALTLEN_MAX };
    EVP_PKEY *pkey = token_fixture_key(1, 2048);
    convo_jwk_t *key = good_jwk(pkey, "");

    (void) state;

    assert_int_equal(verify_pss(key, pkey, 32, "SHA256"), CONVO_FAULT_NONE);
    assert_int_equal(verify_pss(key, pkey, 32, "SHA1"),
                     CONVO_FAULT_SIGNATURE);

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(verify_pss(key, pkey, others[i], "SHA256"),
                         CONVO_FAULT_SIGNATURE);
    }

    convo_jwk_free(key);
}


/* One that begins with a zero byte would still verify without it. */
static void
rsa_signatures_are_as_long_as_the_modulus(void **state)
{
    static const char *const names[] = { "RS256", "PS256" };
    EVP_PKEY *pkey = token_fixture_key(1, 2048);
    convo_jwk_t *key = good_jwk(pkey, "");

    (void) state;

    for (size_t i = 0; i < 2; i++) {
        unsigned char bytes[512] = { 0 };
        char *payload = NULL, *token;

        for (unsigned n = 0; n == 0 || bytes[1] != 0; n++) {
            free(payload);
            payload = token_fixture_text("{\"n\":%u}", n);
            assert_int_equal(signature_of(pkey, names[i], payload, bytes + 1),
                             256);
        }

        token = token_fixture_token(HEADER, payload, bytes + 1, 256);
        assert_int_equal(verify(key, names[i], &all, token),
                         CONVO_FAULT_NONE);
        token = token_fixture_token(HEADER, payload, bytes + 2, 255);
        assert_int_equal(verify(key, names[i], &all, token),
                         CONVO_FAULT_SIGNATURE);
        token = token_fixture_token(HEADER, payload, bytes, 257);
        assert_int_equal(verify(key, names[i], &all, token),
                         CONVO_FAULT_SIGNATURE);
        free(payload);
    }

    convo_jwk_free(key);
}


/* S and S plus the order of the group are the same to a lax verifier. */
static void
an_ed25519_signature_has_one_form(void **state)
{
    static const char order[] = "1000000000000000000000000000000014def9dea2f7"
                                "9cd65812631a5cf5d3ed";
    EVP_PKEY *pkey = token_fixture_curve_key(1, "ED25519");
    convo_jwk_t *key = good_jwk(pkey, "");
    unsigned char bytes[128] = { 0 };
    size_t len = signature_of(pkey, "EdDSA", PAYLOAD, bytes);
    BIGNUM *s = BN_lebin2bn(bytes + 32, 32, NULL), *l = NULL;

    (void) state;

    assert_int_equal(len, 64);
    assert_int_equal(verify_bytes(key, "EdDSA", bytes, 64), CONVO_FAULT_NONE);
    assert_int_equal(verify_bytes(key, "EdDSA", bytes, 63),
                     CONVO_FAULT_SIGNATURE);
    assert_int_equal(verify_bytes(key, "EdDSA", bytes, 65),
                     CONVO_FAULT_SIGNATURE);

    assert_true(BN_hex2bn(&l, order) && BN_add(s, s, l)
                && BN_bn2lebinpad(s, bytes + 32, 32) == 32);
    assert_int_equal(verify_bytes(key, "EdDSA", bytes, 64),
                     CONVO_FAULT_SIGNATURE);

    BN_free(s);
    BN_free(l);
    convo_jwk_free(key);
}


static void
assert_refused(char *text, const char *expected)
{
    const char *reason = NULL;

    assert_null(jwk_of(text, &reason));
    assert_string_equal(reason, expected);
}


/* Under the first ones "R = B, S = 1" would be everybody's signature. */
static void
weak_points_of_ed25519_are_refused(void **state)
{
    static const struct {
        const char *point;
        const char *reason;
    } bad[] = {
        { "0000000000000000000000000000000000000000000000000000000000000000",
          "its point is of small order" },
        { "0000000000000000000000000000000000000000000000000000000000000080",
          "its point is of small order" },
        { "0100000000000000000000000000000000000000000000000000000000000000",
          "its point is of small order" },
        { "0100000000000000000000000000000000000000000000000000000000000080",
          "its point is of small order" },
        { "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
          "its point is of small order" },
        { "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
          "its point is of small order" },
        { "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
          "its point is of small order" },
        /* the same y as 0 and 1 have, and the largest there is */
        { "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
          "its point is not on its curve" },
        { "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
          "its point is not on its curve" },
        { "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "its point is not on its curve" },
        /* there is no x */
        { "0200000000000000000000000000000000000000000000000000000000000000",
          "its point is not on its curve" },
        { "00000000000000000000000000000000000000000000000000000000000000",
          "its \"x\" is no coordinate of its curve" },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsigned char bytes[32];
        char text[64];
        size_t len;

        assert_true(OPENSSL_hexstr2buf_ex(bytes, sizeof(bytes), &len,
                                          bad[i].point, '\0'));
        convo_base64url(text, bytes, len);
        assert_refused(token_fixture_text("{\"kty\":\"OKP\",\"crv\":"
                                          "\"Ed25519\",\"x\":\"%s\"}", text),
                       bad[i].reason);
    }
}


static void
every_point_of_ed25519_that_is_made_serves(void **state)
{
    (void) state;

    for (int i = 0; i < 200; i++) {
        EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

        convo_jwk_free(good_jwk(pkey, ",\"alg\":\"EdDSA\""));
        EVP_PKEY_free(pkey);
    }
}


/* A coordinate's text in a JWK of a good point, with another in its place. */
static char *
with_coordinate(EVP_PKEY *pkey, const char *name, const char *text)
{
    char *jwk = token_fixture_jwk(pkey, "");
    char *member = token_fixture_text("\"%s\":\"", name);
    char *at = strstr(jwk, member);
    char *end = strchr(at + strlen(member), '"');
    char *changed;

    at[strlen(member)] = '\0';
    changed = token_fixture_text("%s%s%s", jwk, text, end);
    free(jwk);
    free(member);

    return changed;
}


static void
points_off_their_curve_are_refused(void **state)
{
    static const char zeros[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    EVP_PKEY *ours = token_fixture_curve_key(1, "P-256");
    EVP_PKEY *larger = token_fixture_curve_key(1, "P-384");

    (void) state;

    assert_refused(with_coordinate(ours, "x", zeros),
                   "its point is not on its curve");
    assert_refused(with_coordinate(ours, "y", zeros),
                   "its point is not on its curve");
    assert_refused(with_coordinate(ours, "x", "AAAA"),
                   "its \"x\" or \"y\" is no coordinate of its curve");
    assert_refused(with_coordinate(ours, "y", ""),
                   "its \"x\" or \"y\" is no coordinate of its curve");
    assert_refused(with_coordinate(ours, "crv", "secp256k1"),
                   "its \"crv\" is not P-256, P-384 or P-521");
    assert_refused(with_coordinate(ours, "crv", "P-384"),
                   "its \"x\" or \"y\" is no coordinate of its curve");
    assert_refused(with_coordinate(larger, "crv", "P-256"),
                   "its \"x\" or \"y\" is no coordinate of its curve");
    assert_refused(with_coordinate(ours, "kty", "OKP"),
                   "its \"crv\" is not Ed25519");
    assert_refused(with_coordinate(token_fixture_curve_key(1, "ED25519"),
                                   "crv", "X25519"),
                   "its \"crv\" is not Ed25519");
}


static void
an_alg_of_another_kind_of_key_is_refused(void **state)
{
    (void) state;

    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        for (unsigned j = 0; j < CONVO_JWA_COUNT; j++) {
            char *alg = token_fixture_text(",\"alg\":\"%s\"", name_of(j));

            if (key_for(i) != key_for(j)) {
                assert_refused(token_fixture_jwk(key_for(i), alg),
                               "its \"alg\" is for keys of another kind");
            }

            free(alg);
        }

        assert_refused(token_fixture_jwk(key_for(i), ",\"alg\":\"HS256\""),
                       "its \"alg\" is not accepted");
        assert_refused(token_fixture_jwk(key_for(i), ",\"d\":\"AAAA\""),
                       "it is a secret and must not be published");
        assert_refused(token_fixture_jwk(key_for(i), ",\"use\":\"enc\""),
                       "its \"use\" is not \"sig\"");
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_algorithm_verifies_with_its_key),
        cmocka_unit_test(a_hash_that_is_known_is_what_is_verified),
        cmocka_unit_test(a_key_without_alg_serves_what_is_listed),
        cmocka_unit_test(a_key_with_alg_serves_it_where_it_is_listed),
        cmocka_unit_test(a_key_verifies_any_number_of_tokens),
        cmocka_unit_test(algorithms_of_one_key_take_turns),
        cmocka_unit_test(ecdsa_numbers_out_of_range_are_refused),
        cmocka_unit_test(ecdsa_signatures_have_one_form),
        cmocka_unit_test(a_pss_salt_is_as_long_as_the_digest),
        cmocka_unit_test(rsa_signatures_are_as_long_as_the_modulus),
        cmocka_unit_test(an_ed25519_signature_has_one_form),
        cmocka_unit_test(weak_points_of_ed25519_are_refused),
        cmocka_unit_test(every_point_of_ed25519_that_is_made_serves),
        cmocka_unit_test(points_off_their_curve_are_refused),
        cmocka_unit_test(an_alg_of_another_kind_of_key_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
