/*
 * convo_secrets: what a file of secrets may and may not hold.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_secrets.h"


static convo_secrets_e
parse(convo_secrets_t *secrets, const char *text)
{
    return convo_secrets_parse(secrets, text, strlen(text), 8);
}


static void
one_line_is_one_secret(void **state)
{
    convo_secrets_t secrets;

    (void) state;

    assert_int_equal(parse(&secrets, "first-secret"), CONVO_SECRETS_OK);
    assert_int_equal(secrets.count, 1);
    assert_string_equal(secrets.secret[0].text, "first-secret");
    assert_int_equal(secrets.secret[0].len, 12);
}


static void
two_lines_are_two_generations(void **state)
{
    convo_secrets_t secrets;

    (void) state;

    assert_int_equal(parse(&secrets, "\nfirst-secret\r\n\nsecond-secret\n"),
                     CONVO_SECRETS_OK);
    assert_int_equal(secrets.count, 2);
    assert_string_equal(secrets.secret[0].text, "first-secret");
    assert_string_equal(secrets.secret[1].text, "second-secret");
}


static void
refused(const char *text, convo_secrets_e error)
{
    static const convo_secrets_t zero;
    convo_secrets_t secrets;

    assert_int_equal(parse(&secrets, text), error);
    assert_memory_equal(&secrets, &zero, sizeof(zero));
}


static void
bad_files_are_refused_and_leave_nothing(void **state)
{
    char text[CONVO_SECRET_LEN_MAX + 2];

    (void) state;

    refused("", CONVO_SECRETS_NONE);
    refused("\n\r\n", CONVO_SECRETS_NONE);
    refused("short", CONVO_SECRETS_SHORT);
    refused("first-secret\nshort\n", CONVO_SECRETS_SHORT);
    refused("first secret\n", CONVO_SECRETS_CHARACTER);
    refused(" first-secret\n", CONVO_SECRETS_CHARACTER);
    refused("first-s\xc3\xa9"
            "cret\n",
            CONVO_SECRETS_CHARACTER);
    refused("first-secret\nsecond-secret\nthird-secret\n",
            CONVO_SECRETS_MANY);

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    refused(text, CONVO_SECRETS_LONG);
}


static void
the_longest_secret_is_taken(void **state)
{
    char text[CONVO_SECRET_LEN_MAX + 1];
    convo_secrets_t secrets;

    (void) state;

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    assert_int_equal(parse(&secrets, text), CONVO_SECRETS_OK);
    assert_string_equal(secrets.secret[0].text, text);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_line_is_one_secret),
        cmocka_unit_test(two_lines_are_two_generations),
        cmocka_unit_test(bad_files_are_refused_and_leave_nothing),
        cmocka_unit_test(the_longest_secret_is_taken),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
