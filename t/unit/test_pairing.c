/*
 * convo_pairing: who is paired with whom, in cases that a person can check
 * and in thousands of random batches against what its contract says.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "convo_pairing.h"

#define ROUNDS 5000
#define SEED   20260601u

/* What is between each two of a batch. */
typedef struct {
    convo_pairing_verdict_e verdict[CONVO_PAIRING_MAX][CONVO_PAIRING_MAX];
    size_t n;
    int bad_question; /* asked about what the contract excludes */
} world_t;

static world_t world;
static char names[CONVO_PAIRING_MAX][32];
static convo_pairing_user_t users[CONVO_PAIRING_MAX];
static convo_pairing_t pairs[CONVO_PAIRING_MAX / 2];


static convo_pairing_verdict_e
judge(void *data, size_t a, size_t b)
{
    world_t *w = data;

    if (a >= b || b >= w->n || b - a > CONVO_PAIRING_AHEAD) {
        w->bad_question = 1;
        return CONVO_PAIRING_NEVER;
    }

    return w->verdict[a][b];
}


/* n different users of whom nothing is known. */
static void
begin(size_t n)
{
    memset(&world, 0, sizeof(world));
    world.n = n;

    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof(names[i]), "user-%zu", i);
        users[i].id = names[i];
        users[i].len = strlen(names[i]);
    }
}


static void
between(size_t a, size_t b, convo_pairing_verdict_e verdict)
{
    world.verdict[a][b] = verdict;
}


static size_t
run(void)
{
    size_t count = convo_pairing(users, world.n, judge, &world, pairs);

    assert_false(world.bad_question);

    return count;
}


static void
assert_pair(size_t index, size_t a, size_t b)
{
    assert_int_equal(pairs[index].a, a);
    assert_int_equal(pairs[index].b, b);
}


static void
none_and_one_make_no_pair(void **state)
{
    (void) state;

    begin(0);
    assert_int_equal(run(), 0);
    begin(1);
    assert_int_equal(run(), 0);
}


static void
strangers_are_paired_in_order(void **state)
{
    (void) state;

    begin(5);
    assert_int_equal(run(), 2);
    assert_pair(0, 0, 1);
    assert_pair(1, 2, 3);
}


static void
a_second_meeting_is_avoided_while_others_wait(void **state)
{
    (void) state;

    begin(4);
    between(0, 1, CONVO_PAIRING_AVOID);
    assert_int_equal(run(), 2);
    assert_pair(0, 0, 2);
    assert_pair(1, 1, 3);
}


static void
the_same_two_meet_again_when_there_is_no_other(void **state)
{
    (void) state;

    begin(2);
    between(0, 1, CONVO_PAIRING_AVOID);
    assert_int_equal(run(), 1);
    assert_pair(0, 0, 1);
}


/* In order 0-1 would leave 2-3, who met; crossing over spares them. */
static void
pairs_exchange_partners_to_spare_a_second_meeting(void **state)
{
    (void) state;

    begin(4);
    between(2, 3, CONVO_PAIRING_AVOID);
    assert_int_equal(run(), 2);
    assert_pair(0, 0, 2);
    assert_pair(1, 1, 3);
}


static void
who_must_never_meet_never_does(void **state)
{
    (void) state;

    begin(2);
    between(0, 1, CONVO_PAIRING_NEVER);
    assert_int_equal(run(), 0);

    begin(3);
    between(0, 1, CONVO_PAIRING_NEVER);
    assert_int_equal(run(), 1);
    assert_pair(0, 0, 2);
}


static void
nobody_is_paired_with_themselves(void **state)
{
    (void) state;

    begin(3);
    users[1] = users[0];
    assert_int_equal(run(), 1);
    assert_pair(0, 0, 2);

    begin(2);
    users[1] = users[0];
    assert_int_equal(run(), 0);
}


/* "ab" is no user "abc", and bytes are bytes. */
static void
ids_are_compared_whole(void **state)
{
    (void) state;

    begin(2);
    users[0] = (convo_pairing_user_t){ "ab\0c", 2 };
    users[1] = (convo_pairing_user_t){ "ab\0c", 4 };
    assert_int_equal(run(), 1);

    begin(2);
    users[0] = (convo_pairing_user_t){ "ab\0c", 4 };
    users[1] = (convo_pairing_user_t){ "ab\0d", 4 };
    assert_int_equal(run(), 1);
}


static void
a_partner_is_not_looked_for_beyond_the_horizon(void **state)
{
    (void) state;

    begin(CONVO_PAIRING_AHEAD + 2);
    for (size_t a = 0; a < world.n; a++) {
        for (size_t b = a + 1; b < world.n; b++) {
            between(a, b, CONVO_PAIRING_NEVER);
        }
    }

    between(0, CONVO_PAIRING_AHEAD + 1, CONVO_PAIRING_ALLOW);
    assert_int_equal(run(), 0);

    between(0, CONVO_PAIRING_AHEAD, CONVO_PAIRING_ALLOW);
    assert_int_equal(run(), 1);
    assert_pair(0, 0, CONVO_PAIRING_AHEAD);
}


static void
a_batch_that_is_too_large_is_cut(void **state)
{
    static convo_pairing_user_t many[CONVO_PAIRING_MAX + 10];
    static char ids[CONVO_PAIRING_MAX + 10][32];

    (void) state;

    begin(CONVO_PAIRING_MAX);
    for (size_t i = 0; i < CONVO_PAIRING_MAX + 10; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%zu", i);
        many[i].id = ids[i];
        many[i].len = strlen(ids[i]);
    }

    assert_int_equal(convo_pairing(many, CONVO_PAIRING_MAX + 10, judge, &world,
                                   pairs),
                     CONVO_PAIRING_MAX / 2);
}


/* --- random batches --- */

static convo_pairing_verdict_e
verdict_of(size_t x, size_t y)
{
    size_t a = x < y ? x : y;
    size_t b = x < y ? y : x;

    if (b - a > CONVO_PAIRING_AHEAD || strcmp(users[a].id, users[b].id) == 0) {
        return CONVO_PAIRING_NEVER;
    }

    return world.verdict[a][b];
}


static void
make_random_batch(void)
{
    int avoid = rand() % 100;
    int never = rand() % 50;

    begin((size_t) (rand() % 65));

    for (size_t a = 0; a < world.n; a++) {
        if (a > 0 && rand() % 20 == 0) {
            users[a] = users[(size_t) rand() % a];
        }
        for (size_t b = a + 1; b < world.n; b++) {
            between(a, b, rand() % 100 < never   ? CONVO_PAIRING_NEVER
                          : rand() % 100 < avoid ? CONVO_PAIRING_AVOID
                                                 : CONVO_PAIRING_ALLOW);
        }
    }
}


/* Each in one pair, in order, and nobody paired who must not be. */
static void
check_pairs(size_t count, size_t *partner)
{
    for (size_t i = 0; i < world.n; i++) {
        partner[i] = CONVO_PAIRING_MAX;
    }

    for (size_t i = 0; i < count; i++) {
        assert_true(pairs[i].a < pairs[i].b);
        assert_true(pairs[i].b < world.n);
        assert_true(i == 0 || pairs[i - 1].a < pairs[i].a);
        assert_int_equal(partner[pairs[i].a], CONVO_PAIRING_MAX);
        assert_int_equal(partner[pairs[i].b], CONVO_PAIRING_MAX);
        assert_int_not_equal(verdict_of(pairs[i].a, pairs[i].b),
                             CONVO_PAIRING_NEVER);
        partner[pairs[i].a] = pairs[i].b;
        partner[pairs[i].b] = pairs[i].a;
    }
}


static void
check_nobody_is_alone_without_need(const size_t *partner)
{
    for (size_t a = 0; a < world.n; a++) {
        for (size_t b = a + 1; b < world.n; b++) {
            if (partner[a] == CONVO_PAIRING_MAX
                && partner[b] == CONVO_PAIRING_MAX)
            {
                assert_int_equal(verdict_of(a, b), CONVO_PAIRING_NEVER);
            }
        }
    }
}


/* No second meeting that an exchange with another pair would spare. */
static void
check_no_meeting_without_need(size_t count, const size_t *partner)
{
    for (size_t i = 0; i < count; i++) {
        size_t a = pairs[i].a, b = pairs[i].b;

        if (verdict_of(a, b) != CONVO_PAIRING_AVOID) {
            continue;
        }
        for (size_t x = 0; x < world.n; x++) {
            size_t y = partner[x];

            if (x != a && x != b && y != CONVO_PAIRING_MAX) {
                assert_false(verdict_of(a, x) == CONVO_PAIRING_ALLOW
                             && verdict_of(b, y) == CONVO_PAIRING_ALLOW);
            }
        }
    }
}


static void
random_batches_keep_every_promise(void **state)
{
    size_t partner[CONVO_PAIRING_MAX];

    (void) state;

    srand(SEED);

    for (int i = 0; i < ROUNDS; i++) {
        size_t count;

        make_random_batch();
        count = run();
        check_pairs(count, partner);
        check_nobody_is_alone_without_need(partner);
        check_no_meeting_without_need(count, partner);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none_and_one_make_no_pair),
        cmocka_unit_test(strangers_are_paired_in_order),
        cmocka_unit_test(a_second_meeting_is_avoided_while_others_wait),
        cmocka_unit_test(the_same_two_meet_again_when_there_is_no_other),
        cmocka_unit_test(pairs_exchange_partners_to_spare_a_second_meeting),
        cmocka_unit_test(who_must_never_meet_never_does),
        cmocka_unit_test(nobody_is_paired_with_themselves),
        cmocka_unit_test(ids_are_compared_whole),
        cmocka_unit_test(a_partner_is_not_looked_for_beyond_the_horizon),
        cmocka_unit_test(a_batch_that_is_too_large_is_cut),
        cmocka_unit_test(random_batches_keep_every_promise),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
