/*
 * What an answer of DynamoDB other than 200 means.  It came from outside and
 * may be anything; of it only an error's name is kept, when it is one.
 *
 * Source: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB";
 * API Reference, "Common Errors".
 */

#ifndef CONVO_DYNAMODB_ERROR_H
#define CONVO_DYNAMODB_ERROR_H

#include "dynamodb.h"

#include <stddef.h>

#define CONVO_DYNAMODB_ERROR_NAME 64

typedef struct {
    convo_dynamodb_result_e result; /* never OK */
    int is_passing;   /* it may be asked again, after a pause */
    int is_key;       /* another key may do better */
    int is_signature; /* what a clock that is off leads to, too */
    int is_too_large; /* of an item: by its message */
    char name[CONVO_DYNAMODB_ERROR_NAME + 1]; /* letters alone; or "" */
    const char *hint; /* for the operator; or "" */
} convo_dynamodb_error_t;

/* Reads the answer of len bytes, which came with the status. */
void convo_dynamodb_error_read(convo_dynamodb_error_t *error, long status,
                               const char *answer, size_t len);

#endif /* CONVO_DYNAMODB_ERROR_H */
