/*
 * AWS credentials; see aws_credentials.h.
 */

#include "aws_credentials.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 256

struct convo_aws_credentials {
    const char *profile;
    convo_aws_key_t key; /* no id: there is none */
    char why[WHY_MAX];
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

    return credentials;
}


void
convo_aws_credentials_free(convo_aws_credentials_t *credentials)
{
    explicit_bzero(credentials, sizeof(*credentials));
    free(credentials);
}


/* A variable of the environment into text[size]: 1 when it is there and
 * fits, else 0. */
static int
take_variable(const char *name, char *text, size_t size)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0'
           && (size_t) snprintf(text, size, "%s", value) < size;
}


const convo_aws_key_t *
convo_aws_credentials_key(convo_aws_credentials_t *credentials)
{
    convo_aws_key_t *key = &credentials->key;

    if (key->id[0] != '\0') {
        return key;
    }

    if (!take_variable("AWS_ACCESS_KEY_ID", key->id, sizeof(key->id))
        || !take_variable("AWS_SECRET_ACCESS_KEY", key->secret,
                          sizeof(key->secret)))
    {
        key->id[0] = '\0';
        snprintf(credentials->why, WHY_MAX,
                 "no credentials in the environment");
        return NULL;
    }

    take_variable("AWS_SESSION_TOKEN", key->session, sizeof(key->session));

    return key;
}


void
convo_aws_credentials_refused(convo_aws_credentials_t *credentials)
{
    credentials->key.id[0] = '\0';
}


const char *
convo_aws_credentials_why(const convo_aws_credentials_t *credentials)
{
    return credentials->why;
}
