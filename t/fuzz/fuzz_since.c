/*
 * convo_since: any bytes as a moment of the past.  What is taken lies where a
 * moment may lie, and written as epoch seconds is the same moment.
 */

#include "input.h"

#include <inttypes.h>
#include <stdio.h>

#include "convo_since.h"

#define NOW INT64_C(1795334400)


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int64_t since = convo_since_parse((const char *) data, len, NOW);
    char text[24];
    int n;

    MUST(since >= -1 && since <= CONVO_SINCE_MAX_S);

    if (since >= 0) {
        n = snprintf(text, sizeof(text), "%" PRId64, since);
        MUST(convo_since_parse(text, (size_t) n, NOW) == since);
    }

    return 0;
}
