/*
 * A JWK Set turned into keys that verify; see convo_jwks.h.
 *
 * OpenSSL 3 builds an EVP_PKEY from the published numbers, and only it
 * touches a signature.  Its error queue is emptied after every failure, as
 * NGINX's own TLS code would report what is left there as its own.
 */

#include "convo_jwks.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>

#include "convo_base64.h"
#include "convo_json.h"

/* set, "keys", entry, "x5c" or "key_ops", and one to spare */
#define CONVO_JWKS_DEPTH_MAX 5
#define CONVO_JWKS_COUNT_MAX 4096

/* Characters of base64url; more is no number of an acceptable key. */
#define CONVO_JWKS_NUMBER_MAX (CONVO_JWKS_RSA_BITS_MAX / 6 + 4)
#define CONVO_JWKS_EXPONENT_BITS_MAX 32

/* Room for the bytes that n characters of base64url decode to. */
#define CONVO_JWKS_DECODED(n) ((n) / 4 * 3 + 2)

/* What an algorithm's name stands for (RFC 7518, section 3.1). */
typedef struct {
    const char *name;
    const char *kty;
    const char *digest;
} convo_jwks_algorithm_t;

struct convo_jwk_s {
    char kid[CONVO_JWS_KID_MAX + 1];
    const convo_jwks_algorithm_t *algorithm;
    EVP_PKEY *pkey;
};

struct convo_jwks_s {
    uint8_t digest[CONVO_JWKS_DIGEST_LEN];
    size_t nkeys;
    convo_jwk_t keys[CONVO_JWKS_KEYS_MAX];
};

/* The first line of a type is the default for its keys without "alg". */
static const convo_jwks_algorithm_t convo_jwks_algorithms[] = {
    { "RS256", "RSA", "SHA256" },
};

static const convo_jwks_algorithm_t *
convo_jwks_algorithm(const char *kty, const char *alg)
{
    size_t n =
        sizeof(convo_jwks_algorithms) / sizeof(convo_jwks_algorithms[0]);

    for (size_t i = 0; i < n; i++) {
        const convo_jwks_algorithm_t *known = &convo_jwks_algorithms[i];

        if (strcmp(known->kty, kty) == 0
            && (alg == NULL || strcmp(known->name, alg) == 0)) {
            return known;
        }
    }

    return NULL;
}

/* Where "key_ops" is given it must allow to verify (RFC 7517, 4.3). */
static bool
convo_jwks_ops_verify(const json_t *ops)
{
    size_t i;
    const json_t *op;

    if (ops == NULL) {
        return true;
    }

    json_array_foreach(ops, i, op) {
        if (json_is_string(op)
            && strcmp(json_string_value(op), "verify") == 0) {
            return true;
        }
    }

    return false;
}

/* NULL when the entry is a public key for signatures, else why not. */
static const char *
convo_jwks_check_purpose(const json_t *entry)
{
    const json_t *use = json_object_get(entry, "use");

    if (use != NULL
        && (!json_is_string(use)
            || strcmp(json_string_value(use), "sig") != 0)) {
        return "its \"use\" is not \"sig\"";
    }

    if (!convo_jwks_ops_verify(json_object_get(entry, "key_ops"))) {
        return "its \"key_ops\" do not allow to verify";
    }

    if (json_object_get(entry, "d") != NULL
        || json_object_get(entry, "k") != NULL) {
        return "it is a secret and must not be published";
    }

    return NULL;
}

/* NULL, or why the entry's type and algorithm are of no use. */
static const char *
convo_jwks_take_algorithm(convo_jwk_t *key, const json_t *entry)
{
    const json_t *alg = json_object_get(entry, "alg");
    const char *kty = json_string_value(json_object_get(entry, "kty"));

    if (kty == NULL) {
        return "it has no \"kty\"";
    }

    if (alg != NULL && !json_is_string(alg)) {
        return "its \"alg\" is no string";
    }

    key->algorithm = convo_jwks_algorithm(kty, json_string_value(alg));

    return key->algorithm != NULL ? NULL
                                  : "its \"kty\" or \"alg\" is not accepted";
}

/* NULL, or why the entry's id is of no use. */
static const char *
convo_jwks_take_kid(convo_jwks_t *set, convo_jwk_t *key, const json_t *entry)
{
    const json_t *kid = json_object_get(entry, "kid");
    size_t len = json_string_length(kid);

    if (kid == NULL) {
        return NULL;
    }

    if (!json_is_string(kid) || len == 0 || len > CONVO_JWS_KID_MAX) {
        return "its \"kid\" is not a string of 1 to 255 bytes";
    }

    for (size_t i = 0; i < set->nkeys; i++) {
        if (strcmp(set->keys[i].kid, json_string_value(kid)) == 0) {
            return "its \"kid\" is taken by an earlier key";
        }
    }

    memcpy(key->kid, json_string_value(kid), len + 1);

    return NULL;
}

/* A base64url number member as BIGNUM, to be freed; NULL when unfit. */
static BIGNUM *
convo_jwks_number(const json_t *entry, const char *name)
{
    const json_t *member = json_object_get(entry, name);
    unsigned char bytes[CONVO_JWKS_DECODED(CONVO_JWKS_NUMBER_MAX)];
    long len;

    if (!json_is_string(member)
        || json_string_length(member) > CONVO_JWKS_NUMBER_MAX) {
        return NULL;
    }

    len = convo_base64url_decode(bytes, json_string_value(member),
                                 json_string_length(member));

    return len > 0 ? BN_bin2bn(bytes, (int) len, NULL) : NULL;
}

/* NULL, or why these are no numbers of an acceptable RSA key. */
static const char *
convo_jwks_check_rsa(const BIGNUM *n, const BIGNUM *e)
{
    if (n == NULL || e == NULL) {
        return "its \"n\" or \"e\" is no base64url number";
    }

    if (BN_num_bits(n) < CONVO_JWKS_RSA_BITS_MIN) {
        return "its modulus is shorter than 2048 bits";
    }

    if (BN_num_bits(n) > CONVO_JWKS_RSA_BITS_MAX) {
        return "its modulus is longer than 8192 bits";
    }

    if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e)
        || BN_num_bits(e) > CONVO_JWKS_EXPONENT_BITS_MAX) {
        return "its modulus or exponent is no RSA number";
    }

    return NULL;
}

static EVP_PKEY *
convo_jwks_build_rsa(const BIGNUM *n, const BIGNUM *e)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);

    if (build != NULL
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n)
        && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e)) {
        params = OSSL_PARAM_BLD_to_param(build);
    }

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) <= 0
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0) {
        pkey = NULL;
        ERR_clear_error();
    }

    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);

    return pkey;
}

static const char *
convo_jwks_take_rsa(convo_jwk_t *key, const json_t *entry)
{
    BIGNUM *n = convo_jwks_number(entry, "n");
    BIGNUM *e = convo_jwks_number(entry, "e");
    const char *reason = convo_jwks_check_rsa(n, e);

    if (reason == NULL) {
        key->pkey = convo_jwks_build_rsa(n, e);

        if (key->pkey == NULL) {
            reason = "OpenSSL does not take it";
        }
    }

    BN_free(n);
    BN_free(e);

    return reason;
}

/* NULL when the entry has become the set's next key, else why not. */
static const char *
convo_jwks_add(convo_jwks_t *set, const json_t *entry)
{
    const char *reason;
    convo_jwk_t *key = &set->keys[set->nkeys];

    if (!json_is_object(entry)) {
        return "it is no object";
    }

    memset(key, 0, sizeof(*key));

    reason = convo_jwks_check_purpose(entry);

    if (reason == NULL) {
        reason = convo_jwks_take_algorithm(key, entry);
    }

    if (reason == NULL) {
        reason = convo_jwks_take_kid(set, key, entry);
    }

    if (reason == NULL) {
        reason = convo_jwks_take_rsa(key, entry);
    }

    if (reason == NULL) {
        set->nkeys++;
    }

    return reason;
}

static void
convo_jwks_add_all(convo_jwks_t *set, const json_t *keys,
                   convo_jwks_report_t *report)
{
    size_t i;
    const json_t *entry;

    json_array_foreach(keys, i, entry) {
        const char *reason = convo_jwks_add(set, entry);

        if (reason != NULL && report->refused++ == 0) {
            report->first = i;
            report->reason = reason;
        }
    }
}

/* Fills the set; false with a reason when the document as a whole is bad. */
static bool
convo_jwks_fill(convo_jwks_t *set, const json_t *document,
                convo_jwks_report_t *report)
{
    const json_t *keys = json_object_get(document, "keys");

    if (!json_is_array(keys)) {
        report->reason = "the document is no JSON object with a \"keys\" array";
        return false;
    }

    report->entries = json_array_size(keys);

    if (report->entries > CONVO_JWKS_KEYS_MAX) {
        report->reason = "the document has more than 64 keys";
        return false;
    }

    convo_jwks_add_all(set, keys, report);

    if (set->nkeys == 0 && report->reason == NULL) {
        report->reason = "the document has no keys";
    }

    return set->nkeys > 0;
}

convo_jwks_t *
convo_jwks_parse(const char *text, size_t len, convo_jwks_report_t *report)
{
    static const convo_json_limits_t limits = {
        .depth = CONVO_JWKS_DEPTH_MAX,
        .count = CONVO_JWKS_COUNT_MAX,
    };
    json_t *document;
    convo_jwks_t *set;

    memset(report, 0, sizeof(*report));

    if (len > CONVO_JWKS_TEXT_MAX) {
        report->reason = "the document is longer than 256 KB";
        return NULL;
    }

    set = calloc(1, sizeof(*set));

    if (set == NULL) {
        report->reason = "out of memory";
        return NULL;
    }

    SHA256((const unsigned char *) text, len, set->digest);
    document = convo_json_load_object(text, len, &limits);

    if (!convo_jwks_fill(set, document, report)) {
        convo_jwks_free(set);
        set = NULL;
    }

    json_decref(document);

    return set;
}

void
convo_jwks_free(convo_jwks_t *set)
{
    if (set == NULL) {
        return;
    }

    for (size_t i = 0; i < set->nkeys; i++) {
        EVP_PKEY_free(set->keys[i].pkey);
    }

    free(set);
}

const uint8_t *
convo_jwks_digest(const convo_jwks_t *set)
{
    return set->digest;
}

size_t
convo_jwks_count(const convo_jwks_t *set)
{
    return set->nkeys;
}

const convo_jwk_t *
convo_jwks_find(const convo_jwks_t *set, const char *kid)
{
    if (kid[0] == '\0') {
        return set->nkeys == 1 ? &set->keys[0] : NULL;
    }

    for (size_t i = 0; i < set->nkeys; i++) {
        if (strcmp(set->keys[i].kid, kid) == 0) {
            return &set->keys[i];
        }
    }

    return NULL;
}

static convo_fault_e
convo_jwk_verify_bytes(const convo_jwk_t *key, const unsigned char *signature,
                       size_t len, const convo_text_t *input)
{
    convo_fault_e fault = CONVO_FAULT_SIGNATURE;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL
        || EVP_DigestVerifyInit_ex(ctx, NULL, key->algorithm->digest, NULL,
                                   NULL, key->pkey, NULL) <= 0) {
        fault = CONVO_FAULT_INTERNAL;

    } else if (EVP_DigestVerify(ctx, signature, len,
                                (const unsigned char *) input->data,
                                input->len) == 1) {
        fault = CONVO_FAULT_NONE;
    }

    if (fault != CONVO_FAULT_NONE) {
        ERR_clear_error();
    }

    EVP_MD_CTX_free(ctx);

    return fault;
}

convo_fault_e
convo_jwk_verify(const convo_jwk_t *key, const char *alg,
                 const convo_jws_t *jws)
{
    unsigned char signature[CONVO_JWKS_DECODED(CONVO_JWS_SIGNATURE_MAX)];
    long len;

    if (strcmp(key->algorithm->name, alg) != 0) {
        return CONVO_FAULT_ALGORITHM;
    }

    if (jws->signature.len > CONVO_JWS_SIGNATURE_MAX) {
        return CONVO_FAULT_MALFORMED;
    }

    len = convo_base64url_decode(signature, jws->signature.data,
                                 jws->signature.len);

    if (len < 0) {
        return CONVO_FAULT_MALFORMED;
    }

    return convo_jwk_verify_bytes(key, signature, (size_t) len,
                                  &jws->signed_input);
}
