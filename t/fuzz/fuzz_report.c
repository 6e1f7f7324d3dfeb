/*
 * convo_report: any bytes as the body of a report.  What is taken is an id
 * that a session may have, and a text that a terminal shows as it is.
 */

#include "input.h"

#include "convo_json.h"
#include "convo_report.h"

/* as the edge reads bodies */
static const convo_json_limits_t limits = { .depth = 8, .count = 256 };


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t *body = convo_json_load_object((const char *) data, len, &limits);
    convo_report_t report;

    if (body != NULL && convo_report_read(&report, body) == CONVO_REPORT_OK) {
        MUST(json_object_size(body) == 2);
        MUST(convo_is_sid(report.sid, CONVO_SID_LEN));
        MUST(report.reason_len >= 1);
        MUST(report.reason_len <= CONVO_REASON_MAX);

        for (size_t i = 0; i < report.reason_len; i++) {
            unsigned char byte = (unsigned char) report.reason[i];

            MUST(byte >= ' ' || byte == '\n');
            MUST(byte != 0x7f);
        }
    }

    json_decref(body);

    return 0;
}
