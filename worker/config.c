/*
 * The worker's configuration; see config.h and conf/worker.conf.
 *
 * A table names each directive, how many values it takes and the function
 * that reads them; a setter returns NULL or what was expected.  How it fails:
 * the first fault is told in one sentence and nothing is started.
 */

#include "config.h"
#include "backoff.h"
#include "convo_time.h"
#include "log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPECTED_MAX 256

/* Runs of Redis in one round of matching: four claims and what they hold, the
 * meetings, the plan, the commits, the faults, the release, and eight of them
 * again when Redis has lost its scripts; see match.c. */
#define ROUND_REDIS_CALLS 21

typedef struct {
    convo_config_t *config;
    const char *path; /* of the configuration file */
    char *error;
    int line;
    char text[CONVO_CONFIG_LINE]; /* of the line; the words point into it */
    int nwords;
    char *word[CONVO_CONFIG_WORDS];
    int bad;                     /* the word that is wrong; 0: none of them */
    int secret;                  /* that word may hold a secret */
    char expected[EXPECTED_MAX]; /* for messages that are made */
} reader_t;

typedef struct directive directive_t;

/* Reads the values of the line: NULL, or what was expected. */
typedef const char *(*setter_pt)(reader_t *reader, const directive_t *self);

struct directive {
    const char *name;
    int min; /* how many values */
    int max;
    setter_pt set;
    size_t offset; /* of an int64_t in convo_config_t */
    int64_t low;   /* its range */
    int64_t high;
};


static const char *
expected(reader_t *reader, int bad, const char *format, ...)
{
    va_list args;

    reader->bad = bad;

    va_start(args, format);
    vsnprintf(reader->expected, sizeof(reader->expected), format, args);
    va_end(args);

    return reader->expected;
}


/* The value after "name=" in a word, or NULL. */
static const char *
option(const char *word, const char *name)
{
    size_t len = strlen(name);

    return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1
                                                             : NULL;
}


/* NULL, or what was expected when an option of the line stands twice. */
static const char *
check_options(reader_t *reader)
{
    for (int i = 1; i < reader->nwords; i++) {
        size_t name = strcspn(reader->word[i], "=") + 1;

        for (int j = 1; j < i; j++) {
            if (strncmp(reader->word[i], reader->word[j], name) == 0) {
                return expected(reader, i, "expected each option once");
            }
        }
    }

    return NULL;
}


/* path, or the same in the folder of the configuration file; -1: too long. */
static int
resolve(const reader_t *reader, const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(reader->path, '/');
    int folder = slash != NULL ? (int) (slash - reader->path) + 1 : 0;
    int n;

    if (path[0] == '/') {
        folder = 0;
    }

    n = snprintf(out, PATH_MAX, "%.*s%s", folder, reader->path, path);

    return n < PATH_MAX ? 0 : -1;
}


static const char *
read_time(reader_t *reader, int word, const char *text, int64_t low,
          int64_t high, int64_t *ms)
{
    char from[CONVO_TIME_TEXT], to[CONVO_TIME_TEXT];

    *ms = convo_time_parse(text, strlen(text));

    if (*ms < low || *ms > high) {
        return expected(reader, word, "expected a time from %s to %s",
                        convo_time_format(low, from),
                        convo_time_format(high, to));
    }

    return NULL;
}


/* Every secret of a file, the first of which is used. */
static const char *
read_secrets(reader_t *reader, int word, const char *name, size_t min,
             convo_secrets_t *secrets)
{
    char path[PATH_MAX], text[CONVO_SECRETS_FILE_MAX + 1];
    convo_secrets_e verdict;
    ssize_t n;
    int fd;

    if (resolve(reader, name, path) != 0) {
        return expected(reader, word, "expected a shorter path");
    }

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return expected(reader, word, "expected a file that can be read: %s",
                        strerror(errno));
    }

    n = read(fd, text, sizeof(text));
    close(fd);

    if (n < 0) {
        return expected(reader, word, "expected a file that can be read: %s",
                        strerror(errno));
    }

    verdict = convo_secrets_parse(secrets, text, (size_t) n, min);
    explicit_bzero(text, sizeof(text));

    if (verdict != CONVO_SECRETS_OK) {
        return expected(reader, word, "expected a file of secrets: %s",
                        convo_secrets_error(verdict));
    }

    return NULL;
}


/* --- setters --- */

static const char *
set_time(reader_t *reader, const directive_t *self)
{
    int64_t *ms = (int64_t *) ((char *) reader->config + self->offset);

    return read_time(reader, 1, reader->word[1], self->low, self->high, ms);
}


static const char *
set_number(reader_t *reader, const directive_t *self)
{
    int64_t *number = (int64_t *) ((char *) reader->config + self->offset);
    const char *text = reader->word[1];
    char *end;

    errno = 0;
    *number = strtoll(text, &end, 10);

    if (!isdigit((unsigned char) text[0]) || *end != '\0' || errno != 0
        || *number < self->low || *number > self->high)
    {
        return expected(reader, 1,
                        "expected a number from %" PRId64 " to %" PRId64,
                        self->low, self->high);
    }

    return NULL;
}


static const char *
set_batch(reader_t *reader, const directive_t *self)
{
    const char *fault = set_number(reader, self);

    if (fault == NULL && reader->config->batch % 2 != 0) {
        return expected(reader, 1, "expected an even number");
    }

    return fault;
}


static const char *
set_name(reader_t *reader, const directive_t *self)
{
    const char *name = reader->word[1];
    size_t len = strlen(name);

    (void) self;

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char) name[i]) && strchr("-_.", name[i]) == NULL)
        {
            return expected(reader, 1, "expected letters, digits, \"-\", "
                                       "\"_\" and \".\" only");
        }
    }

    if (len > CONVO_CONFIG_NAME_MAX) {
        return expected(reader, 1, "expected at most %d characters",
                        CONVO_CONFIG_NAME_MAX);
    }

    memcpy(reader->config->name, name, len + 1);

    return NULL;
}


static const char *
set_log_level(reader_t *reader, const directive_t *self)
{
    (void) self;

    reader->config->log_level = convo_log_level_by_name(reader->word[1]);

    if (reader->config->log_level < 0) {
        return expected(reader, 1, "expected error, warn, info or debug");
    }

    return NULL;
}


static const char *
set_pool(reader_t *reader, const directive_t *self)
{
    convo_config_t *config = reader->config;

    (void) self;

    for (int i = 1; i < reader->nwords; i++) {
        convo_pool_t *pool = &config->pools[config->npools];
        const char *name = reader->word[i];
        size_t len = strlen(name);

        if (!convo_is_pool(name, len)) {
            return expected(reader, i,
                            "expected 1 to 63 of a-z, 0-9 and \"-\"");
        }

        for (size_t j = 0; j < config->npools; j++) {
            if (strcmp(config->pools[j].name, name) == 0) {
                return expected(reader, i, "expected each pool once");
            }
        }

        memcpy(pool->name, name, len + 1);
        pool->len = len;
        config->npools++;
    }

    return NULL;
}


static const char *
read_password(reader_t *reader, int word, const char *name)
{
    char *password = reader->config->redis.password;
    convo_secrets_t secrets = { 0 };
    const char *fault;

    if (password[0] != '\0') {
        return expected(reader, word,
                        "expected one password: in the URL or in a file");
    }

    fault = read_secrets(reader, word, name, 1, &secrets);
    if (fault != NULL) {
        return fault;
    }

    if (secrets.secret[0].len > CONVO_REDIS_PASSWORD_MAX) {
        fault = expected(reader, word, "expected a password of at most %d "
                                       "bytes in it",
                         CONVO_REDIS_PASSWORD_MAX);
    } else {
        strcpy(password, secrets.secret[0].text);
    }

    convo_secrets_wipe(&secrets);

    return fault;
}


static const char *
set_redis(reader_t *reader, const directive_t *self)
{
    convo_config_t *config = reader->config;
    const char *url = reader->word[1];
    const char *value, *fault;

    (void) self;

    fault = convo_redis_url_parse(url, strlen(url), &config->redis);
    if (fault != NULL) {
        reader->secret = 1;
        return expected(reader, 1, "%s", fault);
    }

    fault = check_options(reader);
    if (fault != NULL) {
        return fault;
    }

    for (int i = 2; i < reader->nwords; i++) {
        if ((value = option(reader->word[i], "timeout")) != NULL) {
            fault = read_time(reader, i, value, 10, 60000,
                              &config->redis_timeout_ms);

        } else if ((value = option(reader->word[i], "password_file")) != NULL) {
            fault = read_password(reader, i, value);

        } else {
            fault = expected(reader, i,
                             "expected password_file=PATH or timeout=TIME");
        }

        if (fault != NULL) {
            return fault;
        }
    }

    return NULL;
}


/* http(s)://HOST[:PORT][/PATH]; a user or a query has no place there. */
static int
is_http_url(const char *url)
{
    const char *host = NULL;

    if (strncmp(url, "http://", 7) == 0) {
        host = url + 7;
    } else if (strncmp(url, "https://", 8) == 0) {
        host = url + 8;
    }

    return host != NULL && (isalnum((unsigned char) host[0]) || host[0] == '[')
           && strpbrk(host, "@?#\"\\<>") == NULL;
}


static const char *
set_livekit_url(reader_t *reader, int word, const char *url)
{
    convo_livekit_config_t *livekit = &reader->config->livekit;
    size_t len = strlen(url);

    if (!is_http_url(url)) {
        return expected(reader, word, "expected http://HOST[:PORT][/PATH] "
                                      "or the same with https");
    }

    if (len > CONVO_CONFIG_URL_MAX) {
        return expected(reader, word, "expected at most %d characters",
                        CONVO_CONFIG_URL_MAX);
    }

    while (url[len - 1] == '/') {
        len--;
    }

    memcpy(livekit->url, url, len);
    livekit->url[len] = '\0';

    return NULL;
}


static const char *
set_livekit_option(reader_t *reader, int i)
{
    convo_livekit_config_t *livekit = &reader->config->livekit;
    const char *word = reader->word[i];
    const char *value;

    if ((value = option(word, "url")) != NULL) {
        return set_livekit_url(reader, i, value);
    }

    if ((value = option(word, "key")) != NULL) {
        if (!convo_livekit_is_key(value, strlen(value))) {
            return expected(reader, i, "expected 1 to %d letters, digits, "
                                       "\"-\" and \"_\"",
                            CONVO_LIVEKIT_KEY_MAX);
        }
        strcpy(livekit->key, value);
        return NULL;
    }

    if ((value = option(word, "secret_file")) != NULL) {
        return read_secrets(reader, i, value, CONVO_LIVEKIT_SECRET_MIN,
                            &livekit->secrets);
    }

    if ((value = option(word, "timeout")) != NULL) {
        return read_time(reader, i, value, 100, 60000, &livekit->timeout_ms);
    }

    return expected(reader, i,
                    "expected url=, key=, secret_file= or timeout=");
}


static const char *
set_livekit(reader_t *reader, const directive_t *self)
{
    convo_livekit_config_t *livekit = &reader->config->livekit;
    const char *repeated = check_options(reader);

    (void) self;

    if (repeated != NULL) {
        return repeated;
    }

    for (int i = 1; i < reader->nwords; i++) {
        const char *fault = set_livekit_option(reader, i);

        if (fault != NULL) {
            return fault;
        }
    }

    if (livekit->url[0] == '\0' || livekit->key[0] == '\0'
        || livekit->secrets.count == 0)
    {
        return expected(reader, 0,
                        "expected url=URL key=KEY secret_file=PATH");
    }

    return NULL;
}


static const char *
set_history(reader_t *reader, const directive_t *self)
{
    char folder[PATH_MAX];
    struct stat info;

    (void) self;

    if (strcmp(reader->word[1], "sqlite") != 0) {
        return expected(reader, 1, "expected sqlite PATH");
    }

    if (resolve(reader, reader->word[2], reader->config->history_path) != 0) {
        return expected(reader, 2, "expected a shorter path");
    }

    strcpy(folder, reader->config->history_path);
    if (strrchr(folder, '/') != NULL) {
        *(strrchr(folder, '/') + 1) = '\0';
    } else {
        strcpy(folder, ".");
    }

    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)
        || access(folder, W_OK | X_OK) != 0)
    {
        return expected(reader, 2,
                        "expected a file in a folder that can be written to");
    }

    if (stat(reader->config->history_path, &info) == 0
        && !S_ISREG(info.st_mode))
    {
        return expected(reader, 2, "expected a file, found %s",
                        S_ISDIR(info.st_mode) ? "a folder" : "no file");
    }

    return NULL;
}


#define FIELD(name) offsetof(convo_config_t, name)

static const directive_t directives[] = {
    { "name", 1, 1, set_name, 0, 0, 0 },
    { "redis", 1, 3, set_redis, 0, 0, 0 },
    { "pool", 1, CONVO_CONFIG_POOLS, set_pool, 0, 0, 0 },
    { "livekit", 1, 4, set_livekit, 0, 0, 0 },
    { "history", 2, 2, set_history, 0, 0, 0 },
    { "match_interval", 1, 1, set_time, FIELD(match_interval_ms), 10, 60000 },
    { "batch", 1, 1, set_batch, FIELD(batch), 2, CONVO_PAIRING_MAX },
    { "lease", 1, 1, set_time, FIELD(lease_ms), 1000, 600000 },
    { "silent_after", 1, 1, set_time, FIELD(silent_after_ms), 1000, 600000 },
    { "drop_after", 1, 1, set_time, FIELD(drop_after_ms), 1000, 3600000 },
    { "restart_grace", 1, 1, set_time, FIELD(restart_grace_ms), 0, 3600000 },
    { "no_show", 1, 1, set_time, FIELD(no_show_ms), 1000,
      (CONVO_ROOM_EMPTY_S - 10) * 1000 },
    { "absence", 1, 1, set_time, FIELD(absence_ms), 1000,
      (CONVO_ROOM_DEPARTURE_S - 10) * 1000 },
    { "ticket_tries", 1, 1, set_number, FIELD(ticket_tries), 1, 100 },
    { "log_level", 1, 1, set_log_level, 0, 0, 0 },
};

#define DIRECTIVES (sizeof(directives) / sizeof(directives[0]))


/* --- reading the file --- */

static int
fail(const reader_t *reader, const char *format, ...)
{
    int n = 0;
    va_list args;

    if (reader->line > 0) {
        n = snprintf(reader->error, CONVO_CONFIG_ERROR, "%s:%d: ",
                     reader->path, reader->line);
    } else {
        n = snprintf(reader->error, CONVO_CONFIG_ERROR, "%s: ", reader->path);
    }

    if (n < CONVO_CONFIG_ERROR) {
        va_start(args, format);
        vsnprintf(reader->error + n, (size_t) (CONVO_CONFIG_ERROR - n), format,
                  args);
        va_end(args);
    }

    return -1;
}


static int
fail_value(const reader_t *reader, const char *what)
{
    if (reader->bad > 0 && !reader->secret) {
        return fail(reader, "%s \"%s\": %s", reader->word[0],
                    reader->word[reader->bad], what);
    }

    return fail(reader, "%s: %s", reader->word[0], what);
}


static int
fail_count(reader_t *reader, const directive_t *directive)
{
    int found = reader->nwords - 1;

    if (directive->min == directive->max) {
        return fail(reader, "%s: expected %d value%s, found %d",
                    directive->name, directive->min,
                    directive->min == 1 ? "" : "s", found);
    }

    return fail(reader, "%s: expected %d to %d values, found %d",
                directive->name, directive->min, directive->max, found);
}


static int
apply(reader_t *reader, int seen[DIRECTIVES])
{
    for (size_t i = 0; i < DIRECTIVES; i++) {
        const directive_t *directive = &directives[i];
        const char *what;

        if (strcmp(directive->name, reader->word[0]) != 0) {
            continue;
        }

        if (seen[i] != 0) {
            return fail(reader, "%s: expected once, is in line %d already",
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

    return fail(reader, "%s: unknown directive", reader->word[0]);
}


/* Splits a line at its blanks; a comment has no words.  -1: too many. */
static int
split(reader_t *reader, char *line)
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
read_lines(reader_t *reader, FILE *file, int seen[DIRECTIVES])
{
    while (fgets(reader->text, sizeof(reader->text), file) != NULL) {
        reader->line++;

        if (strchr(reader->text, '\n') == NULL && !feof(file)) {
            return fail(reader, "expected a line of at most %d bytes and no "
                                "NUL",
                        CONVO_CONFIG_LINE - 2);
        }

        if (split(reader, reader->text) != 0) {
            return fail(reader, "%s: expected at most %d values",
                        reader->word[0], CONVO_CONFIG_WORDS - 1);
        }

        if (reader->nwords > 0 && apply(reader, seen) != 0) {
            return -1;
        }
    }

    return ferror(file) ? fail(reader, "%s", strerror(errno)) : 0;
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


int64_t
convo_config_round_ms(const convo_config_t *config)
{
    return ROUND_REDIS_CALLS * config->redis_timeout_ms
           + config->livekit.timeout_ms;
}


/* What only the whole shows. */
static int
check_whole(reader_t *reader)
{
    convo_config_t *config = reader->config;
    char lease[CONVO_TIME_TEXT], round[CONVO_TIME_TEXT];

    reader->line = 0;

    if (config->redis.host[0] == '\0' && config->redis.path[0] == '\0') {
        return fail(reader, "redis: missing, expected redis URL");
    }

    if (config->livekit.url[0] == '\0') {
        return fail(reader, "livekit: missing, expected livekit url=URL "
                            "key=KEY secret_file=PATH");
    }

    if (config->history_path[0] == '\0') {
        return fail(reader, "history: missing, expected history sqlite PATH");
    }

    if (config->lease_ms <= convo_config_round_ms(config)) {
        return fail(reader, "lease \"%s\": expected more than %s, which the "
                            "calls of one round may take together (%d times "
                            "the timeout of redis and once that of livekit)",
                    convo_time_format(config->lease_ms, lease),
                    convo_time_format(convo_config_round_ms(config), round),
                    ROUND_REDIS_CALLS);
    }

    if (config->drop_after_ms <= config->silent_after_ms) {
        return fail(reader, "drop_after \"%s\": expected more than "
                            "silent_after, which is %s",
                    convo_time_format(config->drop_after_ms, lease),
                    convo_time_format(config->silent_after_ms, round));
    }

    if (config->npools == 0) {
        strcpy(config->pools[0].name, "default");
        config->pools[0].len = strlen("default");
        config->npools = 1;
    }

    if (config->name[0] == '\0') {
        make_name(config);
    }

    return 0;
}


int
convo_config_load(convo_config_t *config, const char *path, char *error)
{
    reader_t reader = { .config = config, .path = path, .error = error };
    int seen[DIRECTIVES] = { 0 };
    FILE *file;
    int result;

    set_defaults(config);

    file = fopen(path, "re");
    if (file == NULL) {
        return fail(&reader, "expected a file that can be read: %s",
                    strerror(errno));
    }

    result = read_lines(&reader, file, seen);
    fclose(file);

    return result == 0 ? check_whole(&reader) : -1;
}
