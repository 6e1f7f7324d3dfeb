/*
 * convo_turn: coturn's credentials against a value computed elsewhere, and
 * addresses good and bad.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_turn.h"

static const convo_secret_t secret = { 16, "0123456789abcdef" };


static void
credentials_are_those_coturn_expects(void **state)
{
    convo_turn_credentials_t made;

    (void) state;

    assert_int_equal(
        convo_turn_credentials(&made, &secret, "u-1", 3, 1700000000), 0);
    assert_string_equal(made.username, "1700000000:u-1");
    assert_string_equal(made.credential, "gECPgNEWoSJUkHvNBzWm/D3GXIk=");
}


static void
a_user_that_is_no_name_gets_none(void **state)
{
    convo_turn_credentials_t made;
    char longest[CONVO_TURN_USER_MAX + 1];

    (void) state;

    memset(longest, 'u', sizeof(longest));

    assert_int_equal(convo_turn_credentials(&made, &secret, "", 0, 1), -1);
    assert_int_equal(convo_turn_credentials(&made, &secret, "a\nb", 3, 1),
                     -1);
    assert_int_equal(convo_turn_credentials(&made, &secret, "a\x7f", 2, 1),
                     -1);
    assert_int_equal(convo_turn_credentials(&made, &secret, "\xc3\xa9", 2, 1),
                     0);
    assert_int_equal(convo_turn_credentials(&made, &secret, longest,
                                            CONVO_TURN_USER_MAX + 1, 1),
                     -1);
    assert_int_equal(convo_turn_credentials(&made, &secret, longest,
                                            CONVO_TURN_USER_MAX, 1),
                     0);
}


static void
good_addresses_are_taken(void **state)
{
    static const char *const good[] = {
        "turn:turn.example.com",
        "turn:turn.example.com:3478?transport=udp",
        "turns:turn.example.com:5349?transport=tcp",
        "TURN:192.0.2.1:3478?transport=UDP",
        "turn:[2001:db8::1]:3478",
        "stun:stun.example.com:65535",
        "stuns:[::1]",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_null(convo_turn_url_error(good[i], strlen(good[i])));
    }
}


static void
bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "turn",
        "turn:",
        "http:turn.example.com",
        "turn://turn.example.com",
        "turn:user@turn.example.com",
        "turn:turn.example.com:",
        "turn:turn.example.com:0",
        "turn:turn.example.com:65536",
        "turn:turn.example.com:123456",
        "turn:turn.example.com:3478x",
        "turn:turn.example.com?transport=sctp",
        "turn:turn.example.com?transport=udp&x=1",
        "turn:turn.example.com?Transport",
        "stun:stun.example.com?transport=udp",
        "turn:[2001:db8::1",
        "turn:[]",
        "turn:2001:db8::1",
        "turn:turn example.com",
        "turn:turn.example.com\r\n",
    };
    char longest[CONVO_TURN_URL_MAX + 1];

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (convo_turn_url_error(bad[i], strlen(bad[i])) == NULL) {
            fail_msg("taken: %s", bad[i]);
        }
    }

    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "turn:", 5);
    assert_non_null(convo_turn_url_error(longest, sizeof(longest)));
    assert_non_null(convo_turn_url_error(longest, 300));
}


static void
only_relays_need_credentials(void **state)
{
    (void) state;

    assert_int_equal(convo_turn_url_is_relay("turn:a", 6), 1);
    assert_int_equal(convo_turn_url_is_relay("turns:a", 7), 1);
    assert_int_equal(convo_turn_url_is_relay("stun:a", 6), 0);
    assert_int_equal(convo_turn_url_is_relay("stuns:a", 7), 0);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credentials_are_those_coturn_expects),
        cmocka_unit_test(a_user_that_is_no_name_gets_none),
        cmocka_unit_test(good_addresses_are_taken),
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(only_relays_need_credentials),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
