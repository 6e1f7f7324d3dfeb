/*
 * The body of a report; contracts are in convo_report.h.
 *
 * The reason will be shown in terminals and tables, so that of the control
 * characters (C0, DEL and C1) only the new line is taken.
 */

#include "convo_report.h"

#include <stdbool.h>
#include <string.h>


/* jansson gives valid UTF-8 only: C1 is 0xc2 and 0x80 to 0x9f. */

static bool
has_control(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *) text;

    for (size_t i = 0; i < len; i++) {
        if ((p[i] < 0x20 && p[i] != '\n') || p[i] == 0x7f) {
            return true;
        }

        if (p[i] == 0xc2 && i + 1 < len && p[i + 1] < 0xa0) {
            return true;
        }
    }

    return false;
}


static convo_report_e
read_reason(convo_report_t *report, const json_t *reason)
{
    report->reason = json_string_value(reason);
    report->reason_len = json_string_length(reason);

    if (report->reason_len == 0) {
        return CONVO_REPORT_REASON;
    }

    if (report->reason_len > CONVO_REASON_MAX) {
        return CONVO_REPORT_LONG;
    }

    if (has_control(report->reason, report->reason_len)) {
        return CONVO_REPORT_CONTROL;
    }

    return CONVO_REPORT_OK;
}


convo_report_e
convo_report_read(convo_report_t *report, const json_t *body)
{
    const json_t *sid = json_object_get(body, "sessionId");
    const json_t *reason = json_object_get(body, "reason");
    size_t known = (sid != NULL) + (reason != NULL);
    convo_report_e fault;

    if (json_object_size(body) != known) {
        return CONVO_REPORT_MEMBER;
    }

    if (!json_is_string(sid)) {
        return CONVO_REPORT_SESSION_ID;
    }

    fault = read_reason(report, reason);
    if (fault != CONVO_REPORT_OK) {
        return fault;
    }

    report->sid = json_string_value(sid);

    return convo_is_sid(report->sid, json_string_length(sid))
               ? CONVO_REPORT_OK : CONVO_REPORT_NO_SESSION;
}
