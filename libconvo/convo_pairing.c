/*
 * Who of a batch talks with whom; see convo_pairing.h.
 *
 * In order: each user who is still alone takes the first one behind who is
 * allowed, else the first who is to be avoided.  Then each avoided pair is
 * offered an exchange of partners with the other pairs.
 */

#include "convo_pairing.h"

#include <string.h>

#define ALONE ((size_t) -1)

typedef struct {
    const convo_pairing_user_t *users;
    size_t n;
    convo_pairing_judge_pt judge;
    void *data;
    size_t partner[CONVO_PAIRING_MAX];
} batch_t;


static convo_pairing_verdict_e
judge(batch_t *batch, size_t x, size_t y)
{
    size_t a = x < y ? x : y;
    size_t b = x < y ? y : x;
    const convo_pairing_user_t *first = &batch->users[a];
    const convo_pairing_user_t *second = &batch->users[b];

    if (b - a > CONVO_PAIRING_AHEAD
        || (first->len == second->len
            && memcmp(first->id, second->id, first->len) == 0))
    {
        return CONVO_PAIRING_NEVER;
    }

    return batch->judge(batch->data, a, b);
}


static void
join(batch_t *batch, size_t a, size_t b)
{
    batch->partner[a] = b;
    batch->partner[b] = a;
}


static void
find_partner(batch_t *batch, size_t a)
{
    size_t avoided = ALONE;

    for (size_t b = a + 1; b < batch->n && b - a <= CONVO_PAIRING_AHEAD; b++) {
        convo_pairing_verdict_e verdict;

        if (batch->partner[b] != ALONE) {
            continue;
        }

        verdict = judge(batch, a, b);
        if (verdict == CONVO_PAIRING_ALLOW) {
            join(batch, a, b);
            return;
        }
        if (verdict == CONVO_PAIRING_AVOID && avoided == ALONE) {
            avoided = b;
        }
    }

    if (avoided != ALONE) {
        join(batch, a, avoided);
    }
}


/* a takes x, and b takes x's partner, if all of them may. */
static int
exchange(batch_t *batch, size_t a, size_t b, size_t x)
{
    size_t y = batch->partner[x];

    if (y == ALONE || judge(batch, a, x) != CONVO_PAIRING_ALLOW
        || judge(batch, b, y) != CONVO_PAIRING_ALLOW)
    {
        return 0;
    }

    join(batch, a, x);
    join(batch, b, y);

    return 1;
}


/* One second meeting less: 1, or 0 when no exchange spares another. */
static int
spare_second_meeting(batch_t *batch)
{
    for (size_t a = 0; a < batch->n; a++) {
        size_t b = batch->partner[a];

        if (b == ALONE || b < a || judge(batch, a, b) != CONVO_PAIRING_AVOID) {
            continue;
        }

        for (size_t x = 0; x < batch->n; x++) {
            if (x != a && x != b && exchange(batch, a, b, x)) {
                return 1;
            }
        }
    }

    return 0;
}


size_t
convo_pairing(const convo_pairing_user_t *users, size_t n,
              convo_pairing_judge_pt function, void *data,
              convo_pairing_t *pairs)
{
    batch_t batch = { .users = users, .judge = function, .data = data };
    size_t count = 0;

    batch.n = n < CONVO_PAIRING_MAX ? n : CONVO_PAIRING_MAX;
    for (size_t i = 0; i < batch.n; i++) {
        batch.partner[i] = ALONE;
    }

    for (size_t a = 0; a < batch.n; a++) {
        if (batch.partner[a] == ALONE) {
            find_partner(&batch, a);
        }
    }

    /* at most n / 2 times, as each leaves fewer of them */
    while (spare_second_meeting(&batch)) {
        /* void */
    }

    for (size_t a = 0; a < batch.n; a++) {
        if (batch.partner[a] != ALONE && a < batch.partner[a]) {
            pairs[count].a = a;
            pairs[count++].b = batch.partner[a];
        }
    }

    return count;
}
