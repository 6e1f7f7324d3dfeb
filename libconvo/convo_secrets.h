/*
 * A file of secrets: one on each line, at most two.  The first signs, all of
 * them verify, so that a secret is changed without a gap: add the new one
 * below, reload everywhere, put it first, reload, remove the old one.
 */

#ifndef CONVO_SECRETS_H
#define CONVO_SECRETS_H

#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

#define CONVO_SECRETS_MAX 2
#define CONVO_SECRET_LEN_MAX 512

/* The longest file: every secret at its longest with CR LF, and two blank
 * lines at its end. */
#define CONVO_SECRETS_FILE_MAX \
    (CONVO_SECRETS_MAX * (CONVO_SECRET_LEN_MAX + 2) + 4)

typedef struct {
    size_t len;
    char text[CONVO_SECRET_LEN_MAX + 1]; /* NUL terminated */
} convo_secret_t;

typedef struct {
    size_t count;
    convo_secret_t secret[CONVO_SECRETS_MAX];
} convo_secrets_t;

typedef enum {
    CONVO_SECRETS_OK = 0,
    CONVO_SECRETS_NONE,      /* no line holds anything */
    CONVO_SECRETS_SHORT,     /* a secret is shorter than min */
    CONVO_SECRETS_LONG,      /* ... longer than CONVO_SECRET_LEN_MAX */
    CONVO_SECRETS_CHARACTER, /* ... holds a blank, control or 8-bit byte */
    CONVO_SECRETS_MANY       /* more than CONVO_SECRETS_MAX lines */
} convo_secrets_e;

/*
 * Parses the bytes of a file.  Blank lines are passed over; LF and CR LF end
 * a line.  min is the fewest bytes of a good secret.  Where the value is not
 * CONVO_SECRETS_OK, secrets->count is 0.
 */
convo_secrets_e convo_secrets_parse(convo_secrets_t *secrets, const char *text,
                                    size_t len, size_t min);

/* What is wrong, as the end of a sentence that names the file. */
const char *convo_secrets_error(convo_secrets_e error);

/* Overwrites the secrets in memory. */
void convo_secrets_wipe(convo_secrets_t *secrets);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_SECRETS_H */
