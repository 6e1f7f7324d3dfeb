/*
 * convo_room_list: answers of LiveKit's RoomService as livekit-server 1.13
 * gave them, and answers from which nothing may be concluded.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convo_room_list.h"

#define SID "abcdefghijklmnopqrstuvwxyz"
#define OTHER "bbcdefghijklmnopqrstuvwxyz"

/* One participant as LiveKit tells it, and the whole answer. */
#define WHO(psid, identity, state, ms)                                        \
    "{\"sid\":\"" psid "\", \"identity\":\"" identity "\", \"state\":\""      \
    state "\", \"tracks\":[], \"metadata\":\"\", "                            \
    "\"joined_at\":\"1795369750\", \"joined_at_ms\":\"" ms "\", "             \
    "\"name\":\"\", \"version\":2, \"permission\":{\"can_publish\":true, "    \
    "\"can_publish_sources\":[]}, \"is_publisher\":false, "                   \
    "\"kind\":\"STANDARD\", \"attributes\":{}}"
#define PEOPLE(list) "{\"participants\":[" list "]}"

#define ROOM(name, count)                                                     \
    "{\"sid\":\"RM_H6RYo3W2gKjh\", \"name\":\"" name "\", "                   \
    "\"empty_timeout\":90, \"creation_time\":\"1795369749\", "                \
    "\"enabled_codecs\":[{\"mime\":\"audio/opus\", \"fmtp_line\":\"\"}], "    \
    "\"num_participants\":" count ", \"version\":null}"
#define ROOMS(list) "{\"rooms\":[" list "]}"


static int
people_of(const char *text, convo_room_people_t *people)
{
    return convo_room_people(text, strlen(text), SID, people);
}


static void
both_sides_are_found_whatever_their_order(void **state)
{
    convo_room_people_t people;

    (void) state;

    assert_int_equal(
        people_of(PEOPLE(WHO("PA_b", SID "-b", "ACTIVE", "1795369750209") ","
                         WHO("PA_a", SID "-a", "ACTIVE", "1795369750229")),
                  &people),
        0);
    assert_int_equal(people.listed, 2);
    assert_true(people.side[0].there && people.side[0].active);
    assert_string_equal(people.side[0].psid, "PA_a");
    assert_int_equal(people.side[0].joined_ms, 1795369750229);
    assert_true(people.side[1].there && people.side[1].active);
    assert_string_equal(people.side[1].psid, "PA_b");
    assert_int_equal(people.side[1].joined_ms, 1795369750209);
}


static void
an_absent_room_and_an_empty_one_list_nobody(void **state)
{
    convo_room_people_t people;

    (void) state;

    assert_int_equal(people_of(PEOPLE(""), &people), 0);
    assert_int_equal(people.listed, 0);
    assert_false(people.side[0].there || people.side[1].there);
}


static void
who_is_on_the_way_in_is_there_and_has_not_joined(void **state)
{
    static const char *const states[] = { "JOINING", "JOINED", "DREAMING" };
    convo_room_people_t people;
    char text[1024];

    (void) state;

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        snprintf(text, sizeof(text),
                 PEOPLE("{\"identity\":\"" SID "-a\",\"state\":\"%s\"}"),
                 states[i]);
        assert_int_equal(people_of(text, &people), 0);
        assert_int_equal(people.listed, 1);
        assert_true(people.side[0].there);
        assert_false(people.side[0].active);
        assert_false(people.side[1].there);
    }
}


static void
who_is_disconnected_is_gone(void **state)
{
    convo_room_people_t people;

    (void) state;

    assert_int_equal(
        people_of(PEOPLE(WHO("PA_a", SID "-a", "DISCONNECTED", "1")), &people),
        0);
    assert_int_equal(people.listed, 0);
    assert_false(people.side[0].there);
}


static void
strangers_are_counted_and_are_nobody(void **state)
{
    convo_room_people_t people;

    (void) state;

    assert_int_equal(people_of(PEOPLE(WHO("PA_1", OTHER "-a", "ACTIVE", "1")
                                      "," WHO("PA_2", SID "-c", "ACTIVE", "1")
                                      "," WHO("", SID, "ACTIVE", "x")),
                               &people),
                     0);
    assert_int_equal(people.listed, 3);
    assert_false(people.side[0].there || people.side[1].there);
}


static void
of_two_the_active_one_counts_and_then_the_later(void **state)
{
    convo_room_people_t people;

    (void) state;

    assert_int_equal(people_of(PEOPLE(WHO("PA_2", SID "-a", "ACTIVE", "7") ","
                                      WHO("PA_1", SID "-a", "ACTIVE", "6") ","
                                      WHO("PA_3", SID "-a", "JOINED", "8")),
                               &people),
                     0);
    assert_string_equal(people.side[0].psid, "PA_2");
    assert_int_equal(people.side[0].joined_ms, 7);
    assert_int_equal(people.listed, 3);
}


static void
seconds_do_where_there_are_no_milliseconds(void **state)
{
    convo_room_people_t people;

    (void) state;

    assert_int_equal(people_of(PEOPLE("{\"sid\":\"PA\",\"identity\":\"" SID
                                      "-b\",\"state\":\"ACTIVE\","
                                      "\"joined_at\":1795369750}"),
                               &people),
                     0);
    assert_int_equal(people.side[1].joined_ms, 1795369750000);
}


static void
an_answer_that_may_mislead_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "null", "[]", "{}", "{\"participants\":null}", "<html>",
        "{\"participants\":{}}", PEOPLE("7"), PEOPLE("{}"), PEOPLE("[[]]"),
        PEOPLE(WHO("", SID "-a", "ACTIVE", "1")),
        PEOPLE("{\"identity\":\"" SID "-a\",\"sid\":\"PA\"}"),
        PEOPLE("{\"identity\":7,\"state\":\"ACTIVE\"}"),
        PEOPLE("{\"identity\":\"" SID "-a\",\"state\":2,\"sid\":\"PA\"}"),
        PEOPLE("{\"identity\":\"" SID "-a\",\"state\":\"ACTIVE\","
               "\"sid\":7,\"joined_at_ms\":\"1\"}"),
        PEOPLE("{\"identity\":\"" SID "-a\",\"state\":\"ACTIVE\","
               "\"sid\":\"PA\"}"),
        PEOPLE("{\"identity\":\"" SID "-a\",\"state\":\"ACTIVE\","
               "\"sid\":\"PA\",\"joined_at_ms\":\"-1\"}"),
        PEOPLE("{\"identity\":\"" SID "-a\",\"state\":\"ACTIVE\","
               "\"sid\":\"PA\",\"joined_at_ms\":\"1e3\"}"),
        PEOPLE("{\"identity\":\"" SID "-a\",\"state\":\"ACTIVE\","
               "\"sid\":\"PA\",\"joined_at_ms\":\"99999999999999999999\"}"),
        PEOPLE("{\"identity\":\"" SID "-a\",\"state\":\"ACTIVE\","
               "\"sid\":\"PA\",\"joined_at\":\"9223372036854775807\"}"),
        PEOPLE(WHO("PA", SID "-a", "ACTIVE", "1")) "}",
    };
    convo_room_people_t people;

    (void) state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(people_of(texts[i], &people), -1);
    }
}


static void
a_participant_id_is_bounded(void **state)
{
    char psid[CONVO_PSID_MAX + 2], text[1024];
    convo_room_people_t people;

    (void) state;

    for (size_t len = CONVO_PSID_MAX; len <= CONVO_PSID_MAX + 1; len++) {
        memset(psid, 'P', len);
        psid[len] = '\0';
        snprintf(text, sizeof(text), PEOPLE(WHO("%s", SID "-a", "ACTIVE",
                                                "1")),
                 psid);
        assert_int_equal(people_of(text, &people),
                         len == CONVO_PSID_MAX ? 0 : -1);
    }
}


/* --- rooms --- */

typedef struct {
    size_t n;
    char names[256];
    int64_t participants;
} rooms_t;


static void
take_room(void *data, const char *name, size_t len, int64_t participants)
{
    rooms_t *rooms = data;

    assert_int_equal(strlen(name), len);
    if (rooms->n++ < 4) {
        strcat(strcat(rooms->names, name), " ");
    }
    rooms->participants += participants;
}


static int
rooms_of(const char *text, rooms_t *rooms)
{
    memset(rooms, 0, sizeof(*rooms));

    return convo_room_each(text, strlen(text), take_room, rooms);
}


static void
every_room_is_told_with_its_count(void **state)
{
    rooms_t rooms;

    (void) state;

    assert_int_equal(rooms_of(ROOMS(ROOM("default." SID, "2") ","
                                    ROOM("h\\u00e4", "\"3\"") ","
                                    ROOM("x", "-1")),
                              &rooms),
                     0);
    assert_string_equal(rooms.names, "default." SID " h\xc3\xa4 x ");
    assert_int_equal(rooms.participants, 5);

    assert_int_equal(rooms_of(ROOMS(""), &rooms), 0);
    assert_int_equal(rooms.n, 0);
}


static void
a_list_with_a_fault_tells_no_room_at_all(void **state)
{
    static const char *const texts[] = {
        "", "{}", "[]", "{\"rooms\":null}", "{\"rooms\":{}}",
        ROOMS("7"), ROOMS("{}"), ROOMS(ROOM("", "1")),
        ROOMS(ROOM("good", "1") ",{\"name\":7}"),
        ROOMS(ROOM("good", "1") ",{\"name\":\"\\ud800\"}"),
        ROOMS(ROOM("good", "1")) " x",
    };
    rooms_t rooms;

    (void) state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_int_equal(rooms_of(texts[i], &rooms), -1);
        assert_int_equal(rooms.n, 0);
    }
}


static void
rooms_are_bounded(void **state)
{
    static const char element[] = "{\"name\":\"r\"},";
    char *text = malloc(16 + (CONVO_ROOM_LIST_MAX + 1) * strlen(element));
    rooms_t rooms;

    (void) state;

    for (size_t n = CONVO_ROOM_LIST_MAX; n <= CONVO_ROOM_LIST_MAX + 1; n++) {
        char *end = stpcpy(text, "{\"rooms\":[");

        for (size_t i = 0; i < n; i++) {
            end = stpcpy(end, element);
        }
        strcpy(end - 1, "]}");

        assert_int_equal(rooms_of(text, &rooms),
                         n == CONVO_ROOM_LIST_MAX ? 0 : -1);
        assert_int_equal(rooms.n, n == CONVO_ROOM_LIST_MAX ? n : 0);
    }

    free(text);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_are_found_whatever_their_order),
        cmocka_unit_test(an_absent_room_and_an_empty_one_list_nobody),
        cmocka_unit_test(who_is_on_the_way_in_is_there_and_has_not_joined),
        cmocka_unit_test(who_is_disconnected_is_gone),
        cmocka_unit_test(strangers_are_counted_and_are_nobody),
        cmocka_unit_test(of_two_the_active_one_counts_and_then_the_later),
        cmocka_unit_test(seconds_do_where_there_are_no_milliseconds),
        cmocka_unit_test(an_answer_that_may_mislead_is_refused),
        cmocka_unit_test(a_participant_id_is_bounded),
        cmocka_unit_test(every_room_is_told_with_its_count),
        cmocka_unit_test(a_list_with_a_fault_tells_no_room_at_all),
        cmocka_unit_test(rooms_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
