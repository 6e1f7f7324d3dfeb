/*
 * convo_time: any bytes as a length of time.  What is taken means the same
 * after it was written in the largest unit that divides it.
 */

#include "input.h"

#include <string.h>

#include "convo_time.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    int64_t ms = convo_time_parse((const char *) data, len);
    char text[CONVO_TIME_TEXT];

    if (ms >= 0) {
        MUST(ms <= CONVO_TIME_MAX_MS);
        convo_time_format(ms, text);
        MUST(convo_time_parse(text, strlen(text)) == ms);
    }

    return 0;
}
