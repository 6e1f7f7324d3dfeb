/*
 * The line that says where a Redis is: what it means, and what it must not be.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "convo_redis_url.h"

static convo_redis_url_t url;

/* Parses a copy without a NUL, of its exact size, so that sanitizers see. */
static const char *
parse_bytes(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);
    const char *error;

    assert_non_null(copy);
    memcpy(copy, text, len);
    memset(&url, 'x', sizeof(url));
    error = convo_redis_url_parse(copy, len, &url);
    free(copy);

    return error;
}

static const char *
parse(const char *text)
{
    return parse_bytes(text, strlen(text));
}

static void
assert_refused(const char *text, const char *reason)
{
    const char *error = parse(text);

    if (error == NULL || strstr(error, reason) == NULL)
        fail_msg("\"%s\" gave \"%s\"", text, error ? error : "no error");
}

static void
a_host_alone_has_the_usual_port_and_database(void **state)
{
    (void) state;

    assert_null(parse("redis://redis.example.com"));
    assert_string_equal(url.host, "redis.example.com");
    assert_int_equal(url.port, 6379);
    assert_int_equal(url.db, 0);
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "");
    assert_string_equal(url.path, "");
    assert_int_equal(url.ipv6, 0);
}

static void
every_part_is_read(void **state)
{
    (void) state;

    assert_null(parse("redis://edge:secret@10.1.2.3:7000/15"));
    assert_string_equal(url.user, "edge");
    assert_string_equal(url.password, "secret");
    assert_string_equal(url.host, "10.1.2.3");
    assert_int_equal(url.port, 7000);
    assert_int_equal(url.db, 15);
}

static void
an_empty_database_is_the_first(void **state)
{
    (void) state;

    assert_null(parse("redis://h:1/"));
    assert_int_equal(url.port, 1);
    assert_int_equal(url.db, 0);
}

static void
a_password_may_come_without_a_user_and_a_user_without_one(void **state)
{
    (void) state;

    assert_null(parse("redis://:pw@h"));
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "pw");

    assert_null(parse("redis://edge@h"));
    assert_string_equal(url.user, "edge");
    assert_string_equal(url.password, "");
}

static void
credentials_are_percent_decoded(void **state)
{
    (void) state;

    assert_null(parse("redis://a%40b:%3a%2F%25%c3%A4@h"));
    assert_string_equal(url.user, "a@b");
    assert_string_equal(url.password, ":/%\xc3\xa4");
}

static void
the_last_at_sign_ends_the_credentials(void **state)
{
    (void) state;

    assert_null(parse("redis://u:p@ss/w:rd@h:2/3"));
    assert_string_equal(url.password, "p@ss/w:rd");
    assert_string_equal(url.host, "h");
    assert_int_equal(url.port, 2);
    assert_int_equal(url.db, 3);
}

static void
an_ipv6_address_stands_in_brackets(void **state)
{
    (void) state;

    assert_null(parse("redis://[2001:db8::1]:6380/1"));
    assert_string_equal(url.host, "2001:db8::1");
    assert_int_equal(url.ipv6, 1);
    assert_int_equal(url.port, 6380);

    assert_null(parse("redis://:p@[::ffff:10.0.0.1]"));
    assert_string_equal(url.host, "::ffff:10.0.0.1");
    assert_int_equal(url.port, 6379);

    assert_refused("redis://[::1", "in brackets");
    assert_refused("redis://[]", "in brackets");
    assert_refused("redis://[::1]6379", "in brackets");
    assert_refused("redis://[host]", "in brackets");
    assert_refused("redis://::1", "in brackets");
}

static void
a_socket_is_a_path(void **state)
{
    char text[5 + CONVO_REDIS_PATH_MAX + 2] = "unix:";

    (void) state;

    assert_null(parse("unix:/run/redis/redis.sock"));
    assert_string_equal(url.path, "/run/redis/redis.sock");
    assert_string_equal(url.host, "");

    memset(text + 5, 'p', CONVO_REDIS_PATH_MAX + 1);
    assert_null(parse_bytes(text, 5 + CONVO_REDIS_PATH_MAX));
    assert_int_equal(strlen(url.path), CONVO_REDIS_PATH_MAX);
    assert_non_null(parse_bytes(text, 5 + CONVO_REDIS_PATH_MAX + 1));

    assert_refused("unix:", "a path");
    assert_non_null(parse_bytes("unix:/a\0b", 9));
}

static void
other_forms_are_refused(void **state)
{
    (void) state;

    assert_refused("", "expected redis://");
    assert_refused("redis", "expected redis://");
    assert_refused("redis:/h", "expected redis://");
    assert_refused("127.0.0.1:6379", "expected redis://");
    assert_refused("http://h", "expected redis://");
    assert_refused("rediss://h:6379", "TLS");
}

static void
bad_hosts_are_refused(void **state)
{
    char text[8 + CONVO_REDIS_HOST_MAX + 1] = "redis://";

    (void) state;

    assert_refused("redis://", "host name");
    assert_refused("redis://:6379", "host name");
    assert_refused("redis:///1", "host name");
    assert_refused("redis://a b", "host name");
    assert_refused("redis://h?db=1", "host name");
    assert_refused("redis://h%2e", "host name");

    memset(text + 8, 'h', CONVO_REDIS_HOST_MAX + 1);
    assert_null(parse_bytes(text, 8 + CONVO_REDIS_HOST_MAX));
    assert_non_null(parse_bytes(text, 8 + CONVO_REDIS_HOST_MAX + 1));
    assert_non_null(parse_bytes("redis://a\0b", 11));
}

static void
bad_ports_and_databases_are_refused(void **state)
{
    (void) state;

    assert_refused("redis://h:", "a port");
    assert_refused("redis://h:0", "a port");
    assert_refused("redis://h:65536", "a port");
    assert_refused("redis://h:-1", "a port");
    assert_refused("redis://h:6379x", "a port");
    assert_refused("redis://h:99999999999999999999", "a port");
    assert_null(parse("redis://h:65535/65535"));
    assert_refused("redis://h/65536", "a database");
    assert_refused("redis://h/x", "a database");
    assert_refused("redis://h/1/2", "a database");
    assert_refused("redis://h/0?x", "a database");
}

static void
bad_credentials_are_refused(void **state)
{
    char text[9 + CONVO_REDIS_PASSWORD_MAX + 3] = "redis://:";
    size_t longest = 9 + CONVO_REDIS_PASSWORD_MAX;

    (void) state;

    assert_refused("redis://@h", "a user or a password");
    assert_refused("redis://:@h", "password");
    assert_refused("redis://u:@h", "password");
    assert_refused("redis://:%@h", "password");
    assert_refused("redis://:%4@h", "password");
    assert_refused("redis://:ab%4@h", "password");
    assert_refused("redis://:%zz@h", "password");
    assert_refused("redis://:a%00b@h", "password");
    assert_refused("redis://a%00:b@h", "user");

    memset(text + 9, 'p', CONVO_REDIS_PASSWORD_MAX + 1);
    memcpy(text + longest, "@h", 2);
    assert_null(parse_bytes(text, longest + 2));
    assert_int_equal(strlen(url.password), CONVO_REDIS_PASSWORD_MAX);
    memcpy(text + longest, "p@h", 3);
    assert_non_null(parse_bytes(text, longest + 3));
}

static void
an_error_quotes_no_secret(void **state)
{
    (void) state;

    assert_null(strstr(parse("redis://u:hunter2@h:bad"), "hunter2"));
    assert_null(strstr(parse("redis://u:%zzhunter2@h"), "hunter2"));
}

static void
equal_meanings_are_equal_bytes(void **state)
{
    convo_redis_url_t first;

    (void) state;

    assert_null(parse("redis://%75:%70@h"));
    first = url;
    assert_null(parse("redis://u:p@h:6379/0"));
    assert_memory_equal(&first, &url, sizeof(url));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_alone_has_the_usual_port_and_database),
        cmocka_unit_test(every_part_is_read),
        cmocka_unit_test(an_empty_database_is_the_first),
        cmocka_unit_test(
            a_password_may_come_without_a_user_and_a_user_without_one),
        cmocka_unit_test(credentials_are_percent_decoded),
        cmocka_unit_test(the_last_at_sign_ends_the_credentials),
        cmocka_unit_test(an_ipv6_address_stands_in_brackets),
        cmocka_unit_test(a_socket_is_a_path),
        cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(bad_hosts_are_refused),
        cmocka_unit_test(bad_ports_and_databases_are_refused),
        cmocka_unit_test(bad_credentials_are_refused),
        cmocka_unit_test(an_error_quotes_no_secret),
        cmocka_unit_test(equal_meanings_are_equal_bytes),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
