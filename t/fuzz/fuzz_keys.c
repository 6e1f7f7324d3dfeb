/*
 * convo_keys: any bytes as a pool, a ticket, a room or an identity.  What is
 * taken apart gives the same bytes when it is put together again.
 */

#include "input.h"

#include <string.h>

#include "convo_keys.h"

#define SID "abcdefghijklmnopqrstuvwxyz"


static void
ticket(const char *text, size_t len)
{
    size_t user_len;
    const char *user = convo_ticket_user(text, len, &user_len);
    convo_key_t key;

    if (user != NULL) {
        MUST(user + user_len == text + len);
        MUST(convo_key(&key, "p", 1, CONVO_KEY_USER, user, user_len) == 0);
        MUST(key.len < sizeof(key.name) && key.name[key.len] == '\0');
    }
}


static void
room(const char *text, size_t len)
{
    const char *pool, *sid;
    size_t pool_len;
    char again[CONVO_ROOM_MAX + 1], id[CONVO_SID_LEN + 1] = "";

    if (convo_room_parse(text, len, &pool, &pool_len, &sid) == 0) {
        memcpy(id, sid, CONVO_SID_LEN);
        MUST(convo_room(again, pool, pool_len, id) == len);
        MUST(memcmp(again, text, len) == 0);
    }
}


static void
identity(const char *text, size_t len)
{
    char side = convo_identity_side(text, len, SID);
    char again[CONVO_IDENTITY_LEN + 1];

    if (side != 0) {
        convo_identity(again, SID, side);
        MUST(len == CONVO_IDENTITY_LEN && memcmp(again, text, len) == 0);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *) data;
    convo_key_t key;

    ticket(text, len);
    room(text, len);
    identity(text, len);
    MUST((convo_key(&key, text, len, CONVO_KEY_QUEUE, NULL, 0) == 0)
         == convo_is_pool(text, len));
    MUST((convo_key(&key, "p", 1, CONVO_KEY_EVENT, text, len) == 0)
         == (len > 0 && len <= CONVO_USER_MAX));

    return 0;
}
