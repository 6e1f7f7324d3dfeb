/*
 * The one line that says where a Redis is: see convo_redis_url.h.
 *
 * A small parser of bytes an operator wrote.  It never reads past len, takes
 * no part longer than its buffer, and refuses what it does not know rather
 * than guess: a scheme for TLS, a query, an escape that is none, %00.
 */

#include "convo_redis_url.h"

#include <string.h>

#define BAD_FORM                                                              \
    "expected redis://[USER[:PASSWORD]@]HOST[:PORT][/DB] or unix:PATH"
#define BAD_HOST                                                              \
    "expected a host name, an IPv4 address or an IPv6 address in brackets"

typedef struct {
    const char *start;
    size_t len;
} span_t;

static int
starts_with(span_t text, const char *prefix)
{
    size_t n = strlen(prefix);

    return text.len >= n && memcmp(text.start, prefix, n) == 0;
}

static span_t
skip(span_t text, size_t n)
{
    return (span_t){ text.start + n, text.len - n };
}

/* Cuts off and returns what stands before position n; drops the byte there. */
static span_t
cut_at(span_t *text, size_t n)
{
    span_t head = { text->start, n };

    *text = skip(*text, n + 1);

    return head;
}

/* The position of the first or last c, or text.len. */
static size_t
first(span_t text, char c)
{
    const char *p = text.len ? memchr(text.start, c, text.len) : NULL;

    return p ? (size_t) (p - text.start) : text.len;
}

static size_t
last(span_t text, char c)
{
    size_t n = text.len;

    while (n > 0) {
        if (text.start[--n] == c)
            return n;
    }

    return text.len;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent-decodes into out of max bytes and a NUL; -1 when it cannot. */
static int
decode(span_t text, char *out, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        int c = (unsigned char) text.start[i];

        if (c == '%') {
            int whole = text.len - i > 2;
            int high = whole ? hex_digit(text.start[i + 1]) : -1;
            int low = whole ? hex_digit(text.start[i + 2]) : -1;

            if (high < 0 || low < 0)
                return -1;
            c = high * 16 + low;
            i += 2;
        }

        if (c == 0 || n == max)
            return -1;
        out[n++] = (char) c;
    }

    out[n] = '\0';

    return 0;
}

/* A plain decimal number of at most max, or -1. */
static long
number(span_t text, long max)
{
    long n = 0;

    if (text.len == 0 || text.len > 5)
        return -1;

    for (size_t i = 0; i < text.len; i++) {
        if (text.start[i] < '0' || text.start[i] > '9')
            return -1;
        n = n * 10 + (text.start[i] - '0');
    }

    return n <= max ? n : -1;
}

static int
is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static int
copy_host(span_t text, convo_redis_url_t *url)
{
    if (text.len == 0 || text.len > CONVO_REDIS_HOST_MAX)
        return -1;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.start[i];

        if (url->ipv6 ? hex_digit(c) < 0 && c != ':' && c != '.'
                      : !is_alnum(c) && c != '.' && c != '-' && c != '_')
            return -1;
    }

    memcpy(url->host, text.start, text.len);

    return 0;
}

static const char *
parse_credentials(span_t text, convo_redis_url_t *url)
{
    size_t colon = first(text, ':');
    span_t user = { text.start, colon };

    if (decode(user, url->user, CONVO_REDIS_USER_MAX) != 0)
        return "expected a percent-encoded user of at most 127 bytes";

    if (colon == text.len) {
        if (user.len == 0)
            return "expected a user or a password before \"@\"";
        return NULL;
    }

    text = skip(text, colon + 1);

    if (text.len == 0 ||
        decode(text, url->password, CONVO_REDIS_PASSWORD_MAX) != 0)
        return "expected a percent-encoded password of 1 to 511 bytes";

    return NULL;
}

/* HOST[:PORT], HOST perhaps an address in brackets. */
static const char *
parse_authority(span_t text, convo_redis_url_t *url)
{
    span_t host;
    long port = CONVO_REDIS_PORT;

    if (starts_with(text, "[")) {
        size_t end = first(text, ']');

        if (end == text.len)
            return BAD_HOST;
        url->ipv6 = 1;
        text = skip(text, 1);
        host = cut_at(&text, end - 1);
        if (text.len > 0 && !starts_with(text, ":"))
            return BAD_HOST;
    } else {
        size_t end = first(text, ':');

        host = (span_t){ text.start, end };
        text = skip(text, end);
    }

    if (copy_host(host, url) != 0)
        return BAD_HOST;

    if (text.len > 0)
        port = number(skip(text, 1), 65535);
    if (port < 1)
        return "expected a port from 1 to 65535";

    url->port = (unsigned) port;

    return NULL;
}

static const char *
parse_path(span_t text, convo_redis_url_t *url)
{
    if (text.len == 0 || text.len > CONVO_REDIS_PATH_MAX ||
        memchr(text.start, '\0', text.len) != NULL)
        return "expected a path of 1 to 107 bytes after \"unix:\"";

    memcpy(url->path, text.start, text.len);

    return NULL;
}

const char *
convo_redis_url_parse(const char *start, size_t len, convo_redis_url_t *url)
{
    span_t text = { start, len };
    const char *error;
    size_t at, slash;

    memset(url, 0, sizeof(*url));

    if (starts_with(text, "unix:"))
        return parse_path(skip(text, 5), url);

    if (starts_with(text, "rediss:"))
        return "TLS is not spoken to Redis: expected redis:// or unix:";

    if (!starts_with(text, "redis://"))
        return BAD_FORM;

    text = skip(text, 8);

    at = last(text, '@');
    if (at < text.len) {
        error = parse_credentials(cut_at(&text, at), url);
        if (error)
            return error;
    }

    slash = first(text, '/');
    error = parse_authority((span_t){ text.start, slash }, url);
    if (error)
        return error;

    if (slash + 1 < text.len) {
        long db = number(skip(text, slash + 1), CONVO_REDIS_DB_MAX);

        if (db < 0)
            return "expected a database number from 0 to 65535";
        url->db = (unsigned) db;
    }

    return NULL;
}
