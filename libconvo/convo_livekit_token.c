/*
 * LiveKit's tokens; see convo_livekit_token.h.
 *
 * libjwt mints.  Verification is done here on OpenSSL and in this order:
 * shape, signature, header, claims, hash of the body.  The algorithm is ours
 * and not the token's, so "alg" can only be wrong, never chosen; and a text
 * that nobody signed reaches no parser.
 *
 * How it fails: every error is a refusal.  When memory is short no token is
 * made and none is found good.
 */

#include "convo_livekit_token.h"
#include "convo_base64.h"

#include <jansson.h>
#include <jwt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHA256_LEN 32
#define CLOCK_SKEW_S 60


#define BEARER "Bearer "


int
convo_livekit_is_key(const char *key, size_t len)
{
    static const char characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

    if (len == 0 || len > CONVO_LIVEKIT_KEY_MAX) {
        return 0;
    }

    for (size_t i = 0; i < len; i++) {
        if (key[i] == '\0' || strchr(characters, key[i]) == NULL) {
            return 0;
        }
    }

    return 1;
}


/* {"video": grants} signed; the grants' reference is taken over. */
static size_t
mint(char *token, const convo_livekit_key_t *key, const char *identity,
     json_t *grants, time_t now_s, time_t expires_s)
{
    const convo_secret_t *secret = &key->secrets->secret[0];
    json_t *claims;
    char *text, *encoded = NULL;
    jwt_t *jwt = NULL;
    size_t len = 0;

    claims = json_pack("{s:s, s:s*, s:I, s:I, s:o}", "iss", key->key, "sub",
                       identity, "nbf", (json_int_t) (now_s - CLOCK_SKEW_S),
                       "exp", (json_int_t) expires_s, "video", grants);
    text = claims != NULL ? json_dumps(claims, JSON_COMPACT) : NULL;

    if (text != NULL && jwt_new(&jwt) == 0
        && jwt_add_grants_json(jwt, text) == 0
        && jwt_set_alg(jwt, JWT_ALG_HS256,
                       (const unsigned char *) secret->text,
                       (int) secret->len)
               == 0)
    {
        encoded = jwt_encode_str(jwt);
    }

    token[0] = '\0';

    if (encoded != NULL && strlen(encoded) <= CONVO_LIVEKIT_TOKEN_MAX) {
        len = strlen(encoded);
        memcpy(token, encoded, len + 1);
    }

    free(encoded);
    jwt_free(jwt);
    free(text);
    json_decref(claims);

    return len;
}


size_t
convo_livekit_user_token(char *token, const convo_livekit_key_t *key,
                         const char *room, const char *identity, time_t now_s,
                         time_t expires_s)
{
    json_t *grants;

    grants = json_pack("{s:s, s:b, s:b, s:b, s:b}", "room", room, "roomJoin",
                       1, "canPublish", 1, "canSubscribe", 1,
                       "canPublishData", 1);
    if (grants == NULL) {
        token[0] = '\0';
        return 0;
    }

    return mint(token, key, identity, grants, now_s, expires_s);
}


size_t
convo_livekit_admin_token(char *token, const convo_livekit_key_t *key,
                          unsigned int mask, const char *room, time_t now_s,
                          time_t expires_s)
{
    json_t *grants = json_object();
    int error = 0;

    if (mask & CONVO_LIVEKIT_ROOM_CREATE) {
        error |= json_object_set_new(grants, "roomCreate", json_true());
    }

    if (mask & CONVO_LIVEKIT_ROOM_LIST) {
        error |= json_object_set_new(grants, "roomList", json_true());
    }

    if (mask & CONVO_LIVEKIT_ROOM_ADMIN) {
        error |= json_object_set_new(grants, "roomAdmin", json_true());
        error |= json_object_set_new(grants, "room", json_string(room));
    }

    if (grants == NULL || error) {
        json_decref(grants);
        token[0] = '\0';
        return 0;
    }

    return mint(token, key, NULL, grants, now_s, expires_s);
}


/* A token's parts: pointers into it. */
typedef struct {
    const char *signed_text; /* HEADER.CLAIMS */
    size_t signed_len;
    const char *header;
    size_t header_len;
    const char *claims;
    size_t claims_len;
    const char *signature;
    size_t signature_len;
} parts_t;


/* Takes "HEADER.CLAIMS.SIGNATURE" apart: 0, or -1 when it is no such text. */
static int
split(parts_t *parts, const char *token, size_t len)
{
    const char *end = token + len;
    const char *dot, *dot2;

    dot = memchr(token, '.', len);
    if (dot == NULL) {
        return -1;
    }

    dot2 = memchr(dot + 1, '.', (size_t) (end - dot - 1));
    if (dot2 == NULL
        || memchr(dot2 + 1, '.', (size_t) (end - dot2 - 1)) != NULL)
    {
        return -1;
    }

    parts->signed_text = token;
    parts->signed_len = (size_t) (dot2 - token);
    parts->header = token;
    parts->header_len = (size_t) (dot - token);
    parts->claims = dot + 1;
    parts->claims_len = (size_t) (dot2 - dot - 1);
    parts->signature = dot2 + 1;
    parts->signature_len = (size_t) (end - dot2 - 1);

    return 0;
}


/*
 * Compares the signature's text, which has one spelling only, with that of
 * each secret, without telling by the time taken where they differ.
 */
static convo_livekit_verdict_e
check_signature(const convo_livekit_key_t *key, const parts_t *parts)
{
    unsigned char mac[SHA256_LEN];
    char text[CONVO_BASE64_LEN(SHA256_LEN) + 1];
    unsigned int mac_len;
    int good = 0;

    for (size_t i = 0; i < key->secrets->count; i++) {
        const convo_secret_t *secret = &key->secrets->secret[i];
        size_t len;

        if (HMAC(EVP_sha256(), secret->text, (int) secret->len,
                 (const unsigned char *) parts->signed_text,
                 parts->signed_len, mac, &mac_len)
            == NULL)
        {
            return CONVO_LIVEKIT_MEMORY;
        }

        len = convo_base64url(text, mac, mac_len);

        if (len == parts->signature_len
            && CRYPTO_memcmp(text, parts->signature, len) == 0)
        {
            good = 1;
        }
    }

    return good ? CONVO_LIVEKIT_OK : CONVO_LIVEKIT_SIGNATURE;
}


/* The JSON object of a part: a new reference, or NULL. */
static json_t *
load(const char *part, size_t len)
{
    unsigned char text[CONVO_LIVEKIT_TOKEN_MAX];
    long text_len = convo_base64url_decode(text, part, len);
    json_t *object;

    if (text_len < 0) {
        return NULL;
    }

    object = json_loadb((const char *) text, (size_t) text_len,
                        JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }

    return object;
}


static convo_livekit_verdict_e
check_header(const parts_t *parts)
{
    json_t *header = load(parts->header, parts->header_len);
    const char *alg = json_string_value(json_object_get(header, "alg"));
    convo_livekit_verdict_e verdict = CONVO_LIVEKIT_OK;

    if (alg == NULL || strcmp(alg, "HS256") != 0
        || json_object_get(header, "crit") != NULL)
    {
        verdict = CONVO_LIVEKIT_ALGORITHM;
    }

    json_decref(header);
    return verdict;
}


/* NumericDate may have a fraction (RFC 7519 section 2). */
static convo_livekit_verdict_e
check_times(const json_t *claims, time_t now_s, time_t leeway_s)
{
    const json_t *exp = json_object_get(claims, "exp");
    const json_t *nbf = json_object_get(claims, "nbf");

    if (!json_is_number(exp)
        || json_number_value(exp) + (double) leeway_s <= (double) now_s)
    {
        return CONVO_LIVEKIT_EXPIRED;
    }

    if (nbf != NULL
        && (!json_is_number(nbf)
            || json_number_value(nbf) > (double) (now_s + leeway_s)))
    {
        return CONVO_LIVEKIT_EARLY;
    }

    return CONVO_LIVEKIT_OK;
}


static convo_livekit_verdict_e
check_body(const json_t *claims, const void *body, size_t body_len)
{
    const json_t *hash = json_object_get(claims, "sha256");
    unsigned char digest[SHA256_LEN];
    char text[CONVO_BASE64_LEN(SHA256_LEN) + 1];
    size_t len;

    if (EVP_Digest(body, body_len, digest, NULL, EVP_sha256(), NULL) != 1) {
        return CONVO_LIVEKIT_MEMORY;
    }

    len = convo_base64(text, digest, sizeof(digest));

    if (!json_is_string(hash) || json_string_length(hash) != len
        || CRYPTO_memcmp(json_string_value(hash), text, len) != 0)
    {
        return CONVO_LIVEKIT_BODY;
    }

    return CONVO_LIVEKIT_OK;
}


static convo_livekit_verdict_e
check_claims(const convo_livekit_key_t *key, const json_t *claims,
             const void *body, size_t body_len, time_t now_s, time_t leeway_s)
{
    const char *iss = json_string_value(json_object_get(claims, "iss"));
    convo_livekit_verdict_e verdict;

    if (iss == NULL || strcmp(iss, key->key) != 0) {
        return CONVO_LIVEKIT_ISSUER;
    }

    verdict = check_times(claims, now_s, leeway_s);
    if (verdict != CONVO_LIVEKIT_OK) {
        return verdict;
    }

    return check_body(claims, body, body_len);
}


convo_livekit_verdict_e
convo_livekit_verify(const convo_livekit_key_t *key, const char *header,
                     size_t len, const void *body, size_t body_len,
                     time_t now_s, time_t leeway_s)
{
    convo_livekit_verdict_e verdict;
    json_t *claims;
    parts_t parts;

    if (len > sizeof(BEARER) - 1
        && strncasecmp(header, BEARER, sizeof(BEARER) - 1) == 0)
    {
        header += sizeof(BEARER) - 1;
        len -= sizeof(BEARER) - 1;
    }

    if (len > CONVO_LIVEKIT_TOKEN_MAX || split(&parts, header, len) != 0) {
        return CONVO_LIVEKIT_MALFORMED;
    }

    verdict = check_signature(key, &parts);
    if (verdict != CONVO_LIVEKIT_OK) {
        return verdict;
    }

    verdict = check_header(&parts);
    if (verdict != CONVO_LIVEKIT_OK) {
        return verdict;
    }

    claims = load(parts.claims, parts.claims_len);
    if (claims == NULL) {
        return CONVO_LIVEKIT_MALFORMED;
    }

    verdict = check_claims(key, claims, body, body_len, now_s, leeway_s);
    json_decref(claims);

    return verdict;
}


const char *
convo_livekit_verdict(convo_livekit_verdict_e verdict)
{
    switch (verdict) {
    case CONVO_LIVEKIT_OK:
        return "good";
    case CONVO_LIVEKIT_MALFORMED:
        return "malformed token";
    case CONVO_LIVEKIT_SIGNATURE:
        return "signed by none of the secrets";
    case CONVO_LIVEKIT_ALGORITHM:
        return "header that is not plain HS256";
    case CONVO_LIVEKIT_ISSUER:
        return "token of another key";
    case CONVO_LIVEKIT_EXPIRED:
        return "expired token";
    case CONVO_LIVEKIT_EARLY:
        return "token that is not valid yet";
    case CONVO_LIVEKIT_BODY:
        return "token for another body";
    case CONVO_LIVEKIT_MEMORY:
        return "out of memory";
    }

    return "unknown verdict";
}
