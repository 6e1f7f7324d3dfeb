/*
 * convo_livekit_event: webhooks as LiveKit sends them, those that concern
 * nobody here, and what it would never send.  t/410 and t/411 try the same on
 * the edge, with signatures.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "convo_livekit_event.h"

#define SID "abcdefghijklmnopqrstuvwxyz"
#define ROOM "\"room\":{\"name\":\"default." SID "\"}"
#define HEAD(event) "\"event\":\"" event "\",\"id\":\"EV_1\""
#define AT ",\"createdAt\":\"1700000000\","
#define WHO(side) "\"identity\":\"" SID "-" side "\",\"sid\":\"PA_1\""


static convo_livekit_event_e
read_text(convo_livekit_event_t *event, const char *text)
{
    return convo_livekit_event_read(event, text, strlen(text));
}


static convo_livekit_event_e
verdict_on(const char *text)
{
    convo_livekit_event_t event;
    convo_livekit_event_e verdict = read_text(&event, text);

    convo_livekit_event_free(&event);
    return verdict;
}


static void
who_joined_did_so_at_the_time_of_joining(void **state)
{
    convo_livekit_event_t event;

    (void) state;

    assert_int_equal(
        read_text(&event, "{" HEAD("participant_joined") AT ROOM
                          ",\"participant\":{" WHO("a")
                          ",\"joinedAt\":\"1700000001\","
                          "\"joinedAtMs\":\"1700000001123\"}}"),
        CONVO_LIVEKIT_EVENT_OK);
    assert_string_equal(event.what, "joined");
    assert_int_equal(event.side, 'a');
    assert_int_equal(event.at_ms, 1700000001123);
    assert_int_equal(event.pool_len, strlen("default"));
    assert_memory_equal(event.pool, "default", event.pool_len);
    assert_memory_equal(event.sid, SID, CONVO_SID_LEN);
    assert_int_equal(event.id_len, 4);
    assert_memory_equal(event.id, "EV_1", event.id_len);
    assert_int_equal(event.psid_len, 4);
    assert_memory_equal(event.psid, "PA_1", event.psid_len);
    convo_livekit_event_free(&event);

    assert_int_equal(
        read_text(&event, "{" HEAD("participant_joined") AT ROOM
                          ",\"participant\":{" WHO("b")
                          ",\"joinedAt\":1700000001}}"),
        CONVO_LIVEKIT_EVENT_OK);
    assert_int_equal(event.side, 'b');
    assert_int_equal(event.at_ms, 1700000001000);
    convo_livekit_event_free(&event);
}


static void
who_left_did_so_when_the_event_was_made(void **state)
{
    static const char *const names[] = {
        "{" HEAD("participant_left") AT ROOM ",\"participant\":{" WHO("b")
        ",\"joinedAtMs\":\"5\"}}",
        "{" HEAD("participant_connection_aborted") AT ROOM
        ",\"participant\":{" WHO("b") "}}"
    };

    (void) state;

    for (size_t i = 0; i < 2; i++) {
        convo_livekit_event_t event;

        assert_int_equal(read_text(&event, names[i]), CONVO_LIVEKIT_EVENT_OK);
        assert_string_equal(event.what, "left");
        assert_int_equal(event.at_ms, 1700000000000);
        convo_livekit_event_free(&event);
    }
}


static void
a_room_has_no_participant(void **state)
{
    convo_livekit_event_t event;

    (void) state;

    assert_int_equal(read_text(&event, "{" HEAD("room_finished") AT ROOM "}"),
                     CONVO_LIVEKIT_EVENT_OK);
    assert_string_equal(event.what, "finished");
    assert_int_equal(event.side, 0);
    assert_int_equal(event.psid_len, 0);
    convo_livekit_event_free(&event);
}


static void
what_concerns_nobody_is_ignored(void **state)
{
    static const char *const texts[] = {
        "{" HEAD("room_started") AT ROOM "}",
        "{" HEAD("track_published") ",\"track\":{\"name\":\"\\u0000\"}}",
        "{" HEAD("room_finished") AT "\"room\":{\"name\":\"elsewhere\"}}",
        "{" HEAD("participant_left") AT ROOM ",\"participant\":"
        "{\"identity\":\"recorder\",\"sid\":\"PA_1\"}}"
    };

    (void) state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(verdict_on(texts[i]), CONVO_LIVEKIT_EVENT_IGNORED);
    }
}


static void
what_livekit_never_sends_is_unknown(void **state)
{
    static const char *const texts[] = {
        "", "[]", "{", "{}", "{\"event\":7,\"id\":\"EV_1\"}",
        "{\"event\":\"room_finished\"}",
        "{\"event\":\"room_finished\",\"id\":\"\"}",
        "{\"event\":\"room_finished\",\"id\":\"EV:1\"}",
        "{\"event\":\"room_finished\",\"id\":\"EV_1\\u0000\"}",
        "{" HEAD("room_finished") "," ROOM "}",
        "{" HEAD("room_finished") ",\"createdAt\":\"\"," ROOM "}",
        "{" HEAD("room_finished") ",\"createdAt\":\"-1\"," ROOM "}",
        "{" HEAD("room_finished") ",\"createdAt\":\"9007199254741\"," ROOM "}",
        "{" HEAD("room_finished") ",\"createdAt\":\"99999999999999999999\","
        ROOM "}",
        "{" HEAD("room_finished") AT "\"room\":{}}",
        "{" HEAD("participant_left") AT ROOM "}",
        "{" HEAD("participant_left") AT ROOM ",\"participant\":"
        "{\"identity\":\"" SID "-a\"}}",
        "{" HEAD("room_finished") AT ROOM "," ROOM "}"
    };

    (void) state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(verdict_on(texts[i]), CONVO_LIVEKIT_EVENT_UNKNOWN);
    }
}


static void
an_id_has_at_most_so_many_characters(void **state)
{
    char text[256], id[CONVO_LIVEKIT_ID_MAX + 2];

    (void) state;

    for (size_t len = CONVO_LIVEKIT_ID_MAX; len < sizeof(id); len++) {
        memset(id, 'x', len);
        id[len] = '\0';
        snprintf(text, sizeof(text),
                 "{\"event\":\"room_finished\",\"id\":\"%s\"" AT ROOM "}", id);
        assert_int_equal(verdict_on(text), len == CONVO_LIVEKIT_ID_MAX
                                               ? CONVO_LIVEKIT_EVENT_OK
                                               : CONVO_LIVEKIT_EVENT_UNKNOWN);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_joined_did_so_at_the_time_of_joining),
        cmocka_unit_test(who_left_did_so_when_the_event_was_made),
        cmocka_unit_test(a_room_has_no_participant),
        cmocka_unit_test(what_concerns_nobody_is_ignored),
        cmocka_unit_test(what_livekit_never_sends_is_unknown),
        cmocka_unit_test(an_id_has_at_most_so_many_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
