/*
 * convo_history: any list as what a user's sessions are kept in, an element
 * on each line (see input.h).  The answer is always a list that is not too
 * long, whatever of it was damaged.
 */

#include "input.h"

#include "convo_history.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    input_t input = { data, len };
    redisReply *reply = input_reply(&input);
    json_t *answer = convo_history_document(reply);
    json_t *sessions = json_object_get(answer, "sessions");

    MUST(json_is_array(sessions));
    MUST(json_array_size(sessions) <= reply->elements);
    MUST(json_array_size(sessions) <= CONVO_HISTORY_MAX);

    json_decref(answer);
    freeReplyObject(reply);

    return 0;
}
