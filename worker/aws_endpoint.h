/*
 * The endpoints that hand out AWS credentials: the container's (ECS, EKS) and
 * the instance's metadata service, version 2.
 *
 * How it fails: each request ends within ENDPOINT_TIMEOUT_MS, at most
 * CONVO_AWS_ANSWER_MAX bytes of an answer are kept and none of them is ever
 * logged, nor is a path, as it may be a secret.  No redirection is followed
 * and no proxy asked.
 *
 * Source: AWS SDKs and Tools Reference Guide, "Container credential provider"
 * and "IMDS credential provider".
 */

#ifndef CONVO_AWS_ENDPOINT_H
#define CONVO_AWS_ENDPOINT_H

#include "convo_aws_key.h"

/* The longest phrase that names a source, and one that tells a failure. */
#define CONVO_AWS_FROM_MAX 320
#define CONVO_AWS_WHY_MAX  640

typedef enum {
    CONVO_AWS_FOUND,
    CONVO_AWS_ABSENT, /* the source is not set up */
    CONVO_AWS_FAILED  /* it is, but gave no key */
} convo_aws_found_e;

/* What a source says, besides the key. */
typedef struct {
    char from[CONVO_AWS_FROM_MAX]; /* the source, for a log: "the ..." */
    char why[CONVO_AWS_WHY_MAX];   /* after FAILED: a phrase for a log */
} convo_aws_source_t;

/*
 * From the container's endpoint, when AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
 * or AWS_CONTAINER_CREDENTIALS_FULL_URI is set.  Without TLS a full one must
 * name this machine, or the address of ECS or EKS.
 */
convo_aws_found_e convo_aws_container(convo_aws_key_t *key,
                                      convo_aws_source_t *source);

/* From the instance's metadata service, unless AWS_EC2_METADATA_DISABLED is
 * "true".  Makes three requests. */
convo_aws_found_e convo_aws_instance(convo_aws_key_t *key,
                                     convo_aws_source_t *source);

#endif /* CONVO_AWS_ENDPOINT_H */
