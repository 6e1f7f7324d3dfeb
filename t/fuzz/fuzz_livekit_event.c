/*
 * convo_livekit_event: any bytes as a webhook's body.  What is taken can be
 * part of a key, and its time is exact in Lua.
 */

#include "input.h"

#include "convo_livekit_event.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    convo_livekit_event_t event;
    convo_key_t key;

    if (convo_livekit_event_read(&event, (const char *) data, len)
        == CONVO_LIVEKIT_EVENT_OK)
    {
        MUST(event.what != NULL);
        MUST(convo_is_sid(event.sid, CONVO_SID_LEN));
        MUST(convo_key(&key, event.pool, event.pool_len, CONVO_KEY_EVENT,
                       event.id, event.id_len)
             == 0);
        MUST(event.side == 'a' || event.side == 'b' || event.side == 0);
        MUST((event.psid_len == 0) == (event.side == 0));
        MUST(event.psid_len <= CONVO_LIVEKIT_ID_MAX);
        MUST(event.at_ms > 0);
        MUST(event.at_ms == (int64_t) (double) event.at_ms);
    }

    convo_livekit_event_free(&event);

    return 0;
}
