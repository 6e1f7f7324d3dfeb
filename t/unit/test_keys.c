/*
 * convo_keys: names are made right, and what comes from outside (pools, ids,
 * tickets, rooms, identities) is taken apart or refused.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convo_keys.h"

#define SID "abcdefghijklmnopqrstuvwxyz"

static char long_text[CONVO_USER_MAX + 2];


static int
is_pool(const char *text)
{
    return convo_is_pool(text, strlen(text));
}


static void
pool_names(void **state)
{
    (void) state;

    assert_true(is_pool("default"));
    assert_true(is_pool("0"));
    assert_true(is_pool("a-9"));
    assert_true(convo_is_pool(long_text, CONVO_POOL_MAX));

    assert_false(is_pool(""));
    assert_false(is_pool("Default"));
    assert_false(is_pool("a.b"));
    assert_false(is_pool("a}b"));
    assert_false(is_pool("a b"));
    assert_false(is_pool("\xc3\xa4"));
    assert_false(convo_is_pool("a\0b", 3));
    assert_false(convo_is_pool(long_text, CONVO_POOL_MAX + 1));
}


static void
keys_are_made(void **state)
{
    convo_key_t key;

    (void) state;

    assert_int_equal(convo_key(&key, "p1", 2, CONVO_KEY_QUEUE, NULL, 0), 0);
    assert_string_equal(key.name, "{p1}:queue");
    assert_int_equal(key.len, 10);

    assert_int_equal(convo_key(&key, "p1xx", 2, CONVO_KEY_USER, "me!", 2), 0);
    assert_string_equal(key.name, "{p1}:user:me");
    assert_int_equal(key.len, 12);

    assert_int_equal(convo_key(&key, "p", 1, CONVO_KEY_USER, "a\0b", 3), 0);
    assert_memory_equal(key.name, "{p}:user:a\0b", 13);
    assert_int_equal(key.len, 12);
}


static void
the_longest_key_fits(void **state)
{
    convo_key_t key;

    (void) state;

    assert_int_equal(convo_key(&key, long_text, CONVO_POOL_MAX,
                               CONVO_KEY_SESSION, long_text, CONVO_USER_MAX),
                     0);
    assert_int_equal(key.len, strlen(key.name));
    assert_int_equal(key.len, 1 + CONVO_POOL_MAX + 2 + 8 + CONVO_USER_MAX);
    assert_true(key.len < sizeof(key.name));
}


static void
bad_keys_are_refused_and_left_empty(void **state)
{
    static const struct {
        const char *pool;
        const char *id;
        size_t id_len;
    } cases[] = {
        { "", "me", 2 },
        { "P", "me", 2 },
        { "p", "", 0 },
        { "p", long_text, CONVO_USER_MAX + 1 },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        convo_key_t key;

        memset(&key, 'x', sizeof(key));
        assert_int_equal(convo_key(&key, cases[i].pool, strlen(cases[i].pool),
                                   CONVO_KEY_USER, cases[i].id,
                                   cases[i].id_len),
                         -1);
        assert_string_equal(key.name, "");
    }
}


static void
session_ids_are_base_32_of_all_bits(void **state)
{
    unsigned char zero[16] = { 0 }, ones[16], one[16] = { 0 };
    unsigned char rfc[16] = "foobar";
    char sid[CONVO_SID_LEN + 1];

    (void) state;

    memset(ones, 0xff, sizeof(ones));
    one[15] = 1;

    convo_sid(sid, zero);
    assert_string_equal(sid, "aaaaaaaaaaaaaaaaaaaaaaaaaa");
    convo_sid(sid, ones);
    assert_string_equal(sid, "777777777777777777777777" "7" "4");
    convo_sid(sid, one);
    assert_string_equal(sid, "aaaaaaaaaaaaaaaaaaaaaaaaae");

    /* RFC 4648 section 10: "foobar" is MZXW6YTBOI */
    convo_sid(sid, rfc);
    assert_memory_equal(sid, "mzxw6ytboi", 9);
    assert_true(convo_is_sid(sid, strlen(sid)));
}


static void
session_ids_are_checked(void **state)
{
    (void) state;

    assert_true(convo_is_sid(SID, 26));
    assert_true(convo_is_sid("22222222222222222222222777", 26));

    assert_false(convo_is_sid(SID, 25));
    assert_false(convo_is_sid(SID "a", 27));
    assert_false(convo_is_sid("", 0));
    assert_false(convo_is_sid("Abcdefghijklmnopqrstuvwxyz", 26));
    assert_false(convo_is_sid("1bcdefghijklmnopqrstuvwxyz", 26));
    assert_false(convo_is_sid("8bcdefghijklmnopqrstuvwxyz", 26));
    assert_false(convo_is_sid("a.cdefghijklmnopqrstuvwxyz", 26));
}


static void
assert_ticket(const char *ticket, size_t len, const char *user)
{
    size_t user_len = 0;
    const char *found = convo_ticket_user(ticket, len, &user_len);

    if (user == NULL) {
        assert_null(found);
        return;
    }

    assert_non_null(found);
    assert_int_equal(user_len, strlen(user));
    assert_memory_equal(found, user, user_len);
    assert_true(found >= ticket && found + user_len == ticket + len);
}


static void
tickets_name_their_user(void **state)
{
    static const char *const bad[] = {
        "",       ".",       ":",      "17",     "17.",      "17.1",
        "17.1:",  ".1:me",   "17.:me", "17:1.me", "x.1:me",   "17.x:me",
        "-1.1:me", "17,1:me", " 1.1:me", "17.1 :me", "17.1.1:me",
    };
    char ticket[CONVO_TICKET_MAX + 2] = "1.2:";

    (void) state;

    assert_ticket("17.1795334400123:me", 19, "me");
    assert_ticket("17.1:a:b.c", 10, "a:b.c");
    assert_ticket("17.1:meXXX", 7, "me");

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_ticket(bad[i], strlen(bad[i]), NULL);
    }

    memcpy(ticket + 4, long_text, CONVO_USER_MAX + 1);
    assert_non_null(convo_ticket_user(ticket, 4 + CONVO_USER_MAX,
                                      &(size_t){ 0 }));
    assert_null(convo_ticket_user(ticket, 5 + CONVO_USER_MAX,
                                  &(size_t){ 0 }));
}


/* Cut anywhere, in memory of exactly that size: nothing beyond is read. */
static void
a_ticket_is_never_read_beyond_its_end(void **state)
{
    static const char ticket[] = "17.1795334400123:me";

    (void) state;

    for (size_t len = 1; len < sizeof(ticket); len++) {
        char *exact = malloc(len);
        size_t user_len;

        memcpy(exact, ticket, len);
        if (len <= 17) {
            assert_null(convo_ticket_user(exact, len, &user_len));
        } else {
            assert_non_null(convo_ticket_user(exact, len, &user_len));
        }
        free(exact);
    }
}


static void
rooms_are_made_and_taken_apart(void **state)
{
    char room[CONVO_ROOM_MAX + 1];
    const char *pool, *sid;
    size_t len, pool_len;

    (void) state;

    len = convo_room(room, "p-1zzz", 3, SID);
    assert_string_equal(room, "p-1." SID);
    assert_int_equal(len, strlen(room));

    assert_int_equal(convo_room_parse(room, len, &pool, &pool_len, &sid), 0);
    assert_int_equal(pool_len, 3);
    assert_memory_equal(pool, "p-1", 3);
    assert_memory_equal(sid, SID, CONVO_SID_LEN);

    len = convo_room(room, long_text, CONVO_POOL_MAX, SID);
    assert_int_equal(len, CONVO_ROOM_MAX);
    assert_int_equal(convo_room_parse(room, len, &pool, &pool_len, &sid), 0);
}


static void
rooms_of_others_are_refused(void **state)
{
    static const char *const rooms[] = {
        "",        "room",       SID,          "." SID,
        "p" SID,   "P." SID,     "p_." SID,    "p." SID "a",
        "p.ABCDEFGHIJKLMNOPQRSTUVWXYZ",        "p:abcdefghijklmnopqrstuvwxyz",
        "p.q." SID, "p.abcdefghijklmnopqrstuvwxy",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        const char *pool, *sid;
        size_t pool_len;

        assert_int_equal(convo_room_parse(rooms[i], strlen(rooms[i]), &pool,
                                          &pool_len, &sid),
                         -1);
    }
}


static void
identities_know_their_side(void **state)
{
    char identity[CONVO_IDENTITY_LEN + 1];

    (void) state;

    convo_identity(identity, SID, 'b');
    assert_string_equal(identity, SID "-b");
    assert_int_equal(convo_identity_side(identity, CONVO_IDENTITY_LEN, SID),
                     'b');

    assert_int_equal(convo_identity_side(SID "-a", 28, SID), 'a');
    assert_int_equal(convo_identity_side(SID "-c", 28, SID), 0);
    assert_int_equal(convo_identity_side(SID "_a", 28, SID), 0);
    assert_int_equal(convo_identity_side(SID "-aa", 29, SID), 0);
    assert_int_equal(convo_identity_side(SID "-", 27, SID), 0);
    assert_int_equal(convo_identity_side("", 0, SID), 0);
    assert_int_equal(convo_identity_side("bbcdefghijklmnopqrstuvwxyz-a", 28,
                                         SID),
                     0);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_names),
        cmocka_unit_test(keys_are_made),
        cmocka_unit_test(the_longest_key_fits),
        cmocka_unit_test(bad_keys_are_refused_and_left_empty),
        cmocka_unit_test(session_ids_are_base_32_of_all_bits),
        cmocka_unit_test(session_ids_are_checked),
        cmocka_unit_test(tickets_name_their_user),
        cmocka_unit_test(a_ticket_is_never_read_beyond_its_end),
        cmocka_unit_test(rooms_are_made_and_taken_apart),
        cmocka_unit_test(rooms_of_others_are_refused),
        cmocka_unit_test(identities_know_their_side),
    };

    memset(long_text, 'a', sizeof(long_text) - 1);

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
