/*
 * AWS Signature Version 4: the headers that make a request count at AWS.
 *
 * Everything that is signed is given explicitly, and the caller sends exactly
 * that; no clock is read, nothing is allocated or sent.  Source: AWS, "Create
 * a signed AWS API request" (IAM User Guide).
 */

#ifndef CONVO_SIGV4_H
#define CONVO_SIGV4_H

#include "convo_aws_key.h"

#include <stddef.h>
#include <time.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_SIGV4_REGION_MAX  64
#define CONVO_SIGV4_SERVICE_MAX 32

/* Headers that a caller may have signed, and the length of one's name. */
#define CONVO_SIGV4_HEADERS_MAX 8
#define CONVO_SIGV4_NAME_MAX    64

/* The longest path, and host. */
#define CONVO_SIGV4_PATH_MAX 1024

#define CONVO_SIGV4_HASH_LEN 64 /* SHA-256 in hexadecimal */
#define CONVO_SIGV4_DATE_LEN 16 /* "20150830T123600Z" */

/* The longest Authorization: its fixed words, the key's id, date, region and
 * service, the names of all headers, and the signature. */
#define CONVO_SIGV4_AUTHORIZATION_MAX \
    (128 + CONVO_AWS_KEY_ID_MAX + CONVO_SIGV4_REGION_MAX \
     + CONVO_SIGV4_SERVICE_MAX \
     + (CONVO_SIGV4_HEADERS_MAX + 3) * (CONVO_SIGV4_NAME_MAX + 1) \
     + CONVO_SIGV4_HASH_LEN)

typedef struct {
    const char *name;  /* letters, digits, "-"; in any case */
    const char *value; /* as it is sent; no control character but a tab */
} convo_sigv4_header_t;

/* A request; all texts NUL terminated, none NULL. */
typedef struct {
    const char *method; /* "POST" */
    const char *host;   /* as in the header Host, with a port if that has one */
    const char *path;   /* as it is sent, encoded; begins with "/" */
    const char *query;  /* encoded, sorted by name, then value; "" for none */

    /* What else is signed, in any order, each name once; not Host, nor what
     * convo_sigv4_t holds, which is signed in any case. */
    const convo_sigv4_header_t *headers;
    size_t nheaders;

    const char *payload; /* convo_sigv4_hash() of the body, or the word that
                          * the service takes in its place */
    const char *region;  /* "eu-central-1" */
    const char *service; /* "dynamodb" */
    time_t now_s;
} convo_sigv4_request_t;

/* What to send with the request, and X-Amz-Security-Token with the key's
 * session when that is not "". */
typedef struct {
    char date[CONVO_SIGV4_DATE_LEN + 1]; /* X-Amz-Date */
    char authorization[CONVO_SIGV4_AUTHORIZATION_MAX + 1];
} convo_sigv4_t;

typedef enum {
    CONVO_SIGV4_OK = 0,
    CONVO_SIGV4_REQUEST, /* a text that is too long, empty or no text for its
                          * place; too many headers, or one twice */
    CONVO_SIGV4_KEY,     /* no id or no secret */
    CONVO_SIGV4_MEMORY
} convo_sigv4_e;

/* The SHA-256 of a body in hexadecimal and a NUL, into
 * hash[CONVO_SIGV4_HASH_LEN + 1].  0, or -1 when memory is short. */
int convo_sigv4_hash(char *hash, const void *body, size_t len);

/*
 * Signs the request with the key, whose expiry is the caller's concern.  The
 * path is normalised as every service but S3 wants it.  Where the value is
 * not CONVO_SIGV4_OK, both texts are "".
 */
convo_sigv4_e convo_sigv4_sign(convo_sigv4_t *signature,
                               const convo_sigv4_request_t *request,
                               const convo_aws_key_t *key);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_SIGV4_H */
