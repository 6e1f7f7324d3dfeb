/*
 * What the setters of the configuration's directives share; see
 * config_reader.h.
 */

#include "config_reader.h"
#include "convo_time.h"
#include "convo_url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


const char *
convo_reader_expected(convo_reader_t *reader, int bad, const char *format, ...)
{
    va_list args;

    reader->bad = bad;

    va_start(args, format);
    vsnprintf(reader->expected, sizeof(reader->expected), format, args);
    va_end(args);

    return reader->expected;
}


const char *
convo_reader_option(const char *word, const char *name)
{
    size_t len = strlen(name);

    return strncmp(word, name, len) == 0 && word[len] == '=' ? word + len + 1
                                                             : NULL;
}


const char *
convo_reader_check_options(convo_reader_t *reader)
{
    for (int i = 1; i < reader->nwords; i++) {
        size_t name = strcspn(reader->word[i], "=") + 1;

        for (int j = 1; j < i; j++) {
            if (strncmp(reader->word[i], reader->word[j], name) == 0) {
                return convo_reader_expected(reader, i,
                                             "expected each option once");
            }
        }
    }

    return NULL;
}


int
convo_reader_resolve(const convo_reader_t *reader, const char *path,
                     char out[PATH_MAX])
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


const char *
convo_reader_time(convo_reader_t *reader, int word, const char *text,
                  int64_t low, int64_t high, int64_t *ms)
{
    char from[CONVO_TIME_TEXT], to[CONVO_TIME_TEXT];

    *ms = convo_time_parse(text, strlen(text));

    if (*ms < low || *ms > high) {
        return convo_reader_expected(reader, word,
                                     "expected a time from %s to %s",
                                     convo_time_format(low, from),
                                     convo_time_format(high, to));
    }

    return NULL;
}


const char *
convo_reader_secrets(convo_reader_t *reader, int word, const char *name,
                     size_t min, convo_secrets_t *secrets)
{
    char path[PATH_MAX], text[CONVO_SECRETS_FILE_MAX + 1];
    convo_secrets_e verdict;
    ssize_t n;
    int fd;

    if (convo_reader_resolve(reader, name, path) != 0) {
        return convo_reader_expected(reader, word, "expected a shorter path");
    }

    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return convo_reader_expected(reader, word,
                                     "expected a file that can be read: %s",
                                     strerror(errno));
    }

    n = read(fd, text, sizeof(text));
    close(fd);

    if (n < 0) {
        return convo_reader_expected(reader, word,
                                     "expected a file that can be read: %s",
                                     strerror(errno));
    }

    verdict = convo_secrets_parse(secrets, text, (size_t) n, min);
    explicit_bzero(text, sizeof(text));

    if (verdict != CONVO_SECRETS_OK) {
        return convo_reader_expected(reader, word,
                                     "expected a file of secrets: %s",
                                     convo_secrets_error(verdict));
    }

    return NULL;
}


const char *
convo_reader_url(convo_reader_t *reader, int word, const char *url, char *out)
{
    size_t len = strlen(url);
    const char *error = convo_url_error(url, len, "http");

    if (error != NULL) {
        return convo_reader_expected(reader, word,
                                     "expected http://HOST[:PORT][/PATH] "
                                     "or the same with https: this %s",
                                     error);
    }

    if (len > CONVO_CONFIG_URL_MAX) {
        return convo_reader_expected(reader, word,
                                     "expected at most %d characters",
                                     CONVO_CONFIG_URL_MAX);
    }

    while (url[len - 1] == '/') {
        len--;
    }

    memcpy(out, url, len);
    out[len] = '\0';

    return NULL;
}


int
convo_reader_fail(const convo_reader_t *reader, const char *format, ...)
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
