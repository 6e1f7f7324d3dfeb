/*
 * convo_user_view: any list as a script's reply, an element on each line (see
 * input.h).  A view that is taken makes a document, in every state.
 */

#include "input.h"

#include "convo_user_view.h"


static void
document(const convo_user_view_t *view)
{
    json_t *json = convo_user_document(view, "u", 1, "p", 1, json_object(),
                                       json_array());

    MUST(json != NULL);
    MUST(json_is_object(json_object_get(json, "session"))
         == convo_user_view_has_session(view));
    MUST(!convo_user_view_has_session(view)
         || convo_user_view_access_ends(view) > view->now_ms / 1000);
    json_decref(json);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    input_t input = { data, len };
    redisReply *reply = input_reply(&input);
    convo_user_view_t view;

    if (convo_user_view_read(&view, reply) == 0
        && view.status != CONVO_VIEW_RESTORING) {
        document(&view);
    }

    freeReplyObject(reply);

    return 0;
}
