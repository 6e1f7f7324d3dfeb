/*
 * Real RSA keys and tokens for the units; see token_fixture.h.  A failure of
 * OpenSSL itself ends the test.
 */

#include "token_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/rsa.h>

#include "convo_base64.h"

#define KEYS 8
#define NUMBER_MAX 2048 /* base64url of 8192 bits, and more */

static struct {
    int number;
    unsigned bits;
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


EVP_PKEY *
token_fixture_key(int number, unsigned bits)
{
    int i = 0;

    while (i < KEYS && keys[i].key != NULL
           && (keys[i].number != number || keys[i].bits != bits)) {
        i++;
    }

    must(i < KEYS, "room for a key");

    if (keys[i].key == NULL) {
        if (i == 0) {
            atexit(free_keys);
        }

        keys[i].number = number;
        keys[i].bits = bits;
        keys[i].key = EVP_RSA_gen(bits);
        must(keys[i].key != NULL, "EVP_RSA_gen");
    }

    return keys[i].key;
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


char *
token_fixture_jwk(EVP_PKEY *key, const char *members)
{
    char n[2 * NUMBER_MAX];
    char e[2 * NUMBER_MAX];

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


char *
token_fixture_sign_with(EVP_PKEY *key, const char *digest, const char *header,
                        const char *payload)
{
    char *first = encoded((const unsigned char *) header, strlen(header));
    char *second = encoded((const unsigned char *) payload, strlen(payload));
    char *input = token_fixture_text("%s.%s", first, second);
    unsigned char bytes[NUMBER_MAX];
    size_t len = sizeof(bytes);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char *third, *token;

    must(EVP_DigestSignInit_ex(ctx, NULL, digest, NULL, NULL, key, NULL) == 1,
         "EVP_DigestSignInit_ex");
    must(EVP_DigestSign(ctx, bytes, &len, (unsigned char *) input,
                        strlen(input)) == 1,
         "EVP_DigestSign");

    third = encoded(bytes, len);
    token = token_fixture_text("%s.%s", input, third);

    EVP_MD_CTX_free(ctx);
    free(first);
    free(second);
    free(third);
    free(input);

    return token;
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
