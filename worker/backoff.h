/*
 * How long to wait before an outside system is asked again: twice as long
 * after each failure, up to a limit, less a random part, so that workers
 * which failed together do not come back together.
 */

#ifndef CONVO_BACKOFF_H
#define CONVO_BACKOFF_H

#include <stdint.h>

typedef struct {
    int64_t first_ms;
    int64_t limit_ms;
    int64_t next_ms; /* 0 after a success */
} convo_backoff_t;

/* After a failure: the next wait in ms, between half and all of its step. */
int64_t convo_backoff_next(convo_backoff_t *backoff);

/* After a success. */
void convo_backoff_reset(convo_backoff_t *backoff);

/* Fills random[16] from the kernel; ends the process when it has none. */
void convo_random(unsigned char random[16]);

#endif /* CONVO_BACKOFF_H */
