/*
 * AWS access keys, and the texts that hold them: the shared credentials file
 * and the answers of the container's and the instance's endpoint.
 *
 * Pure: what was read is given, nothing is opened or asked.  How it fails:
 * every refusal leaves a key without a byte in it.  A text in which two
 * readers could find different keys is refused.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials
 * files", "Container credential provider", "IMDS credential provider".
 */

#ifndef CONVO_AWS_KEY_H
#define CONVO_AWS_KEY_H

#include <stddef.h>
#include <stdint.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* The longest parts of a key that are taken.  AWS says 128 of the first and
 * nothing of the others; a secret has 40, a session token up to about 2,000. */
#define CONVO_AWS_KEY_ID_MAX  128
#define CONVO_AWS_SECRET_MAX  128
#define CONVO_AWS_SESSION_MAX 8192

/* The largest texts: a file of some hundred profiles, and an answer. */
#define CONVO_AWS_FILE_MAX   (256 * 1024)
#define CONVO_AWS_ANSWER_MAX (32 * 1024)

/* A key; all texts are NUL terminated printable ASCII without blanks. */
typedef struct {
    char id[CONVO_AWS_KEY_ID_MAX + 1];
    char secret[CONVO_AWS_SECRET_MAX + 1];
    char session[CONVO_AWS_SESSION_MAX + 1]; /* of a temporary key, else "" */
    int64_t expires_s;                       /* epoch seconds, 0: never */
} convo_aws_key_t;

typedef enum {
    CONVO_AWS_KEY_OK = 0,
    CONVO_AWS_KEY_ABSENT,   /* the file has no such profile */
    CONVO_AWS_KEY_NONE,     /* no id, whatever else */
    CONVO_AWS_KEY_PARTIAL,  /* no secret, or no token where it must be */
    CONVO_AWS_KEY_TEXT,     /* one that is too long or no such text */
    CONVO_AWS_KEY_TWICE,    /* the profile, or a value of it */
    CONVO_AWS_KEY_EXPIRY,   /* an answer without a time it is good until */
    CONVO_AWS_KEY_FAILED,   /* an answer which says that there is no key */
    CONVO_AWS_KEY_MALFORMED /* no such file, or no such answer */
} convo_aws_key_e;

/* A key that never expires of three texts, NUL terminated; NULL is "". */
convo_aws_key_e convo_aws_key_set(convo_aws_key_t *key, const char *id,
                                  const char *secret, const char *session);

/*
 * The key of a profile (NUL terminated) in the text of a shared credentials
 * file:
 *
 *     [default]
 *     aws_access_key_id = AKIAIOSFODNN7EXAMPLE
 *     aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
 *     aws_session_token = ...
 *
 * "#" and ";" begin a line of comment, ":" may stand for "=", a line that is
 * indented further than the name above it goes on with its value; a value has
 * no comment behind it.  Names count in any case, profiles exactly.
 */
convo_aws_key_e convo_aws_key_from_file(convo_aws_key_t *key,
                                        const char *text, size_t len,
                                        const char *profile);

/*
 * The temporary key in an endpoint's answer:
 *
 *     {"Code": "Success", "AccessKeyId": "ASIA...", "SecretAccessKey": "...",
 *      "Token": "...", "Expiration": "2026-11-22T20:40:00Z"}
 *
 * Only an instance says a Code.  What else is in it does not matter.
 */
convo_aws_key_e convo_aws_key_from_answer(convo_aws_key_t *key,
                                          const char *text, size_t len);

/* What is wrong, as the end of a sentence that names where it was. */
const char *convo_aws_key_error(convo_aws_key_e error);

/* Overwrites the key in memory. */
void convo_aws_key_wipe(convo_aws_key_t *key);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_AWS_KEY_H */
