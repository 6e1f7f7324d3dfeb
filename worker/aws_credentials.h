/*
 * AWS credentials for one thread of the worker: found where the SDKs look for
 * them, kept, and fetched again before they expire.
 *
 * How it fails: while fresh ones cannot be had, the old ones are used as long
 * as they are valid; after that there are none, and the reason is told.  What
 * fails is tried again after a pause that grows.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Standardized credential
 * providers".
 */

#ifndef CONVO_AWS_CREDENTIALS_H
#define CONVO_AWS_CREDENTIALS_H

#include "convo_aws_key.h"

typedef struct convo_aws_credentials convo_aws_credentials_t;

/*
 * Nothing is looked for yet.  profile is that of the configuration, "" when
 * it names none; it must outlive them.  Never NULL: without memory a worker
 * ends.
 */
convo_aws_credentials_t *convo_aws_credentials_new(const char *profile);

void convo_aws_credentials_free(convo_aws_credentials_t *credentials);

/*
 * The key to sign with now, valid until the next call; or NULL when there is
 * none.  Blocks only when one has to be fetched: a few seconds at most.
 */
const convo_aws_key_t *
convo_aws_credentials_key(convo_aws_credentials_t *credentials);

/*
 * The service refused the key that the last call gave (it has expired, or it
 * is unknown by now): the next call looks for another.
 */
void convo_aws_credentials_refused(convo_aws_credentials_t *credentials);

/* Why there was no key: a phrase for the log, valid until the next call. */
const char *
convo_aws_credentials_why(const convo_aws_credentials_t *credentials);

#endif /* CONVO_AWS_CREDENTIALS_H */
