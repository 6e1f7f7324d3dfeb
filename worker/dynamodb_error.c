/*
 * What an error of DynamoDB means; see dynamodb_error.h.
 */

#include "dynamodb_error.h"
#include "convo_json.h"

#include <ctype.h>
#include <string.h>

/* An error is one small object; a cancelled transaction, which nests, is
 * never asked for. */
#define ANSWER_MAX 65536

static const convo_json_limits_t limits = { .depth = 4, .count = 256 };

typedef struct {
    const char *name;
    convo_dynamodb_result_e result;
    int is_passing;
    int is_key;
    int is_signature;
    const char *hint;
} known_t;

#define FAILED CONVO_DYNAMODB_FAILED

static const known_t known[] = {
    { "ConditionalCheckFailedException", CONVO_DYNAMODB_CONDITION, 0, 0, 0,
      "" },
    { "ResourceNotFoundException", CONVO_DYNAMODB_MISSING, 0, 0, 0,
      "its tables are made by convo-worker init" },
    { "ResourceInUseException", CONVO_DYNAMODB_IN_USE, 0, 0, 0, "" },
    { "ValidationException", CONVO_DYNAMODB_INVALID, 0, 0, 0, "" },
    { "SerializationException", CONVO_DYNAMODB_INVALID, 0, 0, 0, "" },

    { "ProvisionedThroughputExceededException", FAILED, 1, 0, 0, "" },
    { "ThrottlingException", FAILED, 1, 0, 0, "" },
    { "Throttling", FAILED, 1, 0, 0, "" },
    { "RequestLimitExceeded", FAILED, 1, 0, 0, "" },
    { "LimitExceededException", FAILED, 1, 0, 0, "" },
    { "TransactionInProgressException", FAILED, 1, 0, 0, "" },

    { "ExpiredTokenException", FAILED, 0, 1, 0, "the credentials have expired"
    },
    { "ExpiredToken", FAILED, 0, 1, 0, "the credentials have expired" },
    { "UnrecognizedClientException", FAILED, 0, 1, 0,
      "AWS does not know the access key or its session" },
    { "InvalidClientTokenId", FAILED, 0, 1, 0,
      "AWS does not know the access key" },
    { "InvalidSignatureException", FAILED, 0, 1, 1,
      "is the secret that of the access key?" },
    { "SignatureDoesNotMatch", FAILED, 0, 1, 1,
      "is the secret that of the access key?" },
    { "RequestExpired", FAILED, 0, 0, 1, "is this machine's clock right?" },
    { "RequestTimeTooSkewed", FAILED, 0, 0, 1,
      "is this machine's clock right?" },
    { "AccessDeniedException", FAILED, 0, 0, 0,
      "the credentials lack this right" },
    { "MissingAuthenticationTokenException", FAILED, 0, 0, 0,
      "is the endpoint DynamoDB's?" },
};

#define KNOWN (sizeof(known) / sizeof(known[0]))


/* "com.amazonaws.dynamodb.v20120810#ThrottlingException" has the name at its
 * end; what is no name is not kept. */
static void
read_name(convo_dynamodb_error_t *error, const char *type)
{
    const char *name = strrchr(type, '#');
    size_t len = 0;

    name = name != NULL ? name + 1 : type;

    while (isalpha((unsigned char) name[len])) {
        len++;
    }

    if (name[len] == '\0' && len <= CONVO_DYNAMODB_ERROR_NAME) {
        memcpy(error->name, name, len + 1);
    }
}


/* The name, and whether an item would be larger than one may be, for which
 * there is no name. */
static void
read_answer(convo_dynamodb_error_t *error, const char *answer, size_t len)
{
    json_t *object = NULL;
    const char *type, *message;

    if (len > 0 && len <= ANSWER_MAX) {
        object = convo_json_load_object(answer, len, &limits);
    }

    type = json_string_value(json_object_get(object, "__type"));
    message = json_string_value(json_object_get(object, "message"));
    if (message == NULL) {
        message = json_string_value(json_object_get(object, "Message"));
    }

    if (type != NULL) {
        read_name(error, type);
    }

    error->is_too_large
        = message != NULL
          && strstr(message, "exceeded the maximum allowed size") != NULL;

    json_decref(object);
}


void
convo_dynamodb_error_read(convo_dynamodb_error_t *error, long status,
                          const char *answer, size_t len)
{
    memset(error, 0, sizeof(*error));
    error->result = CONVO_DYNAMODB_FAILED;
    error->hint = "";

    read_answer(error, answer, len);

    for (size_t i = 0; i < KNOWN; i++) {
        if (strcmp(error->name, known[i].name) == 0) {
            error->result = known[i].result;
            error->is_passing = known[i].is_passing;
            error->is_key = known[i].is_key;
            error->is_signature = known[i].is_signature;
            error->hint = known[i].hint;
        }
    }

    if (error->result == CONVO_DYNAMODB_INVALID && error->is_too_large) {
        error->result = CONVO_DYNAMODB_TOO_LARGE;
    }

    if (status == 429 || status >= 500) {
        error->result = CONVO_DYNAMODB_FAILED;
        error->is_passing = 1;
    }

    /* a balancer or a captive page; DynamoDB names its errors */
    if (error->name[0] == '\0' && !error->is_passing) {
        error->hint = "is the endpoint DynamoDB's?";
    }
}
