/*
 * The directive "history"; see config_reader.h and conf/worker.conf.
 */

#include "config_reader.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KINDS "expected sqlite PATH or dynamodb region=REGION"

#define DYNAMODB_TIMEOUT_MS 2000


/* --- sqlite --- */

/* The folder of a path, with its slash. */
static void
folder_of(const char *path, char folder[PATH_MAX])
{
    char *slash;

    strcpy(folder, path);
    slash = strrchr(folder, '/');

    if (slash != NULL) {
        slash[1] = '\0';
    } else {
        strcpy(folder, ".");
    }
}


static const char *
set_sqlite(convo_reader_t *reader)
{
    char *path = reader->config->history_path;
    char folder[PATH_MAX];
    struct stat info;

    if (reader->nwords != 3) {
        return convo_reader_expected(reader, 0, "expected sqlite PATH");
    }

    if (convo_reader_resolve(reader, reader->word[2], path) != 0) {
        return convo_reader_expected(reader, 2, "expected a shorter path");
    }

    folder_of(path, folder);

    if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode)
        || access(folder, W_OK | X_OK) != 0)
    {
        return convo_reader_expected(reader, 2, "expected a file in a folder "
                                                "that can be written to");
    }

    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        return convo_reader_expected(reader, 2, "expected a file, found %s",
                                     S_ISDIR(info.st_mode) ? "a folder"
                                                           : "no file");
    }

    reader->config->history = CONVO_HISTORY_SQLITE;

    return NULL;
}


/* --- dynamodb --- */

/* NULL, or what was expected where text is longer or has other characters
 * than letters, digits and those of marks. */
static const char *
take_name(convo_reader_t *reader, int word, const char *text,
          const char *marks, size_t max, char *out)
{
    size_t len = strlen(text);

    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char) text[i]) && strchr(marks, text[i]) == NULL)
        {
            return convo_reader_expected(reader, word,
                                         "expected letters, digits and \"%s\" "
                                         "only", marks);
        }
    }

    if (len > max) {
        return convo_reader_expected(reader, word,
                                     "expected at most %zu characters", max);
    }

    memcpy(out, text, len + 1);

    return NULL;
}


static const char *
take_endpoint(convo_reader_t *reader, int word, const char *url)
{
    char *endpoint = reader->config->dynamodb.endpoint;
    const char *fault = convo_reader_url(reader, word, url, endpoint);

    if (fault == NULL && strchr(strstr(endpoint, "://") + 3, '/') != NULL) {
        return convo_reader_expected(reader, word, "expected no path");
    }

    return fault;
}


static const char *
take_dynamodb_option(convo_reader_t *reader, int i)
{
    convo_dynamodb_config_t *dynamodb = &reader->config->dynamodb;
    const char *word = reader->word[i];
    const char *value;

    if ((value = convo_reader_option(word, "region")) != NULL) {
        return take_name(reader, i, value, "-", CONVO_SIGV4_REGION_MAX,
                         dynamodb->region);
    }

    if ((value = convo_reader_option(word, "endpoint")) != NULL) {
        return take_endpoint(reader, i, value);
    }

    if ((value = convo_reader_option(word, "prefix")) != NULL) {
        return take_name(reader, i, value, "-_.", CONVO_DYNAMODB_PREFIX_MAX,
                         dynamodb->prefix);
    }

    if ((value = convo_reader_option(word, "profile")) != NULL) {
        return take_name(reader, i, value, "-_.@+/",
                         CONVO_DYNAMODB_PROFILE_MAX, dynamodb->profile);
    }

    if ((value = convo_reader_option(word, "timeout")) != NULL) {
        return convo_reader_time(reader, i, value, 100, 60000,
                                 &dynamodb->timeout_ms);
    }

    return convo_reader_expected(reader, i, "expected region=, endpoint=, "
                                            "prefix=, profile= or timeout=");
}


/* AWS's own address in a region; those in China have another domain. */
static void
make_endpoint(convo_dynamodb_config_t *dynamodb)
{
    snprintf(dynamodb->endpoint, sizeof(dynamodb->endpoint),
             "https://dynamodb.%s.amazonaws.com%s", dynamodb->region,
             strncmp(dynamodb->region, "cn-", 3) == 0 ? ".cn" : "");
}


static const char *
set_dynamodb(convo_reader_t *reader)
{
    convo_dynamodb_config_t *dynamodb = &reader->config->dynamodb;
    const char *repeated = convo_reader_check_options(reader);

    if (repeated != NULL) {
        return repeated;
    }

    strcpy(dynamodb->prefix, "convo-");
    dynamodb->timeout_ms = DYNAMODB_TIMEOUT_MS;

    for (int i = 2; i < reader->nwords; i++) {
        const char *fault = take_dynamodb_option(reader, i);

        if (fault != NULL) {
            return fault;
        }
    }

    if (dynamodb->region[0] == '\0') {
        return convo_reader_expected(reader, 0, "expected region=REGION");
    }

    if (dynamodb->endpoint[0] == '\0') {
        make_endpoint(dynamodb);
    }

    reader->config->history = CONVO_HISTORY_DYNAMODB;

    return NULL;
}


const char *
convo_reader_set_history(convo_reader_t *reader, const convo_directive_t *self)
{
    (void) self;

    if (strcmp(reader->word[1], "sqlite") == 0) {
        return set_sqlite(reader);
    }

    if (strcmp(reader->word[1], "dynamodb") == 0) {
        return set_dynamodb(reader);
    }

    return convo_reader_expected(reader, 1, KINDS);
}
