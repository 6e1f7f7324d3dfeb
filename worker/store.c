/*
 * Choosing the store, and judging what a store can hold; see store.h.
 */

#include "store.h"

#include <string.h>


convo_store_t *
convo_store_new(const convo_config_t *config)
{
    return config->history == CONVO_HISTORY_DYNAMODB
               ? convo_store_dynamodb_new(&config->dynamodb)
               : convo_store_sqlite_new(config->history_path);
}


/*
 * How many bytes the character at text takes (RFC 3629: no surrogate, nothing
 * overlong, nothing above U+10FFFF), or 0.
 */
static size_t
utf8_character(const unsigned char *text)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (text[0] < 0x80) {
        return 1;
    }

    if (text[0] < 0xc2 || text[0] > 0xf4) {
        return 0;
    }

    len = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;

    switch (text[0]) {
    case 0xe0:
        low = 0xa0;
        break;
    case 0xed:
        high = 0x9f;
        break;
    case 0xf0:
        low = 0x90;
        break;
    case 0xf4:
        high = 0x8f;
        break;
    }

    if (text[1] < low || text[1] > high) {
        return 0;
    }

    for (size_t i = 2; i < len; i++) {
        if (text[i] < 0x80 || text[i] > 0xbf) {
            return 0;
        }
    }

    return len;
}


static int
is_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *) text;

    while (*p != '\0') {
        size_t len = utf8_character(p);

        if (len == 0) {
            return 0;
        }
        p += len;
    }

    return 1;
}


static int
is_user(const char *text)
{
    return text[0] != '\0' && is_utf8(text);
}


int
convo_store_session_is_good(const convo_store_session_t *session)
{
    return convo_is_sid(session->session_id, strlen(session->session_id))
           && is_user(session->user_a) && is_user(session->user_b)
           && session->start_time >= 0 && session->end_time >= 0
           && session->duration >= 0 && session->expires_at >= 0;
}


int
convo_store_user_is_good(const convo_store_user_t *user)
{
    return is_user(user->user_id)
           && convo_is_pool(user->pool, strlen(user->pool))
           && user->points >= 0 && user->points_left >= 0 && user->spent >= 0
           && user->window_end >= 0 && user->last_session >= 0
           && user->banned_until >= 0 && user->version >= 0;
}


int
convo_store_report_is_good(const convo_store_report_t *report)
{
    return convo_is_sid(report->session_id, strlen(report->session_id))
           && is_user(report->reporter) && is_user(report->reported)
           && is_utf8(report->reason)
           && convo_is_pool(report->pool, strlen(report->pool))
           && report->at >= 0 && report->expires_at >= 0;
}


convo_user_state_e
convo_store_state(const char *name, int is_waiting)
{
    convo_user_state_e state;

    if (name != NULL
        && convo_user_state_read(name, strlen(name), &state) == 0)
    {
        return state;
    }

    return is_waiting ? CONVO_USER_WAITING : CONVO_USER_IDLE;
}
