/*
 * Real keys and tokens for the units; see token_fixture.h.  A failure of
 * OpenSSL itself ends the test.
 */

#include "token_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

#include "convo_base64.h"

#define KEYS 16
#define NUMBER_MAX 2048 /* base64url of 8192 bits, and more */

static struct {
    int number;
    unsigned bits;
    const char *curve; /* NULL for RSA */
    EVP_PKEY *key;
} keys[KEYS];


static void
must(int condition, const char *what)
{
    if (!condition) {
        fprintf(stderr, "token_fixture: %s failed\n", what);
        abort();
    }
}


static void
free_keys(void)
{
    for (int i = 0; i < KEYS; i++) {
        EVP_PKEY_free(keys[i].key);
    }
}


static EVP_PKEY *
generate(unsigned bits, const char *curve)
{
    if (curve == NULL) {
        return EVP_RSA_gen(bits);
    }

    return curve[0] == 'P' ? EVP_EC_gen(curve)
                           : EVP_PKEY_Q_keygen(NULL, NULL, curve);
}


static EVP_PKEY *
key_of(int number, unsigned bits, const char *curve)
{
    int i = 0;

    while (i < KEYS && keys[i].key != NULL
           && (keys[i].number != number || keys[i].bits != bits
               || keys[i].curve != curve)) {
        i++;
    }

    must(i < KEYS, "room for a key");

    if (keys[i].key == NULL) {
        if (i == 0) {
            atexit(free_keys);
        }

        keys[i].number = number;
        keys[i].bits = bits;
        keys[i].curve = curve;
        keys[i].key = generate(bits, curve);
        must(keys[i].key != NULL, "making a key");
    }

    return keys[i].key;
}


EVP_PKEY *
token_fixture_key(int number, unsigned bits)
{
    return key_of(number, bits, NULL);
}


EVP_PKEY *
token_fixture_curve_key(int number, const char *curve)
{
    static const char *const curves[] = { "P-256", "P-384", "P-521",
                                          "ED25519" };
    size_t i = 0;

    while (i < 3 && strcmp(curves[i], curve) != 0) {
        i++;
    }

    return key_of(number, 0, curves[i]);
}


static void
number_text(char *text, EVP_PKEY *key, const char *name)
{
    BIGNUM *number = NULL;
    unsigned char bytes[NUMBER_MAX];

    must(EVP_PKEY_get_bn_param(key, name, &number), "a key's number");
    convo_base64url(text, bytes, (size_t) BN_bn2bin(number, bytes));
    BN_free(number);
}


static char *
point_jwk(EVP_PKEY *key, const char *members)
{
    unsigned char point[256];
    char crv[32], x[256], y[256];
    size_t len = sizeof(point);

    if (EVP_PKEY_is_a(key, "ED25519")) {
        must(EVP_PKEY_get_raw_public_key(key, point, &len), "a raw key");
        convo_base64url(x, point, len);
        return token_fixture_text("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                                  "\"x\":\"%s\"%s}", x, members);
    }

    must(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         sizeof(point), &len)
             && point[0] == POINT_CONVERSION_UNCOMPRESSED,
         "a key's point");
    len /= 2;
    convo_base64url(x, point + 1, len);
    convo_base64url(y, point + 1 + len, len);
    snprintf(crv, sizeof(crv), "P-%zu", len == 66 ? 521 : 8 * len);

    return token_fixture_text("{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\","
                              "\"y\":\"%s\"%s}", crv, x, y, members);
}


char *
token_fixture_jwk(EVP_PKEY *key, const char *members)
{
    char n[2 * NUMBER_MAX];
    char e[2 * NUMBER_MAX];

    if (!EVP_PKEY_is_a(key, "RSA")) {
        return point_jwk(key, members);
    }

    number_text(n, key, OSSL_PKEY_PARAM_RSA_N);
    number_text(e, key, OSSL_PKEY_PARAM_RSA_E);

    return token_fixture_text("{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
                              n, e, members);
}


static char *
encoded(const unsigned char *bytes, size_t len)
{
    char *text = malloc(CONVO_BASE64_LEN(len) + 1);

    must(text != NULL, "malloc");
    convo_base64url(text, bytes, len);

    return text;
}


static char *
input_of(const char *header, const char *payload)
{
    char *first = encoded((const unsigned char *) header, strlen(header));
    char *second = encoded((const unsigned char *) payload, strlen(payload));
    char *input = token_fixture_text("%s.%s", first, second);

    free(first);
    free(second);

    return input;
}


char *
token_fixture_token(const char *header, const char *payload,
                    const unsigned char *signature, size_t len)
{
    char *input = input_of(header, payload);
    char *third = encoded(signature, len);
    char *token = token_fixture_text("%s.%s", input, third);

    free(input);
    free(third);

    return token;
}


/* r and s, each as long as the curve's order, in place of their DER. */
static size_t
raw_of(EVP_PKEY *key, unsigned char *bytes, size_t len)
{
    const unsigned char *der = bytes;
    ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &der, (long) len);
    int half = (EVP_PKEY_get_bits(key) + 7) / 8;

    must(both != NULL
             && BN_bn2binpad(ECDSA_SIG_get0_r(both), bytes, half) == half
             && BN_bn2binpad(ECDSA_SIG_get0_s(both), bytes + half, half)
                    == half,
         "r and s");
    ECDSA_SIG_free(both);

    return 2 * (size_t) half;
}


/* digest NULL: the key's own; is_pss with a salt as long as the digest */
static char *
sign_as(EVP_PKEY *key, const char *digest, int is_pss, const char *header,
        const char *payload)
{
    unsigned char bytes[NUMBER_MAX];
    size_t len = sizeof(bytes);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx;
    char *input = input_of(header, payload);

    must(EVP_DigestSignInit_ex(ctx, &pctx, digest, NULL, NULL, key, NULL)
             == 1,
         "EVP_DigestSignInit_ex");
    must(!is_pss
             || (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) > 0
                 && EVP_PKEY_CTX_set_rsa_pss_saltlen(
                        pctx, RSA_PSS_SALTLEN_DIGEST)
                        > 0),
         "PSS");
    must(EVP_DigestSign(ctx, bytes, &len, (unsigned char *) input,
                        strlen(input)) == 1,
         "EVP_DigestSign");

    if (EVP_PKEY_is_a(key, "EC")) {
        len = raw_of(key, bytes, len);
    }

    EVP_MD_CTX_free(ctx);
    free(input);

    return token_fixture_token(header, payload, bytes, len);
}


char *
token_fixture_sign_with(EVP_PKEY *key, const char *digest, const char *header,
                        const char *payload)
{
    return sign_as(key, digest, 0, header, payload);
}


char *
token_fixture_sign_by(EVP_PKEY *key, const char *alg, const char *header,
                      const char *payload)
{
    char digest[8];

    snprintf(digest, sizeof(digest), "SHA%.3s", alg + 2);

    return sign_as(key, strcmp(alg, "EdDSA") == 0 ? NULL : digest,
                   alg[0] == 'P', header, payload);
}


char *
token_fixture_sign(EVP_PKEY *key, const char *header, const char *payload)
{
    return token_fixture_sign_with(key, "SHA256", header, payload);
}


char *
token_fixture_text(const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    must(vasprintf(&text, format, args) >= 0, "vasprintf");
    va_end(args);

    return text;
}
