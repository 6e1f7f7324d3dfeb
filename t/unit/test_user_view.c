/*
 * convo_user_view: what the scripts reply, good and hostile, and the document
 * that is made of it.  Replies are read from the bytes of the wire by
 * hiredis's own reader.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convo_user_view.h"

#define SID "abcdefghijklmnopqrstuvwxyz"

#define IDLE "now 1700000000500 state idle version 7 points_left 15"
#define WAITING                                                               \
    "now 1700000000500 state waiting version 1700000000001 points_left 15"    \
    " window_end <> last_session <> waiting_since 1699999990999"              \
    " position 3 estimate 12"
#define MATCHED                                                               \
    "now 1700000000500 state matched version 1700000000001 points_left 0"     \
    " window_end 1700086400001 last_session 1699990000"                       \
    " sid " SID " side b peer p committed 1700000000001"                      \
    " start <> ends <> reserved 15"
#define LIVE                                                                  \
    "now 1700000000500 state live version 1700000000002 points_left 0"        \
    " window_end 1700086400000"                                               \
    " sid " SID " side a peer p committed 1699999990000"                      \
    " start 1699999995999 ends 1700000895999 reserved 15"
#define LAST                                                                  \
    " last_sid " SID " last_reason peer_left last_duration 412 last_points 7"


static redisReply *
parse(const char *bytes, size_t len)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    redisReaderFeed(reader, bytes, len);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);

    return reply;
}


/*
 * A reply of strings from words: "<>" is an empty string, "#N" the integer N,
 * "~" a nil and "@" an empty list.
 */

static redisReply *
reply_of(const char *words)
{
    char wire[8192], copy[4096], body[8000] = "";
    size_t n = 0;

    assert_true(strlen(words) < sizeof(copy));
    strcpy(copy, words);

    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        char *end = body + strlen(body);

        if (strcmp(word, "<>") == 0) {
            strcpy(end, "$0\r\n\r\n");
        } else if (word[0] == '#') {
            sprintf(end, ":%s\r\n", word + 1);
        } else if (word[0] == '~') {
            strcpy(end, "$-1\r\n");
        } else if (word[0] == '@') {
            strcpy(end, "*0\r\n");
        } else {
            sprintf(end, "$%zu\r\n%s\r\n", strlen(word), word);
        }

        n++;
    }

    snprintf(wire, sizeof(wire), "*%zu\r\n%s", n, body);

    return parse(wire, strlen(wire));
}


static int
read_words(convo_user_view_t *view, const char *words)
{
    redisReply *reply = reply_of(words);
    int rc = convo_user_view_read(view, reply);

    freeReplyObject(reply);
    return rc;
}


static void
document_is(const char *words, json_t *livekit, json_t *ice_servers,
            const char *expected)
{
    convo_user_view_t view;
    json_t *document;
    char *text;

    assert_int_equal(read_words(&view, words), 0);

    document = convo_user_document(&view, "u-1", 3, "pool-1", 6, livekit,
                                   ice_servers);
    assert_non_null(document);

    text = json_dumps(document, JSON_COMPACT);
    assert_string_equal(text, expected);

    free(text);
    json_decref(document);
}


static void
an_idle_user_has_nulls(void **state)
{
    (void) state;

    document_is("ok " IDLE, NULL, NULL,
                "{\"userId\":\"u-1\",\"state\":\"idle\",\"version\":7,"
                "\"pointsLeft\":15,\"pointsResetAt\":null,"
                "\"lastSessionTimestamp\":null,\"isWaitingInQueue\":false,"
                "\"waitingSince\":null,\"queue\":null,\"session\":null,"
                "\"last\":null}");
}


static void
a_waiting_user_has_a_queue_in_seconds(void **state)
{
    (void) state;

    document_is("ok " WAITING, NULL, NULL,
                "{\"userId\":\"u-1\",\"state\":\"waiting\","
                "\"version\":1700000000001,\"pointsLeft\":15,"
                "\"pointsResetAt\":null,\"lastSessionTimestamp\":null,"
                "\"isWaitingInQueue\":true,\"waitingSince\":1699999990,"
                "\"queue\":{\"position\":3,\"estimatedWait\":12},"
                "\"session\":null,\"last\":null}");
}


static void
an_unknown_wait_is_null(void **state)
{
    (void) state;

    document_is("ok now 9 state waiting version 1 points_left 2"
                " waiting_since 9 position #1 estimate <>",
                NULL, NULL,
                "{\"userId\":\"u-1\",\"state\":\"waiting\",\"version\":1,"
                "\"pointsLeft\":2,\"pointsResetAt\":null,"
                "\"lastSessionTimestamp\":null,\"isWaitingInQueue\":true,"
                "\"waitingSince\":0,"
                "\"queue\":{\"position\":1,\"estimatedWait\":null},"
                "\"session\":null,\"last\":null}");
}


static void
a_matched_session_has_not_begun(void **state)
{
    (void) state;

    /* the window is over at the begin of the next whole second */
    document_is("ok " MATCHED, json_pack("{s:s}", "url", "ws://l"),
                json_pack("[{s:[s]}]", "urls", "turn:t"),
                "{\"userId\":\"u-1\",\"state\":\"matched\","
                "\"version\":1700000000001,\"pointsLeft\":0,"
                "\"pointsResetAt\":1700086401,"
                "\"lastSessionTimestamp\":1699990000,"
                "\"isWaitingInQueue\":false,\"waitingSince\":null,"
                "\"queue\":null,\"session\":{\"sessionId\":\"" SID "\","
                "\"room\":\"pool-1." SID "\",\"startTime\":null,"
                "\"endsAt\":null,\"livekit\":{\"url\":\"ws://l\"},"
                "\"iceServers\":[{\"urls\":[\"turn:t\"]}]},\"last\":null}");
}


static void
a_live_session_has_its_times_and_the_last_one(void **state)
{
    (void) state;

    document_is("ok " LIVE LAST, NULL, NULL,
                "{\"userId\":\"u-1\",\"state\":\"live\","
                "\"version\":1700000000002,\"pointsLeft\":0,"
                "\"pointsResetAt\":1700086400,"
                "\"lastSessionTimestamp\":null,"
                "\"isWaitingInQueue\":false,\"waitingSince\":null,"
                "\"queue\":null,\"session\":{\"sessionId\":\"" SID "\","
                "\"room\":\"pool-1." SID "\",\"startTime\":1699999995,"
                "\"endsAt\":1700000895,\"livekit\":null,\"iceServers\":[]},"
                "\"last\":{\"sessionId\":\"" SID "\",\"reason\":\"peer_left\","
                "\"duration\":412,\"pointsSpent\":7}}");
}


static void
a_failed_wait_had_no_session(void **state)
{
    (void) state;

    document_is("ok " IDLE " last_sid <> last_reason failed last_duration #0"
                " last_points #0",
                NULL, NULL,
                "{\"userId\":\"u-1\",\"state\":\"idle\",\"version\":7,"
                "\"pointsLeft\":15,\"pointsResetAt\":null,"
                "\"lastSessionTimestamp\":null,\"isWaitingInQueue\":false,"
                "\"waitingSince\":null,\"queue\":null,\"session\":null,"
                "\"last\":{\"sessionId\":null,\"reason\":\"failed\","
                "\"duration\":0,\"pointsSpent\":0}}");
}


static void
credentials_without_a_session_are_dropped(void **state)
{
    json_t *livekit = json_object();
    json_t *ice_servers = json_array();
    convo_user_view_t view;
    json_t *document;

    (void) state;

    json_incref(livekit);
    json_incref(ice_servers);

    assert_int_equal(read_words(&view, "ok " IDLE), 0);
    document = convo_user_document(&view, "u", 1, "p", 1, livekit,
                                   ice_servers);

    assert_true(json_is_null(json_object_get(document, "session")));
    assert_int_equal(livekit->refcount, 1);
    assert_int_equal(ice_servers->refcount, 1);

    json_decref(livekit);
    json_decref(ice_servers);
    json_decref(document);
}


static void
a_user_that_is_no_text_gets_no_document(void **state)
{
    json_t *livekit = json_object();
    convo_user_view_t view;

    (void) state;

    json_incref(livekit);

    assert_int_equal(read_words(&view, "ok " LIVE LAST), 0);
    assert_null(convo_user_document(&view, "\xff\xfe", 2, "p", 1, livekit,
                                    json_array()));
    assert_int_equal(livekit->refcount, 1);

    json_decref(livekit);
}


static void
every_status_is_read(void **state)
{
    convo_user_view_t view;

    (void) state;

    assert_int_equal(read_words(&view, "no_points " IDLE), 0);
    assert_int_equal(view.status, CONVO_VIEW_NO_POINTS);
    assert_int_equal(view.state, CONVO_USER_IDLE);

    assert_int_equal(read_words(&view, "banned " IDLE), 0);
    assert_int_equal(view.status, CONVO_VIEW_BANNED);

    assert_int_equal(read_words(&view, "again " MATCHED), 0);
    assert_int_equal(view.status, CONVO_VIEW_AGAIN);
    assert_string_equal(view.sid, SID);
    assert_int_equal(view.side, 'b');
    assert_string_equal(view.peer, "p");
    assert_int_equal(view.peer_len, 1);

    assert_int_equal(read_words(&view, "restoring"), 0);
    assert_int_equal(view.status, CONVO_VIEW_RESTORING);

    assert_int_equal(read_words(&view, "revoked"), 0);
    assert_int_equal(view.status, CONVO_VIEW_REVOKED);

    assert_int_equal(read_words(&view, "ok " IDLE " more things"), 0);
    assert_int_equal(view.status, CONVO_VIEW_OK);
}


static void
a_ban_is_told_in_seconds_or_for_good(void **state)
{
    static const struct {
        const char *words;
        json_int_t until; /* 0: null */
    } bans[] = {
        { "ok " IDLE, 0 },
        { "banned " IDLE " banned_until 1700000123000", 1700000123 },
        { "banned " IDLE " banned_until 1700000123001", 1700000124 },
        { "banned " IDLE " banned_until 253402300799000", 253402300799 },
        { "banned " IDLE " banned_until 253402300800000", 0 },
        { "banned " IDLE " banned_until 999999999999999", 0 },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(bans) / sizeof(bans[0]); i++) {
        convo_user_view_t view;
        json_t *until;

        assert_int_equal(read_words(&view, bans[i].words), 0);
        until = convo_user_banned_until(&view);
        assert_int_equal(json_is_null(until), bans[i].until == 0);
        assert_int_equal(json_integer_value(until), bans[i].until);
        json_decref(until);
    }
}


static void
a_token_lasts_the_whole_session_and_a_bit(void **state)
{
    convo_user_view_t view;

    (void) state;

    assert_int_equal(read_words(&view, "ok " MATCHED), 0);
    assert_int_equal(convo_user_view_access_ends(&view),
                     1700000000 + 30 + 15 * 60 + 60);
}


static void
hostile_replies_are_refused(void **state)
{
    static const char *const hostile[] = {
        /* no view at all */
        "fine " IDLE,
        "ok",
        "#1 " IDLE,
        "~ " IDLE,
        "@ " IDLE,

        /* odd, holes, nested, names that are none */
        "ok " IDLE " odd",
        "ok " IDLE " waiting_since ~",
        "ok " IDLE " ~ 1",
        "ok " IDLE " extra @",
        "ok " IDLE " #1 #1",

        /* what every user has is missing */
        "ok state idle version 7 points_left 15",
        "ok now 9 version 7 points_left 15",
        "ok now 9 state idle points_left 15",
        "ok now 9 state idle version 7",
        "ok now <> state idle version 7 points_left 15",
        "ok now #0 state idle version 7 points_left 15",
        "ok now 9 state <> version 7 points_left 15",
        "ok now 9 state asleep version 7 points_left 15",
        "ok now 9 state #0 version 7 points_left 15",
        "ok now 9 state idleidle version 7 points_left 15",

        /* numbers that are none */
        "ok now 9 state idle version x points_left 15",
        "ok now 9 state idle version 7x points_left 15",
        "ok now 9 state idle version -7 points_left 15",
        "ok now 9 state idle version +7 points_left 15",
        "ok now 9 state idle version 7.5 points_left 15",
        "ok now 9 state idle version 1e3 points_left 15",
        "ok now 9 state idle version 1000000000000000 points_left 15",
        "ok now 9 state idle version 99999999999999999999 points_left 15",
        "ok now 9 state idle version 7 points_left #-1",
        "ok " IDLE " window_end #-5",
        "ok " IDLE " window_end #1000000000000000",
        "ok " IDLE " window_end #9223372036854775807",
        "ok " MATCHED " reserved #9223372036854775807",

        /* a state without what belongs to it */
        "ok now 9 state waiting version 7 points_left 15",
        "ok now 9 state waiting version 7 points_left 15 position 1",
        "ok now 9 state waiting version 7 points_left 15 waiting_since 9"
        " position 0",
        "ok now 9 state matched version 7 points_left 15",
        "ok now 9 state live version 7 points_left 15 sid " SID
        " side a peer p committed 9 reserved 1",
        "ok now 9 state matched version 7 points_left 15 sid <>"
        " side a peer p committed 9 reserved 1",
        "ok now 9 state matched version 7 points_left 15 sid " SID
        " side a peer p committed 9",
        "ok now 9 state matched version 7 points_left 15 sid " SID
        " side a committed 9 reserved 1",

        /* values of the wrong kind */
        "ok " MATCHED " sid short",
        "ok " MATCHED " sid " SID SID,
        "ok " MATCHED " sid ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "ok " MATCHED " side c",
        "ok " MATCHED " side ab",
        "ok " MATCHED " side <>",
        "ok " MATCHED " peer <>",
        "ok " MATCHED " peer #5",
        "ok " IDLE " last_reason bored last_duration 1 last_points 1",
        "ok " IDLE " last_reason <> last_duration 1 last_points 1",
        "ok " IDLE " last_reason left last_duration 1",
        "ok " IDLE " last_reason left last_points 1",
        "ok " IDLE " last_sid x last_reason left last_duration 1"
        " last_points 1",
    };
    convo_user_view_t view;

    (void) state;

    for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
        if (read_words(&view, hostile[i]) == 0) {
            fail_msg("taken: %s", hostile[i]);
        }
    }
}


static void
replies_of_another_type_are_refused(void **state)
{
    static const char *const wires[] = {
        "-ERR no\r\n", "+OK\r\n", ":1\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n",
        "$2\r\nok\r\n",
    };
    convo_user_view_t view;

    (void) state;

    assert_int_equal(convo_user_view_read(&view, NULL), -1);

    for (size_t i = 0; i < sizeof(wires) / sizeof(wires[0]); i++) {
        redisReply *reply = parse(wires[i], strlen(wires[i]));

        assert_int_equal(convo_user_view_read(&view, reply), -1);
        freeReplyObject(reply);
    }
}


static void
a_reply_that_never_ends_is_refused(void **state)
{
    char words[4096] = "ok " IDLE;
    convo_user_view_t view;

    (void) state;

    for (int i = 8; i + 2 < CONVO_VIEW_ELEMENTS_MAX; i += 2) {
        strcat(words, " name value");
    }

    assert_int_equal(read_words(&view, words), 0);

    strcat(words, " name value");
    assert_int_equal(read_words(&view, words), -1);
}


static void
a_peer_has_at_most_so_many_bytes(void **state)
{
    char words[2048], peer[CONVO_USER_MAX + 2];
    convo_user_view_t view;

    (void) state;

    memset(peer, 'p', sizeof(peer));
    peer[CONVO_USER_MAX] = '\0';
    snprintf(words, sizeof(words), "ok " MATCHED " peer %s", peer);
    assert_int_equal(read_words(&view, words), 0);
    assert_int_equal(view.peer_len, CONVO_USER_MAX);
    assert_string_equal(view.peer, peer);

    peer[CONVO_USER_MAX] = 'p';
    peer[CONVO_USER_MAX + 1] = '\0';
    snprintf(words, sizeof(words), "ok " MATCHED " peer %s", peer);
    assert_int_equal(read_words(&view, words), -1);
}


static void
bytes_of_a_value_may_be_any(void **state)
{
    static const char wire[] = "*9\r\n$2\r\nok\r\n$3\r\nnow\r\n:9\r\n"
                               "$5\r\nstate\r\n$4\r\nid\0e\r\n"
                               "$7\r\nversion\r\n:1\r\n"
                               "$11\r\npoints_left\r\n:1\r\n";
    redisReply *reply = parse(wire, sizeof(wire) - 1);
    convo_user_view_t view;

    (void) state;

    assert_int_equal(convo_user_view_read(&view, reply), -1);
    freeReplyObject(reply);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_user_has_nulls),
        cmocka_unit_test(a_waiting_user_has_a_queue_in_seconds),
        cmocka_unit_test(an_unknown_wait_is_null),
        cmocka_unit_test(a_matched_session_has_not_begun),
        cmocka_unit_test(a_live_session_has_its_times_and_the_last_one),
        cmocka_unit_test(a_failed_wait_had_no_session),
        cmocka_unit_test(credentials_without_a_session_are_dropped),
        cmocka_unit_test(a_user_that_is_no_text_gets_no_document),
        cmocka_unit_test(every_status_is_read),
        cmocka_unit_test(a_ban_is_told_in_seconds_or_for_good),
        cmocka_unit_test(a_token_lasts_the_whole_session_and_a_bit),
        cmocka_unit_test(hostile_replies_are_refused),
        cmocka_unit_test(replies_of_another_type_are_refused),
        cmocka_unit_test(a_reply_that_never_ends_is_refused),
        cmocka_unit_test(a_peer_has_at_most_so_many_bytes),
        cmocka_unit_test(bytes_of_a_value_may_be_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
