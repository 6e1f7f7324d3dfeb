/*
 * Lengths of time as a person writes them in a configuration: a whole number
 * and its unit, "250ms", "15s", "2m", "24h", "90d".
 *
 * Pure: no clock is read and nothing is allocated.
 */

#ifndef CONVO_TIME_H
#define CONVO_TIME_H

#include <stddef.h>
#include <stdint.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* Nothing that is configured here lasts longer: ten years. */
#define CONVO_TIME_MAX_MS (INT64_C(3650) * 24 * 3600 * 1000)

/* A buffer that holds every text of convo_time_format. */
#define CONVO_TIME_TEXT 24

/*
 * The milliseconds of a length of time, or -1 when the text is none: no
 * number, no unit (a bare number is refused, as nobody knows what it means),
 * an unknown unit, a sign, a fraction, a blank, more than CONVO_TIME_MAX_MS.
 */
int64_t convo_time_parse(const char *text, size_t len);

/*
 * Writes ms in the largest unit that divides it ("2m", never "120s") and a
 * NUL into text, and returns text.
 */
const char *convo_time_format(int64_t ms, char text[CONVO_TIME_TEXT]);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_TIME_H */
