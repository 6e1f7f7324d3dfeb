/*
 * One entry of a JWK Set as a key that verifies; see convo_jwk.h.
 *
 * Only OpenSSL 3 touches a signature.  Each algorithm that a key can serve
 * has an EVP_PKEY_CTX with its padding and digest set, and verifies any
 * number of times; the hash is made by one EVP_MD_CTX, which keeps its memory
 * from one token to the next.  Ed25519 hashes for itself and has no such
 * context.
 *
 * OpenSSL's error queue is emptied after every failure, as NGINX's own TLS
 * code would report what is left there as its own.
 */

#include "convo_jwk.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "convo_base64.h"
#include "convo_jwk_numbers.h"

/* An RSA key that does not say its algorithm serves six. */
#define CONVO_JWK_VERIFIERS_MAX 6

#define CONVO_JWK_ED25519_SIGNATURE_LEN 64

/* SEQUENCE of two INTEGERs of up to 67 bytes, each with its head */
#define CONVO_JWK_DER_MAX 160

/* Room for the bytes that n characters of base64url decode to. */
#define CONVO_JWK_DECODED(n) ((n) / 4 * 3 + 2)

/* How one algorithm verifies with the key. */
typedef struct {
    convo_jwa_e algorithm;
    EVP_PKEY_CTX *ctx; /* NULL for Ed25519 */
    EVP_MD *digest;    /* NULL for Ed25519 */
    bool is_sha256;    /* that is the digest */
} convo_jwk_verifier_t;

struct convo_jwk_s {
    char kid[CONVO_JWS_KID_MAX + 1];
    bool is_named; /* it says its "alg" */
    convo_jwa_key_e type;
    EVP_PKEY *pkey;
    EVP_MD_CTX *hash;
    BIGNUM *order; /* of a curve, for ECDSA; else NULL */
    size_t signature_len;
    size_t nverifiers;
    convo_jwk_verifier_t verifiers[CONVO_JWK_VERIFIERS_MAX];
};

/* Where "key_ops" is given it must allow to verify (RFC 7517, 4.3). */
static bool
convo_jwk_ops_verify(const json_t *ops)
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

/* Symmetric, or with a private number (RFC 7518, 6.2.2, 6.3.2 and 6.4). */
static bool
convo_jwk_is_secret(const json_t *entry)
{
    static const char *const members[] = { "k",  "d",  "p",  "q",
                                           "dp", "dq", "qi", "oth" };

    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (json_object_get(entry, members[i]) != NULL) {
            return true;
        }
    }

    return false;
}

/* NULL when the entry is a public key for signatures, else why not. */
static const char *
convo_jwk_check_purpose(const json_t *entry)
{
    const json_t *use = json_object_get(entry, "use");

    if (!json_is_object(entry)) {
        return "it is no object";
    }

    if (use != NULL
        && (!json_is_string(use)
            || strcmp(json_string_value(use), "sig") != 0)) {
        return "its \"use\" is not \"sig\"";
    }

    if (!convo_jwk_ops_verify(json_object_get(entry, "key_ops"))) {
        return "its \"key_ops\" do not allow to verify";
    }

    return convo_jwk_is_secret(entry)
               ? "it is a secret and must not be published"
               : NULL;
}

/* NULL, or why the entry's id is of no use. */
static const char *
convo_jwk_take_kid(convo_jwk_t *key, const json_t *entry)
{
    const json_t *kid = json_object_get(entry, "kid");
    size_t len = json_string_length(kid);

    if (kid == NULL) {
        return NULL;
    }

    if (!json_is_string(kid) || len == 0 || len > CONVO_JWS_KID_MAX) {
        return "its \"kid\" is not a string of 1 to 255 bytes";
    }

    memcpy(key->kid, json_string_value(kid), len + 1);

    return NULL;
}

/* NULL and the mask of what the key can serve, or why it serves nothing. */
static const char *
convo_jwk_take_algorithms(convo_jwk_t *key, const json_t *entry,
                          unsigned *mask)
{
    const json_t *alg = json_object_get(entry, "alg");
    convo_jwa_e algorithm;

    *mask = convo_jwa_of_key(key->type);

    if (alg == NULL) {
        return NULL;
    }

    if (!json_is_string(alg)) {
        return "its \"alg\" is no string";
    }

    algorithm = convo_jwa_by_name(json_string_value(alg));

    if (algorithm == CONVO_JWA_COUNT) {
        return "its \"alg\" is not accepted";
    }

    key->is_named = true;
    *mask &= CONVO_JWA_BIT(algorithm);

    return *mask != 0 ? NULL : "its \"alg\" is for keys of another kind";
}

/* RFC 7518, 3.5: the salt is as long as the digest, MGF1 uses the same. */
static bool
convo_jwk_set_pss(EVP_PKEY_CTX *ctx, const EVP_MD *digest)
{
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0
           && EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, digest) > 0
           && EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST)
                  > 0;
}

static bool
convo_jwk_set_verifier(const convo_jwk_t *key, convo_jwk_verifier_t *verifier)
{
    const convo_jwa_t *known = convo_jwa(verifier->algorithm);

    if (known->scheme == CONVO_JWA_ED) {
        return true;
    }

    verifier->digest = EVP_MD_fetch(NULL, known->digest, NULL);
    verifier->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);

    if (verifier->digest == NULL || verifier->ctx == NULL
        || EVP_PKEY_verify_init(verifier->ctx) <= 0) {
        return false;
    }

    verifier->is_sha256 = EVP_MD_is_a(verifier->digest, "SHA256");

    if (known->scheme == CONVO_JWA_PKCS1
        && EVP_PKEY_CTX_set_rsa_padding(verifier->ctx, RSA_PKCS1_PADDING)
               <= 0) {
        return false;
    }

    if (known->scheme == CONVO_JWA_PSS
        && !convo_jwk_set_pss(verifier->ctx, verifier->digest)) {
        return false;
    }

    return EVP_PKEY_CTX_set_signature_md(verifier->ctx, verifier->digest) > 0;
}

static bool
convo_jwk_set_verifiers(convo_jwk_t *key, unsigned mask)
{
    for (unsigned i = 0; i < CONVO_JWA_COUNT; i++) {
        if (mask & CONVO_JWA_BIT(i)) {
            convo_jwk_verifier_t *verifier =
                &key->verifiers[key->nverifiers++];

            verifier->algorithm = (convo_jwa_e) i;

            if (!convo_jwk_set_verifier(key, verifier)) {
                return false;
            }
        }
    }

    return true;
}

/* What verifying needs besides; false when out of memory. */
static bool
convo_jwk_set_sizes(convo_jwk_t *key)
{
    key->hash = EVP_MD_CTX_new();

    switch (key->type) {

    case CONVO_JWA_KEY_RSA:
        key->signature_len = (size_t) EVP_PKEY_get_size(key->pkey);
        break;

    case CONVO_JWA_KEY_ED25519:
        key->signature_len = CONVO_JWK_ED25519_SIGNATURE_LEN;
        break;

    default: /* a curve of NIST */
        if (!EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_ORDER,
                                   &key->order)) {
            return false;
        }

        key->signature_len = 2 * (size_t) BN_num_bytes(key->order);
    }

    return key->hash != NULL;
}

/* NULL, or why the entry is no key. */
static const char *
convo_jwk_take(convo_jwk_t *key, const json_t *entry)
{
    unsigned mask = 0;
    const char *reason = convo_jwk_check_purpose(entry);

    if (reason == NULL) {
        reason = convo_jwk_take_kid(key, entry);
    }

    if (reason == NULL) {
        reason = convo_jwk_numbers(entry, &key->type, &key->pkey);
    }

    if (reason == NULL) {
        reason = convo_jwk_take_algorithms(key, entry, &mask);
    }

    if (reason == NULL
        && (!convo_jwk_set_verifiers(key, mask)
            || !convo_jwk_set_sizes(key))) {
        reason = "OpenSSL does not take it";
        ERR_clear_error();
    }

    return reason;
}

convo_jwk_t *
convo_jwk_create(const json_t *entry, const char **reason)
{
    convo_jwk_t *key = calloc(1, sizeof(*key));

    if (key == NULL) {
        *reason = "out of memory";
        return NULL;
    }

    *reason = convo_jwk_take(key, entry);

    if (*reason != NULL) {
        convo_jwk_free(key);
        return NULL;
    }

    return key;
}

void
convo_jwk_free(convo_jwk_t *key)
{
    if (key == NULL) {
        return;
    }

    for (size_t i = 0; i < key->nverifiers; i++) {
        EVP_PKEY_CTX_free(key->verifiers[i].ctx);
        EVP_MD_free(key->verifiers[i].digest);
    }

    BN_free(key->order);
    EVP_MD_CTX_free(key->hash);
    EVP_PKEY_free(key->pkey);
    free(key);
}

const char *
convo_jwk_kid(const convo_jwk_t *key)
{
    return key->kid;
}

/* How the key verifies this algorithm, or NULL where it does not. */
static const convo_jwk_verifier_t *
convo_jwk_verifier(const convo_jwk_t *key, convo_jwa_e algorithm,
                   const convo_jwa_accept_t *accept)
{
    unsigned mask = key->is_named ? accept->named : accept->unnamed;

    if (!(mask & CONVO_JWA_BIT(algorithm) & CONVO_JWA_ALL)) {
        return NULL;
    }

    for (size_t i = 0; i < key->nverifiers; i++) {
        if (key->verifiers[i].algorithm == algorithm) {
            return &key->verifiers[i];
        }
    }

    return NULL;
}

bool
convo_jwk_serves(const convo_jwk_t *key, convo_jwa_e algorithm,
                 const convo_jwa_accept_t *accept)
{
    return convo_jwk_verifier(key, algorithm, accept) != NULL;
}

/* The hash that is signed, of EVP_MAX_MD_SIZE at most; 0: out of memory. */
static unsigned
convo_jwk_hash(const convo_jwk_t *key, const convo_jwk_verifier_t *verifier,
               const convo_jws_t *jws, unsigned char *hash)
{
    const convo_text_t *input = &jws->signed_input;
    unsigned len;

    if (jws->is_hashed && verifier->is_sha256) {
        memcpy(hash, jws->sha256, CONVO_JWS_SHA256_LEN);
        return CONVO_JWS_SHA256_LEN;
    }

    if (EVP_DigestInit_ex2(key->hash, verifier->digest, NULL) <= 0
        || EVP_DigestUpdate(key->hash, input->data, input->len) <= 0
        || EVP_DigestFinal_ex(key->hash, hash, &len) <= 0) {
        return 0;
    }

    return len;
}

static convo_fault_e
convo_jwk_verify_hashed(const convo_jwk_t *key,
                        const convo_jwk_verifier_t *verifier,
                        const unsigned char *signature, size_t len,
                        const convo_jws_t *jws)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned hash_len = convo_jwk_hash(key, verifier, jws, hash);

    if (hash_len == 0) {
        return CONVO_FAULT_INTERNAL;
    }

    return EVP_PKEY_verify(verifier->ctx, signature, len, hash, hash_len) == 1
               ? CONVO_FAULT_NONE
               : CONVO_FAULT_SIGNATURE;
}

/* A number of an ECDSA signature, which is 1 to the order less 1, or NULL. */
static BIGNUM *
convo_jwk_scalar(const convo_jwk_t *key, const unsigned char *bytes)
{
    BIGNUM *scalar = BN_bin2bn(bytes, (int) key->signature_len / 2, NULL);

    if (scalar != NULL
        && (BN_is_zero(scalar) || BN_cmp(scalar, key->order) >= 0)) {
        BN_free(scalar);
        return NULL;
    }

    return scalar;
}

/* r and s (RFC 7518, 3.4) as OpenSSL wants them; 0 when they are none. */
static size_t
convo_jwk_der(const convo_jwk_t *key, const unsigned char *signature,
              unsigned char *der)
{
    int len = 0;
    ECDSA_SIG *both = ECDSA_SIG_new();
    BIGNUM *r = convo_jwk_scalar(key, signature);
    BIGNUM *s = convo_jwk_scalar(key, signature + key->signature_len / 2);

    if (both != NULL && r != NULL && s != NULL
        && ECDSA_SIG_set0(both, r, s)) {
        r = NULL;
        s = NULL;

        if (i2d_ECDSA_SIG(both, NULL) <= CONVO_JWK_DER_MAX) {
            len = i2d_ECDSA_SIG(both, &der);
        }
    }

    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(both);

    return len > 0 ? (size_t) len : 0;
}

static convo_fault_e
convo_jwk_verify_ecdsa(const convo_jwk_t *key,
                       const convo_jwk_verifier_t *verifier,
                       const unsigned char *signature,
                       const convo_jws_t *jws)
{
    unsigned char der[CONVO_JWK_DER_MAX];
    size_t len = convo_jwk_der(key, signature, der);

    return len > 0
               ? convo_jwk_verify_hashed(key, verifier, der, len, jws)
               : CONVO_FAULT_SIGNATURE;
}

static convo_fault_e
convo_jwk_verify_ed(const convo_jwk_t *key, const unsigned char *signature,
                    const convo_text_t *input)
{
    if (EVP_DigestVerifyInit_ex(key->hash, NULL, NULL, NULL, NULL, key->pkey,
                                NULL)
        <= 0) {
        return CONVO_FAULT_INTERNAL;
    }

    return EVP_DigestVerify(key->hash, signature, key->signature_len,
                            (const unsigned char *) input->data, input->len)
                   == 1
               ? CONVO_FAULT_NONE
               : CONVO_FAULT_SIGNATURE;
}

/* The signature is as long as the key's are: there is one spelling of it. */
static convo_fault_e
convo_jwk_verify_bytes(const convo_jwk_t *key,
                       const convo_jwk_verifier_t *verifier,
                       const unsigned char *signature,
                       const convo_jws_t *jws)
{
    convo_fault_e fault;

    switch (convo_jwa(verifier->algorithm)->scheme) {

    case CONVO_JWA_ECDSA:
        fault = convo_jwk_verify_ecdsa(key, verifier, signature, jws);
        break;

    case CONVO_JWA_ED:
        fault = convo_jwk_verify_ed(key, signature, &jws->signed_input);
        break;

    default: /* CONVO_JWA_PKCS1, CONVO_JWA_PSS */
        fault = convo_jwk_verify_hashed(key, verifier, signature,
                                        key->signature_len, jws);
    }

    if (fault != CONVO_FAULT_NONE) {
        ERR_clear_error();
    }

    return fault;
}

convo_fault_e
convo_jwk_verify(const convo_jwk_t *key, const char *alg,
                 const convo_jwa_accept_t *accept, const convo_jws_t *jws)
{
    unsigned char signature[CONVO_JWK_DECODED(CONVO_JWS_SIGNATURE_MAX)];
    const convo_jwk_verifier_t *verifier;
    long len;

    verifier = convo_jwk_verifier(key, convo_jwa_by_name(alg), accept);

    if (verifier == NULL) {
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

    if ((size_t) len != key->signature_len) {
        return CONVO_FAULT_SIGNATURE;
    }

    return convo_jwk_verify_bytes(key, verifier, signature, jws);
}
