/*
 * AWS Signature Version 4; see convo_sigv4.h.
 *
 * The canonical request is never in memory as a whole: what it is made of
 * goes into its hash piece by piece, so that no part needs a limit for its
 * sake.  How it fails: a text that could not be what it is given as, or a
 * hash that cannot be computed, gives no signature at all.
 */

#include "convo_sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define ALGORITHM "AWS4-HMAC-SHA256"
#define HASH_SIZE 32
#define DAY_LEN   8

/* "20150830/eu-central-1/dynamodb/aws4_request" */
#define SCOPE_SIZE \
    (DAY_LEN + 1 + CONVO_SIGV4_REGION_MAX + 1 + CONVO_SIGV4_SERVICE_MAX + 14)

#define NAMES_SIZE \
    ((CONVO_SIGV4_HEADERS_MAX + 3) * (CONVO_SIGV4_NAME_MAX + 1) + 1)

/* A header with its name in small letters. */
typedef struct {
    char name[CONVO_SIGV4_NAME_MAX + 1];
    const char *value;
} header_t;

/* All that are signed, sorted: the caller's, host, date and session token. */
typedef struct {
    header_t header[CONVO_SIGV4_HEADERS_MAX + 3];
    size_t count;
    char names[NAMES_SIZE]; /* "host;x-amz-date" */
} headers_t;

/* A hash under way; what fails is found at its end. */
typedef struct {
    EVP_MD_CTX *context;
    int failed;
} hash_t;


static void
hexadecimal(char *text, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 0x0f];
    }

    *text = '\0';
}


int
convo_sigv4_hash(char *hash, const void *body, size_t len)
{
    unsigned char digest[HASH_SIZE];
    unsigned int size;

    if (EVP_Digest(body, len, digest, &size, EVP_sha256(), NULL) != 1) {
        return -1;
    }

    hexadecimal(hash, digest, sizeof(digest));
    return 0;
}


/* --- what is given --- */

/* Whether a text is within max bytes, of which none ends a line. */
static int
is_value(const char *text, size_t max)
{
    size_t i;

    for (i = 0; text[i] != '\0' && i <= max; i++) {
        unsigned char c = (unsigned char) text[i];

        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return 0;
        }
    }

    return i <= max;
}


/* The same for one that has no blanks and is not empty. */
static int
is_word(const char *text, size_t max)
{
    return text[0] != '\0' && strpbrk(text, " \t") == NULL
           && is_value(text, max);
}


static int
is_good(const convo_sigv4_request_t *request)
{
    return is_word(request->method, CONVO_SIGV4_NAME_MAX)
           && is_word(request->host, CONVO_SIGV4_PATH_MAX)
           && request->path[0] == '/'
           && is_word(request->path, CONVO_SIGV4_PATH_MAX)
           && (request->query[0] == '\0'
               || is_word(request->query, SIZE_MAX - 1))
           && is_word(request->payload, CONVO_SIGV4_HASH_LEN)
           && is_word(request->region, CONVO_SIGV4_REGION_MAX)
           && is_word(request->service, CONVO_SIGV4_SERVICE_MAX)
           && request->nheaders <= CONVO_SIGV4_HEADERS_MAX;
}


/* "20150830T123600Z": 0, or -1 when the time has no four-digit year. */
static int
write_date(char *date, time_t now_s)
{
    struct tm utc;

    return gmtime_r(&now_s, &utc) != NULL
                   && strftime(date, CONVO_SIGV4_DATE_LEN + 1,
                               "%Y%m%dT%H%M%SZ", &utc)
                          == CONVO_SIGV4_DATE_LEN
               ? 0
               : -1;
}


/* --- the headers --- */

/* Puts a header in its place; -1 when it is none, or there already. */
static int
add_header(headers_t *headers, const char *name, const char *value)
{
    header_t made = { "", value };
    size_t i;

    for (i = 0; name[i] != '\0'; i++) {
        char c = name[i];

        if (c >= 'A' && c <= 'Z') {
            c = (char) (c - 'A' + 'a');
        }
        if (i == CONVO_SIGV4_NAME_MAX
            || !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')
                 || c == '-'))
        {
            return -1;
        }
        made.name[i] = c;
    }

    if (i == 0 || !is_value(value, SIZE_MAX - 1)) {
        return -1;
    }

    for (i = headers->count; i > 0; i--) {
        int order = strcmp(headers->header[i - 1].name, made.name);

        if (order == 0) {
            return -1;
        }
        if (order < 0) {
            break;
        }
        headers->header[i] = headers->header[i - 1];
    }

    headers->header[i] = made;
    headers->count++;

    return 0;
}


static int
collect_headers(headers_t *headers, const convo_sigv4_request_t *request,
                const convo_aws_key_t *key, const char *date)
{
    size_t len = 0;

    headers->count = 0;

    if (add_header(headers, "host", request->host) != 0
        || add_header(headers, "x-amz-date", date) != 0
        || (key->session[0] != '\0'
            && add_header(headers, "x-amz-security-token", key->session)
                   != 0))
    {
        return -1;
    }

    for (size_t i = 0; i < request->nheaders; i++) {
        if (add_header(headers, request->headers[i].name,
                       request->headers[i].value)
            != 0)
        {
            return -1;
        }
    }

    for (size_t i = 0; i < headers->count; i++) {
        len += (size_t) snprintf(headers->names + len, NAMES_SIZE - len,
                                 "%s%s", i > 0 ? ";" : "",
                                 headers->header[i].name);
    }

    return 0;
}


/* --- the canonical request, into its hash --- */

static void
feed(hash_t *hash, const void *bytes, size_t len)
{
    if (EVP_DigestUpdate(hash->context, bytes, len) != 1) {
        hash->failed = 1;
    }
}


static void
feed_text(hash_t *hash, const char *text)
{
    feed(hash, text, strlen(text));
}


/* A path as AWS encodes it: all but the unreserved and "/", also a "%". */
static void
feed_path(hash_t *hash, const char *path)
{
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char) *path;

        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
            || (c >= '0' && c <= '9') || strchr("/-._~", c) != NULL)
        {
            feed(hash, &c, 1);

        } else {
            char encoded[4];

            snprintf(encoded, sizeof(encoded), "%%%02X", c);
            feed(hash, encoded, 3);
        }
    }
}


/* A value as it is signed: no blanks around it, and one where there were
 * several. */
static void
feed_value(hash_t *hash, const char *value)
{
    value += strspn(value, " \t");

    while (*value != '\0') {
        size_t word = strcspn(value, " \t");

        feed(hash, value, word);
        value += word;
        value += strspn(value, " \t");

        if (*value != '\0') {
            feed(hash, " ", 1);
        }
    }
}


/*
 * The path without "." and ".." and with single slashes (RFC 3986 section
 * 5.2.4, and what AWS adds) into normal[CONVO_SIGV4_PATH_MAX + 1].
 */
static void
normalise(char *normal, const char *path)
{
    size_t len = 0;

    while (*path != '\0') {
        size_t segment;

        path += strspn(path, "/");
        segment = strcspn(path, "/");

        if (segment == 2 && memcmp(path, "..", 2) == 0) {
            while (len > 0 && normal[--len] != '/') {
                /* back to the slash before the last segment */
            }

        } else if (segment > 0 && !(segment == 1 && *path == '.')) {
            normal[len++] = '/';
            memcpy(normal + len, path, segment);
            len += segment;
        }

        path += segment;
    }

    if (len == 0 || path[-1] == '/') {
        normal[len++] = '/';
    }

    normal[len] = '\0';
}


static void
feed_request(hash_t *hash, const convo_sigv4_request_t *request,
             const headers_t *headers)
{
    char path[CONVO_SIGV4_PATH_MAX + 1];

    normalise(path, request->path);

    feed_text(hash, request->method);
    feed_text(hash, "\n");
    feed_path(hash, path);
    feed_text(hash, "\n");
    feed_text(hash, request->query);
    feed_text(hash, "\n");

    for (size_t i = 0; i < headers->count; i++) {
        feed_text(hash, headers->header[i].name);
        feed_text(hash, ":");
        feed_value(hash, headers->header[i].value);
        feed_text(hash, "\n");
    }

    feed_text(hash, "\n");
    feed_text(hash, headers->names);
    feed_text(hash, "\n");
    feed_text(hash, request->payload);
}


/* Into digest[CONVO_SIGV4_HASH_LEN + 1]: 0, or -1 when memory is short. */
static int
hash_request(char *digest, const convo_sigv4_request_t *request,
             const headers_t *headers)
{
    unsigned char bytes[HASH_SIZE] = { 0 };
    hash_t hash = { EVP_MD_CTX_new(), 0 };

    if (hash.context == NULL
        || EVP_DigestInit_ex(hash.context, EVP_sha256(), NULL) != 1)
    {
        EVP_MD_CTX_free(hash.context);
        return -1;
    }

    feed_request(&hash, request, headers);

    if (EVP_DigestFinal_ex(hash.context, bytes, NULL) != 1) {
        hash.failed = 1;
    }

    EVP_MD_CTX_free(hash.context);
    hexadecimal(digest, bytes, sizeof(bytes));

    return hash.failed ? -1 : 0;
}


/* --- the signature --- */

/* Replaces mac, a key of len bytes, by the HMAC of the text under it. */
static int
chain(unsigned char *mac, size_t len, const char *text, size_t text_len)
{
    unsigned char made[HASH_SIZE];

    if (HMAC(EVP_sha256(), mac, (int) len, (const unsigned char *) text,
             text_len, made, NULL)
        == NULL)
    {
        return -1;
    }

    memcpy(mac, made, sizeof(made));
    OPENSSL_cleanse(made, sizeof(made));

    return 0;
}


/* The string to sign under the key of the day, region and service. */
static int
compute(char *signature, const convo_sigv4_request_t *request,
        const convo_aws_key_t *key, const char *date, const char *text)
{
    unsigned char mac[4 + CONVO_AWS_SECRET_MAX + 1];
    size_t len = (size_t) snprintf((char *) mac, sizeof(mac), "AWS4%s",
                                   key->secret);
    int failed;

    failed = chain(mac, len, date, DAY_LEN) != 0
             || chain(mac, HASH_SIZE, request->region,
                      strlen(request->region)) != 0
             || chain(mac, HASH_SIZE, request->service,
                      strlen(request->service)) != 0
             || chain(mac, HASH_SIZE, "aws4_request", 12) != 0
             || chain(mac, HASH_SIZE, text, strlen(text)) != 0;

    hexadecimal(signature, mac, HASH_SIZE);
    OPENSSL_cleanse(mac, sizeof(mac));

    return failed ? -1 : 0;
}


static convo_sigv4_e
sign(convo_sigv4_t *signature, const convo_sigv4_request_t *request,
     const convo_aws_key_t *key)
{
    char scope[SCOPE_SIZE];
    char digest[CONVO_SIGV4_HASH_LEN + 1];
    char made[CONVO_SIGV4_HASH_LEN + 1];
    char text[sizeof(ALGORITHM) + CONVO_SIGV4_DATE_LEN + SCOPE_SIZE
              + CONVO_SIGV4_HASH_LEN + 4];
    headers_t headers;

    if (!is_good(request) || write_date(signature->date, request->now_s) != 0
        || collect_headers(&headers, request, key, signature->date) != 0)
    {
        return CONVO_SIGV4_REQUEST;
    }

    if (!is_word(key->id, CONVO_AWS_KEY_ID_MAX) || key->secret[0] == '\0') {
        return CONVO_SIGV4_KEY;
    }

    snprintf(scope, sizeof(scope), "%.*s/%s/%s/aws4_request", DAY_LEN,
             signature->date, request->region, request->service);

    if (hash_request(digest, request, &headers) != 0) {
        return CONVO_SIGV4_MEMORY;
    }

    snprintf(text, sizeof(text), ALGORITHM "\n%s\n%s\n%s", signature->date,
             scope, digest);

    if (compute(made, request, key, signature->date, text) != 0) {
        return CONVO_SIGV4_MEMORY;
    }

    snprintf(signature->authorization, sizeof(signature->authorization),
             ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
             key->id, scope, headers.names, made);

    return CONVO_SIGV4_OK;
}


convo_sigv4_e
convo_sigv4_sign(convo_sigv4_t *signature,
                 const convo_sigv4_request_t *request,
                 const convo_aws_key_t *key)
{
    convo_sigv4_e result = sign(signature, request, key);

    if (result != CONVO_SIGV4_OK) {
        signature->date[0] = '\0';
        signature->authorization[0] = '\0';
    }

    return result;
}
