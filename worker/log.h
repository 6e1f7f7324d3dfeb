/*
 * Log lines on stderr, one write each:
 *
 *   2026-11-22T14:40:00.123Z [info] convo match: 12 pairs of 24 tickets
 *
 * "convo WHO:" is what to grep for; WHO is a job or an outside system.
 * Bytes that are not printable ASCII come out as "?", so that nothing from
 * outside can forge a line.  No token, secret or user id is ever passed here.
 */

#ifndef CONVO_LOG_H
#define CONVO_LOG_H

/* The longest line, with its end; what is longer is cut. */
#define CONVO_LOG_LINE 1024

typedef enum {
    CONVO_LOG_ERROR, /* somebody must do something */
    CONVO_LOG_WARN,  /* something is wrong and is being dealt with */
    CONVO_LOG_INFO,  /* what an operator wants to have seen */
    CONVO_LOG_DEBUG
} convo_log_level_e;

/* The level by its name, or -1. */
int convo_log_level_by_name(const char *name);

/* Lines above this level are left out.  Call it before threads start. */
void convo_log_set_level(convo_log_level_e level);

/* Writes one line.  Thread-safe; a failing stderr is ignored. */
void convo_log(convo_log_level_e level, const char *who, const char *format,
               ...) __attribute__((format(printf, 3, 4)));

#endif /* CONVO_LOG_H */
