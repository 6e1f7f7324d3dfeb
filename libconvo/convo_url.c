/*
 * Addresses that an operator writes; see convo_url.h.
 */

#include "convo_url.h"

#include <string.h>

#define BAD_PORT "has no port from 1 to 65535 after its colon"


static int
take(const char **text, const char *end, const char *word)
{
    size_t len = strlen(word);

    if ((size_t) (end - *text) < len || memcmp(*text, word, len) != 0) {
        return 0;
    }

    *text += len;
    return 1;
}


static size_t
skip(const char **text, const char *end, const char *characters)
{
    const char *start = *text;

    while (*text < end && **text != '\0'
           && strchr(characters, **text) != NULL)
    {
        (*text)++;
    }

    return (size_t) (*text - start);
}


static const char *
read_host(const char **text, const char *end)
{
    size_t len;

    if (take(text, end, "[")) {
        if (skip(text, end, "0123456789abcdefABCDEF:.") < 2
            || !take(text, end, "]"))
        {
            return "has no IPv6 address between its brackets";
        }

        return NULL;
    }

    len = skip(text, end,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
               "0123456789.-_");

    return len > 0 && len <= CONVO_URL_HOST_MAX ? NULL : "names no host";
}


static const char *
read_port(const char **text, const char *end)
{
    unsigned long port = 0;
    const char *digits = *text;

    if (skip(text, end, "0123456789") == 0 || *text - digits > 5) {
        return BAD_PORT;
    }

    while (digits < *text) {
        port = port * 10 + (unsigned long) (*digits++ - '0');
    }

    return port >= 1 && port <= 65535 ? NULL : BAD_PORT;
}


const char *
convo_url_authority(const char **text, const char *end)
{
    const char *error = read_host(text, end);

    if (error == NULL && take(text, end, ":")) {
        error = read_port(text, end);
    }

    return error;
}


const char *
convo_url_error(const char *url, size_t len, const char *scheme)
{
    const char *end = url + len;
    const char *error;

    if (!take(&url, end, scheme)
        || !(take(&url, end, "://") || take(&url, end, "s://")))
    {
        return "begins with another scheme";
    }

    error = convo_url_authority(&url, end);
    if (error != NULL) {
        return error;
    }

    if (url < end && *url != '/') {
        return "goes on after its host";
    }

    for (; url < end; url++) {
        if (*url <= ' ' || *url >= 0x7f || strchr("@?#\"\\<>", *url) != NULL) {
            return "has a character that such a path does not have";
        }
    }

    return NULL;
}
