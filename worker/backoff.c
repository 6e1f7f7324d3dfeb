/*
 * Back-off with jitter; see backoff.h.
 */

#include "backoff.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>


void
convo_random(unsigned char random[16])
{
    if (getrandom(random, 16, 0) != 16) {
        convo_log(CONVO_LOG_ERROR, "worker", "the kernel gives no randomness");
        abort();
    }
}


int64_t
convo_backoff_next(convo_backoff_t *backoff)
{
    unsigned char random[16];
    uint64_t number;
    int64_t step;

    step = backoff->next_ms > 0 ? backoff->next_ms : backoff->first_ms;

    backoff->next_ms = step * 2;
    if (backoff->next_ms > backoff->limit_ms) {
        backoff->next_ms = backoff->limit_ms;
    }

    convo_random(random);
    memcpy(&number, random, sizeof(number));

    return step / 2 + (int64_t) (number % (uint64_t) (step - step / 2 + 1));
}


void
convo_backoff_reset(convo_backoff_t *backoff)
{
    backoff->next_ms = 0;
}
