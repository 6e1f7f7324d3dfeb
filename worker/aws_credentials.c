/*
 * AWS credentials; see aws_credentials.h.
 *
 * The sources are asked in the order of the SDKs.  The first that is set up
 * has the word, also when it fails: a mistake in one must not let a worker
 * act under another name.
 */

#include "aws_credentials.h"
#include "aws_endpoint.h"
#include "backoff.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A temporary key is replaced so long before its end, or after half of what
 * is left when that is less; AWS has new ones five minutes before. */
#define LEAD_S 900

#define PAUSE_FIRST_MS 1000
#define PAUSE_LIMIT_MS (60 * 1000)

struct convo_aws_credentials {
    const char *profile;
    convo_aws_key_t key;       /* no id: there is none */
    convo_aws_source_t source; /* of the last look */
    int refused;               /* by the service */
    int64_t fresh_until_s;     /* another is looked for from then on */
    int64_t pause_until_ms;    /* no source is asked before, monotonic */
    convo_backoff_t backoff;
};


convo_aws_credentials_t *
convo_aws_credentials_new(const char *profile)
{
    convo_aws_credentials_t *credentials = calloc(1, sizeof(*credentials));

    if (credentials == NULL) {
        convo_log(CONVO_LOG_ERROR, "aws", "out of memory");
        abort();
    }

    credentials->profile = profile;
    credentials->backoff.first_ms = PAUSE_FIRST_MS;
    credentials->backoff.limit_ms = PAUSE_LIMIT_MS;

    return credentials;
}


void
convo_aws_credentials_free(convo_aws_credentials_t *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
    free(credentials);
}


const char *
convo_aws_credentials_why(const convo_aws_credentials_t *credentials)
{
    return credentials->source.why;
}


void
convo_aws_credentials_refused(convo_aws_credentials_t *credentials)
{
    credentials->refused = 1;
    snprintf(credentials->source.why, sizeof(credentials->source.why),
             "%s: the service refuses the key", credentials->source.from);
}


/* --- the environment and the file --- */

/* The value of a variable that is set and not empty, or NULL. */
static const char *
variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}


static convo_aws_found_e
judge(convo_aws_source_t *source, convo_aws_key_e error)
{
    if (error == CONVO_AWS_KEY_OK) {
        return CONVO_AWS_FOUND;
    }

    snprintf(source->why, sizeof(source->why), "%s %s", source->from,
             convo_aws_key_error(error));

    return CONVO_AWS_FAILED;
}


static convo_aws_found_e
from_environment(convo_aws_key_t *key, convo_aws_source_t *source)
{
    convo_aws_key_e error = convo_aws_key_set(
        key, variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"), variable("AWS_SESSION_TOKEN"));

    snprintf(source->from, sizeof(source->from), "the environment");

    return error == CONVO_AWS_KEY_NONE ? CONVO_AWS_ABSENT
                                       : judge(source, error);
}


/* The file's text, which the caller frees, and its length; NULL with errno. */
static char *
read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *text;

    if (file == NULL) {
        return NULL;
    }

    text = malloc(CONVO_AWS_FILE_MAX + 1);
    if (text != NULL) {
        *len = fread(text, 1, CONVO_AWS_FILE_MAX + 1, file);
    }

    if (text != NULL && (ferror(file) || *len > CONVO_AWS_FILE_MAX)) {
        errno = ferror(file) ? errno : EFBIG;
        free(text);
        text = NULL;
    }

    fclose(file);

    return text;
}


/* AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials: 0, or -1. */
static int
find_file(char path[PATH_MAX])
{
    const char *file = variable("AWS_SHARED_CREDENTIALS_FILE");
    const char *home = variable("HOME");
    int len = PATH_MAX;

    if (file != NULL) {
        len = snprintf(path, PATH_MAX, "%s", file);
    } else if (home != NULL) {
        len = snprintf(path, PATH_MAX, "%s/.aws/credentials", home);
    }

    return len < PATH_MAX ? 0 : -1;
}


/* A profile that is named must be there; "default" need not. */
static convo_aws_found_e
from_file(convo_aws_key_t *key, convo_aws_source_t *source, const char *named)
{
    const char *profile = named != NULL ? named : "default";
    char path[PATH_MAX], *text;
    convo_aws_key_e error;
    size_t len;

    if (find_file(path) != 0) {
        errno = ENOENT;
        text = NULL;
        snprintf(path, sizeof(path), "~/.aws/credentials");
    } else {
        text = read_file(path, &len);
    }

    snprintf(source->from, sizeof(source->from), "%.250s, profile %.50s,",
             path, profile);

    if (text == NULL) {
        if (errno == ENOENT && named == NULL) {
            return CONVO_AWS_ABSENT;
        }
        snprintf(source->why, sizeof(source->why),
                 "%s cannot be read: %s", source->from, strerror(errno));
        return CONVO_AWS_FAILED;
    }

    error = convo_aws_key_from_file(key, text, len, profile);
    explicit_bzero(text, len);
    free(text);

    return named == NULL
                   && (error == CONVO_AWS_KEY_ABSENT
                       || error == CONVO_AWS_KEY_NONE)
               ? CONVO_AWS_ABSENT
               : judge(source, error);
}


/* --- looking --- */

/* A profile of the configuration is asked for before the environment is. */
static convo_aws_found_e
find(const char *profile, convo_aws_key_t *key, convo_aws_source_t *source)
{
    convo_aws_found_e found = CONVO_AWS_ABSENT;

    if (profile[0] == '\0') {
        profile = variable("AWS_PROFILE");
        found = from_environment(key, source);
    }
    if (found == CONVO_AWS_ABSENT) {
        found = from_file(key, source, profile);
    }
    if (found == CONVO_AWS_ABSENT) {
        found = convo_aws_container(key, source);
    }
    if (found == CONVO_AWS_ABSENT) {
        found = convo_aws_instance(key, source);
    }

    if (found == CONVO_AWS_ABSENT) {
        snprintf(source->why, sizeof(source->why),
                 "neither the environment nor a file nor an endpoint is set "
                 "up for them");
    }

    return found;
}


static int64_t
monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


static void
pause_looking(convo_aws_credentials_t *self)
{
    self->pause_until_ms = monotonic_ms() + convo_backoff_next(&self->backoff);
}


/* When another key is looked for: up to a third of the lead earlier or later
 * than others who got theirs at the same time. */
static int64_t
fresh_until(int64_t expires_s, int64_t now_s)
{
    int64_t lead_s = (expires_s - now_s) / 2;
    unsigned char random[16];

    if (expires_s == 0) {
        return INT64_MAX;
    }

    if (lead_s > LEAD_S) {
        lead_s = LEAD_S;
    }

    convo_random(random);
    lead_s -= lead_s * random[0] / (3 * UINT8_MAX);

    return expires_s - lead_s;
}


static void
log_key(const convo_aws_credentials_t *self)
{
    char until[40] = "";
    time_t expires_s = self->key.expires_s;
    struct tm utc;

    if (expires_s != 0 && gmtime_r(&expires_s, &utc) != NULL) {
        strftime(until, sizeof(until), " until %Y-%m-%dT%H:%M:%SZ", &utc);
    }

    convo_log(CONVO_LOG_INFO, "aws", "credentials from %s are used%s",
              self->source.from, until);
}


static int
is_same(const convo_aws_key_t *a, const convo_aws_key_t *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->secret, b->secret) == 0
           && strcmp(a->session, b->session) == 0
           && a->expires_s == b->expires_s;
}


static void
take(convo_aws_credentials_t *self, const convo_aws_key_t *fresh,
     int64_t now_s)
{
    int known = is_same(fresh, &self->key);

    if (known && self->refused) {
        /* it may come to be taken, but not by being looked for at once */
        pause_looking(self);
    } else {
        convo_backoff_reset(&self->backoff);
    }

    self->key = *fresh;
    self->refused = 0;
    self->fresh_until_s = fresh_until(fresh->expires_s, now_s);

    if (!known) {
        log_key(self);
    }
}


static int
is_valid(const convo_aws_credentials_t *self, int64_t now_s)
{
    return self->key.id[0] != '\0' && !self->refused
           && (self->key.expires_s == 0 || self->key.expires_s > now_s);
}


static void
look(convo_aws_credentials_t *self, int64_t now_s)
{
    convo_aws_key_t fresh = { .expires_s = 0 };
    convo_aws_found_e found = find(self->profile, &fresh, &self->source);

    if (found == CONVO_AWS_FOUND && fresh.expires_s != 0
        && fresh.expires_s <= now_s)
    {
        found = CONVO_AWS_FAILED;
        snprintf(self->source.why, sizeof(self->source.why),
                 "%.*s gives a key that has expired", CONVO_AWS_FROM_MAX,
                 self->source.from);
    }

    if (found == CONVO_AWS_FOUND) {
        take(self, &fresh, now_s);

    } else {
        pause_looking(self);
        if (is_valid(self, now_s)) {
            convo_log(CONVO_LOG_WARN, "aws",
                      "no fresh credentials, the old ones are good for "
                      "%" PRId64 " s: %s",
                      self->key.expires_s - now_s, self->source.why);
        }
    }

    explicit_bzero(&fresh, sizeof(fresh));
}


const convo_aws_key_t *
convo_aws_credentials_key(convo_aws_credentials_t *self)
{
    int64_t now_s = time(NULL);

    if ((!is_valid(self, now_s) || now_s >= self->fresh_until_s)
        && monotonic_ms() >= self->pause_until_ms)
    {
        look(self, now_s);
    }

    return is_valid(self, time(NULL)) ? &self->key : NULL;
}
