/*
 * What a user says of the other of a session: the body of POST /api/report,
 * read strictly, as operators will read it with their own tools.
 *
 * How it fails: each fault is named, and nothing of such a body is used.
 */

#ifndef CONVO_REPORT_H
#define CONVO_REPORT_H

#include "convo_keys.h"

#include <jansson.h>
#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* The longest reason of a report, in bytes of UTF-8. */
#define CONVO_REASON_MAX 1000

typedef enum {
    CONVO_REPORT_OK,
    CONVO_REPORT_MEMBER,     /* a member that is not known */
    CONVO_REPORT_SESSION_ID, /* sessionId is missing or no string */
    CONVO_REPORT_NO_SESSION, /* no session can have this id */
    CONVO_REPORT_REASON,     /* reason is missing, no string, or "" */
    CONVO_REPORT_LONG,       /* reason is longer than CONVO_REASON_MAX */
    CONVO_REPORT_CONTROL     /* a control character that is no new line */
} convo_report_e;

/* Points into the body. */
typedef struct {
    const char *sid; /* CONVO_SID_LEN characters */
    const char *reason;
    size_t reason_len; /* 1 to CONVO_REASON_MAX */
} convo_report_t;

/*
 * Reads {"sessionId": "...", "reason": "..."}, an object as convo_json_load()
 * gives it.  The report is to be used after CONVO_REPORT_OK only, and for as
 * long as the body.  An id that no session can have is told only of a body
 * without any other fault.
 */
convo_report_e convo_report_read(convo_report_t *report, const json_t *body);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_REPORT_H */
