/*
 * A JSON number (RFC 8259, section 6) as what it is: an exact decimal.
 *
 * A double cannot tell 9007199254740993 from its neighbour, so nobody may be
 * let in by comparing doubles: equality here is that of the decimals.  The
 * double is for times, where rounding harms nobody.
 */

#ifndef CONVO_NUMBER_H
#define CONVO_NUMBER_H

#include <stdbool.h>

#include "convo_text.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* Below 10 to this power; the largest double is a little above it. */
#define CONVO_NUMBER_MAGNITUDE_MAX 308

/* Views into the text that was read. */
typedef struct {
    const char *first; /* the first digit that is not 0; NULL for zero */
    const char *last;  /* the last one that is not 0 */
    int magnitude;     /* 10^(magnitude - 1) <= |number| < 10^magnitude */
    bool negative;
} convo_number_t;

/*
 * Reads the number that text begins with and returns the byte after it, or
 * NULL when there is none there or it exceeds the magnitude.  No byte at or
 * after end is looked at.
 */
const char *convo_number_scan(convo_number_t *number, const char *text,
                              const char *end);

/* The same for a text that must be a number and nothing else. */
bool convo_number_read(convo_number_t *number, const convo_text_t *text);

/* 18, 18.0 and 1.8e1 are equal, and so are 0 and -0. */
bool convo_number_equal(const convo_number_t *a, const convo_number_t *b);

/*
 * Nearest to the number where it has at most 15 digits, and a few units of
 * the last place off at worst; 0 for what is too small.  Always finite.
 */
double convo_number_double(const convo_number_t *number);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_NUMBER_H */
