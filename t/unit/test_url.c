/*
 * convo_url: addresses good and bad; those of relays are in test_turn.c.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_url.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))


static void
good_addresses_are_taken(void **state)
{
    static const char *const good[] = {
        "http://h",
        "https://h",
        "http://127.0.0.1:1",
        "https://dynamodb.eu-central-1.amazonaws.com:65535/",
        "http://[::1]",
        "http://[2001:db8::1]:8000/a//b/../c%20d",
        "http://a_b-c.D",
    };

    (void) state;

    for (size_t i = 0; i < COUNT(good); i++) {
        const char *error = convo_url_error(good[i], strlen(good[i]), "http");

        if (error != NULL) {
            fail_msg("%s: %s", good[i], error);
        }
    }

    assert_null(convo_url_error("ws://h", 6, "ws"));
    assert_null(convo_url_error("wss://h", 7, "ws"));
}


static void
bad_addresses_are_refused_with_the_reason(void **state)
{
    static const struct {
        const char *url;
        const char *error;
    } bad[] = {
        { "", "begins with another scheme" },
        { "http:/h", "begins with another scheme" },
        { "httpss://h", "begins with another scheme" },
        { "HTTP://h", "begins with another scheme" },
        { "ws://h", "begins with another scheme" },
        { "http://", "names no host" },
        { "http:///path", "names no host" },
        { "http://:80", "names no host" },
        { "http:// h", "names no host" },
        { "http://[::1", "has no IPv6 address between its brackets" },
        { "http://[h]", "has no IPv6 address between its brackets" },
        { "http://h:", "has no port from 1 to 65535 after its colon" },
        { "http://h:/", "has no port from 1 to 65535 after its colon" },
        { "http://h:0", "has no port from 1 to 65535 after its colon" },
        { "http://h:65536", "has no port from 1 to 65535 after its colon" },
        { "http://h:99999", "has no port from 1 to 65535 after its colon" },
        { "http://h:000080", "has no port from 1 to 65535 after its colon" },
        { "http://h:-1", "has no port from 1 to 65535 after its colon" },
        { "http://h:8080x", "goes on after its host" },
        { "http://user@h", "goes on after its host" },
        { "http://user:1@h", "goes on after its host" },
        { "http://h?", "goes on after its host" },
        { "http://h\\a", "goes on after its host" },
        { "http://h/a b", "has a character that such a path does not have" },
        { "http://h/?a", "has a character that such a path does not have" },
        { "http://h/#a", "has a character that such a path does not have" },
        { "http://h/@a", "has a character that such a path does not have" },
        { "http://h/\"", "has a character that such a path does not have" },
        { "http://h/\n", "has a character that such a path does not have" },
        { "http://h/\xc3", "has a character that such a path does not have" },
    };

    (void) state;

    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *error = convo_url_error(bad[i].url, strlen(bad[i].url),
                                            "http");

        if (error == NULL || strcmp(error, bad[i].error) != 0) {
            fail_msg("%s: %s", bad[i].url, error != NULL ? error : "taken");
        }
    }

    assert_non_null(convo_url_error("http://h\0", 9, "http"));
    assert_non_null(convo_url_error("http://h/\0", 10, "http"));
}


static void
a_host_has_an_end(void **state)
{
    char url[7 + CONVO_URL_HOST_MAX + 1];

    (void) state;

    memset(url, 'h', sizeof(url));
    memcpy(url, "http://", 7);

    assert_null(convo_url_error(url, sizeof(url) - 1, "http"));
    assert_string_equal(convo_url_error(url, sizeof(url), "http"),
                        "names no host");
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_addresses_are_taken),
        cmocka_unit_test(bad_addresses_are_refused_with_the_reason),
        cmocka_unit_test(a_host_has_an_end),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
