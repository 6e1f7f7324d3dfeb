/*
 * The one thing that the jobs share: whether the worker is to stop.
 *
 * The first SIGTERM or SIGINT asks every job to finish what it holds and
 * return; the second ends the process at once, as does the end of the time
 * given to the drain.  Whatever is cut off then is what kill -9 would cut
 * off, and comes back by lease.
 */

#ifndef CONVO_STOP_H
#define CONVO_STOP_H

#include <stdint.h>

/*
 * Installs the signal handlers.  drain_s is how long the drain may take.
 * Returns 0, or -1 with errno.  Call it once, before threads start.
 */
int convo_stop_install(unsigned int drain_s);

/* Asks the jobs to stop from inside; the process then exits with code. */
void convo_stop(int code);

/* 1 once the worker is to stop, else 0. */
int convo_stopping(void);

/* Sleeps ms, or until the worker is to stop.  Returns convo_stopping(). */
int convo_stop_wait(int64_t ms);

/* What the process is to exit with: 0 after a signal. */
int convo_stop_code(void);

#endif /* CONVO_STOP_H */
