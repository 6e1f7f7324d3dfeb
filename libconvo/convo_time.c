/*
 * Lengths of time with their unit; see convo_time.h.
 */

#include "convo_time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const char *name;
    int64_t ms;
} unit_t;

/* From the largest, as convo_time_format takes the first that divides. */
static const unit_t units[] = {
    { "d", 24 * 3600 * 1000 }, { "h", 3600 * 1000 }, { "m", 60 * 1000 },
    { "s", 1000 },             { "ms", 1 },
};

#define UNITS (sizeof(units) / sizeof(units[0]))


int64_t
convo_time_parse(const char *text, size_t len)
{
    int64_t number = 0;
    size_t digits = 0;

    while (digits < len && text[digits] >= '0' && text[digits] <= '9') {
        number = number * 10 + (text[digits++] - '0');
        if (number > CONVO_TIME_MAX_MS) {
            return -1;
        }
    }

    if (digits == 0) {
        return -1;
    }

    for (size_t i = 0; i < UNITS; i++) {
        if (strlen(units[i].name) == len - digits
            && memcmp(units[i].name, text + digits, len - digits) == 0)
        {
            return number <= CONVO_TIME_MAX_MS / units[i].ms
                       ? number * units[i].ms
                       : -1;
        }
    }

    return -1;
}


const char *
convo_time_format(int64_t ms, char text[CONVO_TIME_TEXT])
{
    size_t i = 0;

    while (i < UNITS - 1 && (ms == 0 || ms % units[i].ms != 0)) {
        i++;
    }

    snprintf(text, CONVO_TIME_TEXT, "%" PRId64 "%s", ms / units[i].ms,
             units[i].name);

    return text;
}
