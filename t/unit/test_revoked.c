/*
 * The revocations that a process knows (convo_revoked.h).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "convo_revoked.h"

#define SECOND INT64_C(1000)


static convo_revoked_e
add(convo_revoked_t *table, const char *member, int64_t at_ms)
{
    return convo_revoked_add(table, member, strlen(member), at_ms);
}


static convo_revoked_e
hear(convo_revoked_t *table, const char *text)
{
    return convo_revoked_hear(table, text, strlen(text));
}


static int
has(const convo_revoked_t *table, const char *sub, const char *sign_in,
    int64_t issued_s)
{
    return convo_revoked_has(table, sub, strlen(sub), sign_in,
                             strlen(sign_in), issued_s);
}


static void
an_ended_sign_in_is_found_by_its_name(void **state)
{
    convo_revoked_t *table = convo_revoked_new(10);

    (void) state;

    assert_false(has(table, "ann", "one", 5));
    assert_int_equal(add(table, "j:one", 7 * SECOND), CONVO_REVOKED_TAKEN);

    assert_true(has(table, "ann", "one", 5));
    assert_true(has(table, "bob", "one", 9000000000));
    assert_false(has(table, "ann", "on", 5));
    assert_false(has(table, "ann", "one1", 5));
    assert_false(has(table, "ann", "", 5));
    assert_false(has(table, "one", "two", 0));

    convo_revoked_free(table);
}


static void
a_user_is_out_until_that_second(void **state)
{
    convo_revoked_t *table = convo_revoked_new(10);

    (void) state;

    assert_int_equal(add(table, "s:ann", 7 * SECOND + 1),
                     CONVO_REVOKED_TAKEN);

    assert_true(has(table, "ann", "any", 6));
    assert_true(has(table, "ann", "", 7));
    assert_true(has(table, "ann", "any", 0));
    assert_false(has(table, "ann", "any", 8));
    assert_false(has(table, "bob", "ann", 6));

    convo_revoked_free(table);
}


static void
the_later_time_stands(void **state)
{
    convo_revoked_t *table = convo_revoked_new(10);

    (void) state;

    add(table, "s:ann", 7 * SECOND);
    add(table, "s:ann", 9 * SECOND);
    add(table, "s:ann", 8 * SECOND);

    assert_int_equal(convo_revoked_count(table), 1);
    assert_true(has(table, "ann", "", 9));
    assert_false(has(table, "ann", "", 10));

    convo_revoked_free(table);
}


static void
a_message_is_taken_whole_or_not_at_all(void **state)
{
    static const char *const rubbish[] = {
        "", " ", "1", "1 ", "1 j", "1 j:", "j:one", " j:one", "x j:one",
        "-1 j:one", "1j:one", "1  j:one", "1 k:one", "1 jone",
        "1000000000000000 j:one", "1.5 j:one",
    };
    convo_revoked_t *table = convo_revoked_new(10);

    (void) state;

    for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++) {
        assert_int_equal(hear(table, rubbish[i]), CONVO_REVOKED_RUBBISH);
    }

    assert_int_equal(convo_revoked_count(table), 0);

    assert_int_equal(hear(table, "1795334400123 s:a b c"),
                     CONVO_REVOKED_TAKEN);
    assert_true(has(table, "a b c", "", 1795334400));
    assert_false(has(table, "a b c", "", 1795334401));
    assert_int_equal(convo_revoked_hear(table, "12 j:\0x", 7),
                     CONVO_REVOKED_TAKEN);
    assert_true(convo_revoked_has(table, "any", 3, "\0x", 2, 0));

    convo_revoked_free(table);
}


static void
no_name_is_longer_than_a_subject(void **state)
{
    char member[2 + CONVO_REVOKED_ID_MAX + 1];
    convo_revoked_t *table = convo_revoked_new(10);

    (void) state;

    memset(member, 'x', sizeof(member));
    memcpy(member, "j:", 2);

    assert_int_equal(convo_revoked_add(table, member, sizeof(member), 1),
                     CONVO_REVOKED_RUBBISH);
    assert_int_equal(convo_revoked_add(table, member, sizeof(member) - 1, 1),
                     CONVO_REVOKED_TAKEN);
    assert_true(convo_revoked_has(table, "any", 3, member + 2,
                                  CONVO_REVOKED_ID_MAX, 0));

    convo_revoked_free(table);
}


/* A full table says so, takes what it holds again, and has room once more
 * when something was forgotten. */

static void
a_full_table_says_so_until_it_forgets(void **state)
{
    convo_revoked_t *table = convo_revoked_new(2);

    (void) state;

    add(table, "j:one", 1);
    add(table, "j:two", 5);
    assert_int_equal(add(table, "j:three", 9), CONVO_REVOKED_FULL);
    assert_int_equal(add(table, "j:one", 2), CONVO_REVOKED_TAKEN);
    assert_false(has(table, "any", "three", 0));

    convo_revoked_forget(table, 5, 1000);
    assert_int_equal(convo_revoked_count(table), 1);
    assert_false(has(table, "any", "one", 0));
    assert_true(has(table, "any", "two", 0));
    assert_int_equal(add(table, "j:three", 9), CONVO_REVOKED_TAKEN);

    convo_revoked_free(table);
}


static void
many_come_and_are_forgotten_by_and_by(void **state)
{
    char member[32];
    convo_revoked_t *table = convo_revoked_new(100000);

    (void) state;

    for (int i = 0; i < 20000; i++) {
        snprintf(member, sizeof(member), "j:%d", i);
        assert_int_equal(add(table, member, i), CONVO_REVOKED_TAKEN);
    }

    assert_int_equal(convo_revoked_count(table), 20000);

    /* by and by, some chains each time */
    for (int i = 0; i < 40000 / 64; i++) {
        convo_revoked_forget(table, 15000, 64);
    }

    for (int i = 0; i < 20000; i++) {
        snprintf(member, sizeof(member), "%d", i);
        assert_int_equal(has(table, "any", member, 0), i >= 15000);
    }

    assert_int_equal(convo_revoked_count(table), 5000);

    convo_revoked_free(table);
    convo_revoked_free(NULL);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ended_sign_in_is_found_by_its_name),
        cmocka_unit_test(a_user_is_out_until_that_second),
        cmocka_unit_test(the_later_time_stands),
        cmocka_unit_test(a_message_is_taken_whole_or_not_at_all),
        cmocka_unit_test(no_name_is_longer_than_a_subject),
        cmocka_unit_test(a_full_table_says_so_until_it_forgets),
        cmocka_unit_test(many_come_and_are_forgotten_by_and_by),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
