/*
 * The published numbers of a key in OpenSSL's form; see convo_jwk_numbers.h.
 *
 * OpenSSL checks that a point is on one of the curves of NIST.  Of Ed25519 it
 * looks at nothing before it verifies, so that is done here.
 */

#include "convo_jwk_numbers.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "convo_base64.h"

/* Characters of base64url; more is no number of an acceptable key. */
#define CONVO_JWK_NUMBER_MAX (CONVO_JWK_RSA_BITS_MAX / 6 + 4)
#define CONVO_JWK_EXPONENT_BITS_MAX 32

#define CONVO_JWK_COORDINATE_MAX 66 /* P-521 */
#define CONVO_JWK_ED25519_LEN 32

/* Room for the bytes that n characters of base64url decode to. */
#define CONVO_JWK_DECODED(n) ((n) / 4 * 3 + 2)

typedef struct {
    const char *name;
    convo_jwa_key_e type;
    size_t len; /* of a coordinate, in bytes */
} convo_jwk_curve_t;

static const convo_jwk_curve_t convo_jwk_curves[] = {
    { "P-256", CONVO_JWA_KEY_P256, 32 },
    { "P-384", CONVO_JWA_KEY_P384, 48 },
    { "P-521", CONVO_JWA_KEY_P521, CONVO_JWK_COORDINATE_MAX },
};

/*
 * The y of all points of Ed25519 whose order divides 8, least byte first:
 * for them R = sB holds whatever was signed, as h times the key is nothing.
 */
static const unsigned char
    convo_jwk_small_order[][CONVO_JWK_ED25519_LEN] = {
        { 0x00 },
        { 0x01 },
        { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
          0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
        { 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
          0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
          0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
        { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
          0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
          0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
    };

/* RFC 8032, section 5.1 */
static const char convo_jwk_ed25519_p[] =
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
static const char convo_jwk_ed25519_d[] =
    "52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3";

/*
 * The bytes of a base64url member, at most size; -1 when it is none.  bytes
 * has room for CONVO_JWK_DECODED(CONVO_JWK_NUMBER_MAX).
 */
static long
convo_jwk_bytes(const json_t *entry, const char *name, unsigned char *bytes)
{
    const json_t *member = json_object_get(entry, name);

    if (!json_is_string(member)
        || json_string_length(member) > CONVO_JWK_NUMBER_MAX) {
        return -1;
    }

    return convo_base64url_decode(bytes, json_string_value(member),
                                  json_string_length(member));
}

/* A base64url number member as BIGNUM, to be freed; NULL when unfit. */
static BIGNUM *
convo_jwk_number(const json_t *entry, const char *name)
{
    unsigned char bytes[CONVO_JWK_DECODED(CONVO_JWK_NUMBER_MAX)];
    long len = convo_jwk_bytes(entry, name, bytes);

    return len > 0 ? BN_bin2bn(bytes, (int) len, NULL) : NULL;
}

/* NULL, or why these are no numbers of an acceptable RSA key. */
static const char *
convo_jwk_check_rsa(const BIGNUM *n, const BIGNUM *e)
{
    if (n == NULL || e == NULL) {
        return "its \"n\" or \"e\" is no base64url number";
    }

    if (BN_num_bits(n) < CONVO_JWK_RSA_BITS_MIN) {
        return "its modulus is shorter than 2048 bits";
    }

    if (BN_num_bits(n) > CONVO_JWK_RSA_BITS_MAX) {
        return "its modulus is longer than 8192 bits";
    }

    if (!BN_is_odd(n) || !BN_is_odd(e) || BN_is_one(e)
        || BN_num_bits(e) > CONVO_JWK_EXPONENT_BITS_MAX) {
        return "its modulus or exponent is no RSA number";
    }

    return NULL;
}

/* A public key of these parameters, which are freed; NULL when refused. */
static EVP_PKEY *
convo_jwk_build(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (ctx == NULL || params == NULL || EVP_PKEY_fromdata_init(ctx) <= 0
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0) {
        pkey = NULL;
    }

    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);

    return pkey;
}

static EVP_PKEY *
convo_jwk_build_rsa(const BIGNUM *n, const BIGNUM *e)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();

    if (build == NULL
        || !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n)
        || !OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e)) {
        OSSL_PARAM_BLD_free(build);
        return NULL;
    }

    return convo_jwk_build("RSA", build);
}

static const char *
convo_jwk_rsa(const json_t *entry, convo_jwa_key_e *type, EVP_PKEY **pkey)
{
    BIGNUM *n = convo_jwk_number(entry, "n");
    BIGNUM *e = convo_jwk_number(entry, "e");
    const char *reason = convo_jwk_check_rsa(n, e);

    *type = CONVO_JWA_KEY_RSA;

    if (reason == NULL) {
        *pkey = convo_jwk_build_rsa(n, e);

        if (*pkey == NULL) {
            reason = "OpenSSL does not take it";
        }
    }

    BN_free(n);
    BN_free(e);

    return reason;
}

/* A coordinate, which has all its leading zeros (RFC 7518, 6.2.1.2). */
static bool
convo_jwk_coordinate(const json_t *entry, const char *name, size_t len,
                     unsigned char *to)
{
    unsigned char bytes[CONVO_JWK_DECODED(CONVO_JWK_NUMBER_MAX)];

    if (convo_jwk_bytes(entry, name, bytes) != (long) len) {
        return false;
    }

    memcpy(to, bytes, len);

    return true;
}

/* NULL unless the point is on the curve. */
static EVP_PKEY *
convo_jwk_build_ec(const convo_jwk_curve_t *curve, const unsigned char *point)
{
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx;
    EVP_PKEY *pkey;

    if (build == NULL
        || !OSSL_PARAM_BLD_push_utf8_string(build,
                                            OSSL_PKEY_PARAM_GROUP_NAME,
                                            curve->name, 0)
        || !OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY,
                                             point, 2 * curve->len + 1)) {
        OSSL_PARAM_BLD_free(build);
        return NULL;
    }

    pkey = convo_jwk_build("EC", build);
    ctx = pkey != NULL ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;

    if (ctx == NULL || EVP_PKEY_public_check(ctx) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }

    EVP_PKEY_CTX_free(ctx);

    return pkey;
}

static const char *
convo_jwk_ec(const json_t *entry, convo_jwa_key_e *type, EVP_PKEY **pkey)
{
    unsigned char point[2 * CONVO_JWK_COORDINATE_MAX + 1];
    const char *crv = json_string_value(json_object_get(entry, "crv"));
    const convo_jwk_curve_t *curve = convo_jwk_curves;
    size_t n = sizeof(convo_jwk_curves) / sizeof(convo_jwk_curves[0]);

    while (n > 0 && (crv == NULL || strcmp(curve->name, crv) != 0)) {
        curve++;
        n--;
    }

    if (n == 0) {
        return "its \"crv\" is not P-256, P-384 or P-521";
    }

    point[0] = POINT_CONVERSION_UNCOMPRESSED;

    if (!convo_jwk_coordinate(entry, "x", curve->len, point + 1)
        || !convo_jwk_coordinate(entry, "y", curve->len,
                                 point + 1 + curve->len)) {
        return "its \"x\" or \"y\" is no coordinate of its curve";
    }

    *type = curve->type;
    *pkey = convo_jwk_build_ec(curve, point);

    return *pkey != NULL ? NULL : "its point is not on its curve";
}

/*
 * With u = y^2 - 1 and v = d y^2 + 1 there is an x, and x^2 = u/v, exactly
 * when u v is a square (RFC 8032, section 5.1.3).
 */
static bool
convo_jwk_has_x(const BIGNUM *y, const BIGNUM *p, const BIGNUM *d,
                BN_CTX *ctx)
{
    bool has = false;
    BIGNUM *u, *v;

    BN_CTX_start(ctx);
    u = BN_CTX_get(ctx);
    v = BN_CTX_get(ctx);

    if (v != NULL && BN_mod_sqr(u, y, p, ctx) && BN_mod_mul(v, u, d, p, ctx)
        && BN_sub_word(u, 1) && BN_add_word(v, 1)
        && BN_mod_mul(u, u, v, p, ctx)) {
        has = BN_kronecker(u, p, ctx) == 1;
    }

    BN_CTX_end(ctx);

    return has;
}

/* y with its highest bit, the sign of x, cleared; least byte first. */
static bool
convo_jwk_is_on_ed25519(const unsigned char *y)
{
    bool is_on = false;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *number = BN_lebin2bn(y, CONVO_JWK_ED25519_LEN, NULL);
    BIGNUM *p = NULL, *d = NULL;

    if (ctx != NULL && number != NULL && BN_hex2bn(&p, convo_jwk_ed25519_p)
        && BN_hex2bn(&d, convo_jwk_ed25519_d) && BN_cmp(number, p) < 0) {
        is_on = convo_jwk_has_x(number, p, d, ctx);
    }

    BN_free(number);
    BN_free(p);
    BN_free(d);
    BN_CTX_free(ctx);

    return is_on;
}

/* NULL, or why the point is of no use. */
static const char *
convo_jwk_check_ed25519(const unsigned char *point)
{
    unsigned char y[CONVO_JWK_ED25519_LEN];
    size_t n = sizeof(convo_jwk_small_order) / sizeof(y);

    memcpy(y, point, sizeof(y));
    y[sizeof(y) - 1] &= 0x7f;

    for (size_t i = 0; i < n; i++) {
        if (memcmp(y, convo_jwk_small_order[i], sizeof(y)) == 0) {
            return "its point is of small order";
        }
    }

    return convo_jwk_is_on_ed25519(y) ? NULL
                                      : "its point is not on its curve";
}

static const char *
convo_jwk_okp(const json_t *entry, convo_jwa_key_e *type, EVP_PKEY **pkey)
{
    unsigned char point[CONVO_JWK_ED25519_LEN];
    const char *crv = json_string_value(json_object_get(entry, "crv"));
    const char *reason;

    if (crv == NULL || strcmp(crv, "Ed25519") != 0) {
        return "its \"crv\" is not Ed25519";
    }

    if (!convo_jwk_coordinate(entry, "x", sizeof(point), point)) {
        return "its \"x\" is no coordinate of its curve";
    }

    reason = convo_jwk_check_ed25519(point);

    if (reason != NULL) {
        return reason;
    }

    *type = CONVO_JWA_KEY_ED25519;
    *pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, point,
                                           sizeof(point));

    return *pkey != NULL ? NULL : "OpenSSL does not take it";
}

const char *
convo_jwk_numbers(const json_t *entry, convo_jwa_key_e *type, EVP_PKEY **pkey)
{
    const char *reason = "its \"kty\" is not RSA, EC or OKP";
    const char *kty = json_string_value(json_object_get(entry, "kty"));

    *pkey = NULL;

    if (kty == NULL) {
        return "it has no \"kty\"";
    }

    if (strcmp(kty, "RSA") == 0) {
        reason = convo_jwk_rsa(entry, type, pkey);

    } else if (strcmp(kty, "EC") == 0) {
        reason = convo_jwk_ec(entry, type, pkey);

    } else if (strcmp(kty, "OKP") == 0) {
        reason = convo_jwk_okp(entry, type, pkey);
    }

    ERR_clear_error();

    return reason;
}
