/*
 * The worker's configuration; see config.h and conf/worker.conf.
 *
 * A table names each directive, how many values it takes and the function
 * that reads them; those with much to read have a file of their own.  How it
 * fails: the first fault is told in one sentence and nothing is started.
 */

#include "config_reader.h"
#include "backoff.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>


/* --- setters --- */

static const char *
set_time(convo_reader_t *reader, const convo_directive_t *self)
{
    int64_t *ms = (int64_t *) ((char *) reader->config + self->offset);

    return convo_reader_time(reader, 1, reader->word[1], self->low, self->high,
                             ms);
}


static const char *
set_number(convo_reader_t *reader, const convo_directive_t *self)
{
    int64_t *number = (int64_t *) ((char *) reader->config + self->offset);
    const char *text = reader->word[1];
    char *end;

    errno = 0;
    *number = strtoll(text, &end, 10);

    if (!isdigit((unsigned char) text[0]) || *end != '\0' || errno != 0
        || *number < self->low || *number > self->high)
    {
        return convo_reader_expected(reader, 1,
                                     "expected a number from %" PRId64
                                     " to %" PRId64,
                                     self->low, self->high);
    }

    return NULL;
}


static const char *
set_probe_interval(convo_reader_t *reader, const convo_directive_t *self)
{
    if (strcmp(reader->word[1], "off") == 0) {
        reader->config->probe_interval_ms = 0;
        return NULL;
    }

    return set_time(reader, self);
}


static const char *
set_batch(convo_reader_t *reader, const convo_directive_t *self)
{
    const char *fault = set_number(reader, self);

    if (fault == NULL && reader->config->batch % 2 != 0) {
        return convo_reader_expected(reader, 1, "expected an even number");
    }

    return fault;
}


static const char *
set_name(convo_reader_t *reader, const convo_directive_t *self)
{
    const char *name = reader->word[1];
    size_t len = strlen(name);

    (void) self;

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char) name[i]) && strchr("-_.", name[i]) == NULL)
        {
            return convo_reader_expected(reader, 1,
                                         "expected letters, digits, \"-\", "
                                         "\"_\" and \".\" only");
        }
    }

    if (len > CONVO_CONFIG_NAME_MAX) {
        return convo_reader_expected(reader, 1,
                                     "expected at most %d characters",
                                     CONVO_CONFIG_NAME_MAX);
    }

    memcpy(reader->config->name, name, len + 1);

    return NULL;
}


static const char *
set_log_level(convo_reader_t *reader, const convo_directive_t *self)
{
    (void) self;

    reader->config->log_level = convo_log_level_by_name(reader->word[1]);

    if (reader->config->log_level < 0) {
        return convo_reader_expected(reader, 1,
                                     "expected error, warn, info or debug");
    }

    return NULL;
}


static const char *
set_pool(convo_reader_t *reader, const convo_directive_t *self)
{
    convo_config_t *config = reader->config;

    (void) self;

    for (int i = 1; i < reader->nwords; i++) {
        convo_pool_t *pool = &config->pools[config->npools];
        const char *name = reader->word[i];
        size_t len = strlen(name);

        if (!convo_is_pool(name, len)) {
            return convo_reader_expected(reader, i,
                                         "expected 1 to 63 of a-z, 0-9 and "
                                         "\"-\"");
        }

        for (size_t j = 0; j < config->npools; j++) {
            if (strcmp(config->pools[j].name, name) == 0) {
                return convo_reader_expected(reader, i,
                                             "expected each pool once");
            }
        }

        memcpy(pool->name, name, len + 1);
        pool->len = len;
        config->npools++;
    }

    return NULL;
}


static const char *
read_password(convo_reader_t *reader, int word, const char *name)
{
    char *password = reader->config->redis.password;
    convo_secrets_t secrets = { 0 };
    const char *fault;

    if (password[0] != '\0') {
        return convo_reader_expected(reader, word,
                                     "expected one password: in the URL or "
                                     "in a file");
    }

    fault = convo_reader_secrets(reader, word, name, 1, &secrets);
    if (fault != NULL) {
        return fault;
    }

    if (secrets.secret[0].len > CONVO_REDIS_PASSWORD_MAX) {
        fault = convo_reader_expected(reader, word,
                                      "expected a password of at most %d "
                                      "bytes in it", CONVO_REDIS_PASSWORD_MAX);
    } else {
        strcpy(password, secrets.secret[0].text);
    }

    convo_secrets_wipe(&secrets);

    return fault;
}


static const char *
set_redis(convo_reader_t *reader, const convo_directive_t *self)
{
    convo_config_t *config = reader->config;
    const char *url = reader->word[1];
    const char *value, *fault;

    (void) self;

    fault = convo_redis_url_parse(url, strlen(url), &config->redis);
    if (fault != NULL) {
        reader->secret = 1;
        return convo_reader_expected(reader, 1, "%s", fault);
    }

    fault = convo_reader_check_options(reader);
    if (fault != NULL) {
        return fault;
    }

    for (int i = 2; i < reader->nwords; i++) {
        const char *word = reader->word[i];

        if ((value = convo_reader_option(word, "timeout")) != NULL) {
            fault = convo_reader_time(reader, i, value, 10, 60000,
                                      &config->redis_timeout_ms);

        } else if ((value = convo_reader_option(word, "password_file"))
                   != NULL)
        {
            fault = read_password(reader, i, value);

        } else {
            fault = convo_reader_expected(reader, i,
                                          "expected password_file=PATH or "
                                          "timeout=TIME");
        }

        if (fault != NULL) {
            return fault;
        }
    }

    return NULL;
}


#define FIELD(name) offsetof(convo_config_t, name)

static const convo_directive_t directives[] = {
    { "name", 1, 1, set_name, 0, 0, 0 },
    { "redis", 1, 3, set_redis, 0, 0, 0 },
    { "pool", 1, CONVO_CONFIG_POOLS, set_pool, 0, 0, 0 },
    { "livekit", 1, 4, convo_reader_set_livekit, 0, 0, 0 },
    { "history", 2, 6, convo_reader_set_history, 0, 0, 0 },
    { "match_interval", 1, 1, set_time, FIELD(match_interval_ms), 10, 60000 },
    { "batch", 1, 1, set_batch, FIELD(batch), 2, CONVO_PAIRING_MAX },
    { "lease", 1, 1, set_time, FIELD(lease_ms), 1000, 600000 },
    { "silent_after", 1, 1, set_time, FIELD(silent_after_ms), 1000, 600000 },
    { "drop_after", 1, 1, set_time, FIELD(drop_after_ms), 1000, 3600000 },
    { "restart_grace", 1, 1, set_time, FIELD(restart_grace_ms), 0, 3600000 },
    { "no_show", 1, 1, set_time, FIELD(no_show_ms), 1000,
      80000 },
    { "absence", 1, 1, set_time, FIELD(absence_ms), 1000,
      50000 },
    { "probe_interval", 1, 1, set_probe_interval, FIELD(probe_interval_ms),
      100, 9000 },
    { "sweep_interval", 1, 1, set_time, FIELD(sweep_interval_ms), 100,
      3600000 },
    { "ticket_tries", 1, 1, set_number, FIELD(ticket_tries), 1, 100 },
    { "log_level", 1, 1, set_log_level, 0, 0, 0 },
};

#define DIRECTIVES (sizeof(directives) / sizeof(directives[0]))


/* --- reading the file --- */

static int
fail_value(const convo_reader_t *reader, const char *what)
{
    if (reader->bad > 0 && !reader->secret) {
        return convo_reader_fail(reader,
                                 "%s \"%s\": %s",
                                 reader->word[0], reader->word[reader->bad],
                                 what);
    }

    return convo_reader_fail(reader, "%s: %s", reader->word[0], what);
}


static int
fail_count(convo_reader_t *reader, const convo_directive_t *directive)
{
    int found = reader->nwords - 1;

    if (directive->min == directive->max) {
        return convo_reader_fail(reader,
                                 "%s: expected %d value%s, found %d",
                                 directive->name, directive->min,
                                 directive->min == 1 ? "" : "s", found);
    }

    return convo_reader_fail(reader,
                             "%s: expected %d to %d values, found %d",
                             directive->name, directive->min, directive->max,
                             found);
}


static int
apply(convo_reader_t *reader, int seen[DIRECTIVES])
{
    for (size_t i = 0; i < DIRECTIVES; i++) {
        const convo_directive_t *directive = &directives[i];
        const char *what;

        if (strcmp(directive->name, reader->word[0]) != 0) {
            continue;
        }

        if (seen[i] != 0) {
            return convo_reader_fail(reader,
                                     "%s: expected once, is in line %d "
                                     "already",
                                     directive->name, seen[i]);
        }
        seen[i] = reader->line;

        if (reader->nwords - 1 < directive->min
            || reader->nwords - 1 > directive->max)
        {
            return fail_count(reader, directive);
        }

        reader->bad = 0;
        reader->secret = 0;
        what = directive->set(reader, directive);

        return what == NULL ? 0 : fail_value(reader, what);
    }

    return convo_reader_fail(reader, "%s: unknown directive", reader->word[0]);
}


/* Splits a line at its blanks; a comment has no words.  -1: too many. */
static int
split(convo_reader_t *reader, char *line)
{
    char *rest = line;
    char *word;

    reader->nwords = 0;

    while ((word = strsep(&rest, " \t\r\n")) != NULL) {
        if (*word == '\0') {
            continue;
        }
        if (reader->nwords == 0 && *word == '#') {
            return 0;
        }
        if (reader->nwords == CONVO_CONFIG_WORDS) {
            return -1;
        }
        reader->word[reader->nwords++] = word;
    }

    return 0;
}


static int
read_lines(convo_reader_t *reader, FILE *file, int seen[DIRECTIVES])
{
    while (fgets(reader->text, sizeof(reader->text), file) != NULL) {
        reader->line++;

        if (strchr(reader->text, '\n') == NULL && !feof(file)) {
            return convo_reader_fail(reader,
                                     "expected a line of at most %d bytes "
                                     "and no NUL",
                                     CONVO_CONFIG_LINE - 2);
        }

        if (split(reader, reader->text) != 0) {
            return convo_reader_fail(reader,
                                     "%s: expected at most %d values",
                                     reader->word[0], CONVO_CONFIG_WORDS - 1);
        }

        if (reader->nwords > 0 && apply(reader, seen) != 0) {
            return -1;
        }
    }

    return ferror(file) ? convo_reader_fail(reader, "%s", strerror(errno)) : 0;
}


/* --- the whole --- */

static void
set_defaults(convo_config_t *config)
{
    memset(config, 0, sizeof(*config));

    config->redis_timeout_ms = 1000;
    config->livekit.timeout_ms = 5000;
    config->match_interval_ms = 250;
    config->batch = 64;
    config->lease_ms = 30000;
    config->silent_after_ms = 15000;
    config->drop_after_ms = 45000;
    config->restart_grace_ms = 60000;
    config->no_show_ms = 30000;
    config->absence_ms = 15000;
    config->probe_interval_ms = 4000;
    config->sweep_interval_ms = 60000;
    config->ticket_tries = 5;
    config->log_level = CONVO_LOG_INFO;
}


/* HOST-PID-RANDOM: two workers never have the same name. */
static void
make_name(convo_config_t *config)
{
    char host[33] = "";
    unsigned char random[16];

    gethostname(host, sizeof(host) - 1);
    convo_random(random);

    snprintf(config->name, sizeof(config->name), "%s-%d-%02x%02x%02x%02x",
             host, (int) getpid(), random[0], random[1], random[2], random[3]);
}


/* What the file need not say. */
static void
fill_in(convo_config_t *config)
{
    if (config->npools == 0) {
        strcpy(config->pools[0].name, "default");
        config->pools[0].len = strlen("default");
        config->npools = 1;
    }

    if (config->name[0] == '\0') {
        make_name(config);
    }
}


int
convo_config_load(convo_config_t *config, const char *path, char *error)
{
    convo_reader_t reader = { .config = config, .path = path, .error = error };
    int seen[DIRECTIVES] = { 0 };
    FILE *file;
    int result;

    set_defaults(config);

    file = fopen(path, "re");
    if (file == NULL) {
        return convo_reader_fail(&reader,
                                 "expected a file that can be read: %s",
                                 strerror(errno));
    }

    result = read_lines(&reader, file, seen);
    fclose(file);

    reader.line = 0;
    if (result != 0 || convo_reader_check_whole(&reader) != 0) {
        return -1;
    }

    fill_in(config);
    convo_config_set_rooms(config);

    return 0;
}
