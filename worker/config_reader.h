/*
 * Reading the configuration: what config.c, which knows lines and directives,
 * shares with the files that read the values of one directive each.
 *
 * A setter takes the words of a line and returns NULL, or what was expected,
 * made by convo_reader_expected(), which also says of which word.
 */

#ifndef CONVO_CONFIG_READER_H
#define CONVO_CONFIG_READER_H

#include "config.h"

#include <stddef.h>

#define CONVO_READER_EXPECTED 256

typedef struct {
    convo_config_t *config;
    const char *path; /* of the configuration file */
    char *error;
    int line;
    char text[CONVO_CONFIG_LINE]; /* of the line; the words point into it */
    int nwords;
    char *word[CONVO_CONFIG_WORDS];
    int bad;    /* the word that is wrong; 0: none of them */
    int secret; /* that word may hold a secret */
    char expected[CONVO_READER_EXPECTED]; /* for messages that are made */
} convo_reader_t;

typedef struct convo_directive convo_directive_t;

/* Reads the values of the line: NULL, or what was expected. */
typedef const char *(*convo_setter_pt)(convo_reader_t *reader,
                                       const convo_directive_t *self);

struct convo_directive {
    const char *name;
    int min; /* how many values */
    int max;
    convo_setter_pt set;
    size_t offset; /* of an int64_t in convo_config_t */
    int64_t low;   /* its range */
    int64_t high;
};

/* Makes what was expected of the word at index bad, or of the line when that
 * is 0.  Valid until the next call. */
const char *convo_reader_expected(convo_reader_t *reader, int bad,
                                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Keeps the sentence in error, after the file's name and the line's number
 * when that is not 0.  -1. */
int convo_reader_fail(const convo_reader_t *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The value after "name=" in a word, or NULL. */
const char *convo_reader_option(const char *word, const char *name);

/* NULL, or what was expected when an option of the line stands twice. */
const char *convo_reader_check_options(convo_reader_t *reader);

/* path, or the same in the folder of the configuration file: 0, or -1 when it
 * is too long. */
int convo_reader_resolve(const convo_reader_t *reader, const char *path,
                         char out[PATH_MAX]);

/* Reads a time of low to high ms: NULL, or what was expected. */
const char *convo_reader_time(convo_reader_t *reader, int word,
                              const char *text, int64_t low, int64_t high,
                              int64_t *ms);

/* Reads every secret of a file, the first of which is used: NULL, or what was
 * expected.  min is the length of the shortest that is taken. */
const char *convo_reader_secrets(convo_reader_t *reader, int word,
                                 const char *name, size_t min,
                                 convo_secrets_t *secrets);

/* Reads http(s)://HOST[:PORT][/PATH], without the slashes at its end, into
 * out[CONVO_CONFIG_URL_MAX + 1]: NULL, or what was expected. */
const char *convo_reader_url(convo_reader_t *reader, int word,
                             const char *url, char *out);

/* Setters with a file of their own. */
const char *convo_reader_set_livekit(convo_reader_t *reader,
                                     const convo_directive_t *self);
const char *convo_reader_set_history(convo_reader_t *reader,
                                     const convo_directive_t *self);

/* Checks what only the whole shows: 0, or -1 with the fault told. */
int convo_reader_check_whole(const convo_reader_t *reader);

/* Sets how long LiveKit keeps rooms, from a whole that is good. */
void convo_config_set_rooms(convo_config_t *config);

#endif /* CONVO_CONFIG_READER_H */
