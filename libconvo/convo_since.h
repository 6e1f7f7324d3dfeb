/*
 * Moments of the past as an operator writes them after --since: a date or a
 * date with a time, epoch seconds, or how long ago.
 *
 * Pure: no clock is read and nothing is allocated.
 */

#ifndef CONVO_SINCE_H
#define CONVO_SINCE_H

#include <stddef.h>
#include <stdint.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* The last second of the year 9999. */
#define CONVO_SINCE_MAX_S INT64_C(253402300799)

/*
 * The epoch second of
 *
 *     2026-11-22                      the first second of that day, UTC
 *     2026-11-22T14:40:00Z            RFC 3339, also with a fraction, which is
 *     2026-11-22T14:40:00.5+01:00     cut off, and with an offset
 *     1795334400                      epoch seconds
 *     24h, 90d                        so long before now_s (convo_time.h), at
 *                                     the earliest 0
 *
 * or -1 when the text is none of these, names a day or a time that does not
 * exist, or one before 1970 or after CONVO_SINCE_MAX_S.
 *
 * Source: RFC 3339, section 5.6; a leap second counts as the one after it.
 */
int64_t convo_since_parse(const char *text, size_t len, int64_t now_s);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_SINCE_H */
