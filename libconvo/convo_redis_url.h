/*
 * Where a Redis is and how to sign in to it, as one line of configuration:
 *
 *   redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]
 *   unix:PATH
 *
 * The edge's "convo_redis" and the worker's "redis" read it by the same
 * function, so that the two can never understand it differently.
 */

#ifndef CONVO_REDIS_URL_H
#define CONVO_REDIS_URL_H

#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* the longest parts that are taken, in bytes without the NUL */
#define CONVO_REDIS_HOST_MAX     253 /* a DNS name, RFC 1035 */
#define CONVO_REDIS_USER_MAX     127
#define CONVO_REDIS_PASSWORD_MAX 511
#define CONVO_REDIS_PATH_MAX     107 /* sun_path of Linux */
#define CONVO_REDIS_DB_MAX       65535
#define CONVO_REDIS_PORT         6379

typedef struct {
    char path[CONVO_REDIS_PATH_MAX + 1]; /* "" unless it is unix:PATH */
    char host[CONVO_REDIS_HOST_MAX + 1]; /* without brackets */
    char user[CONVO_REDIS_USER_MAX + 1]; /* "" is Redis's default user */
    char password[CONVO_REDIS_PASSWORD_MAX + 1]; /* "" is none */
    unsigned port;
    unsigned db;
    int ipv6; /* host is an address that was written in brackets */
} convo_redis_url_t;

/*
 * Reads text (len bytes, need not end in NUL) into *url, which is zeroed
 * first, so that two results of the same meaning are the same bytes.  User
 * and password are percent-decoded.  A host is checked for its characters
 * only, not looked up.
 *
 * Returns NULL, or what was wrong: a sentence that lives for ever and quotes
 * nothing of the text, as that may hold a password.
 */
const char *convo_redis_url_parse(const char *text, size_t len,
                                  convo_redis_url_t *url);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_REDIS_URL_H */
