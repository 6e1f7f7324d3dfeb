/*
 * Exact decimals; see convo_number.h.  Works on the caller's text alone, in
 * time linear in its length whatever the exponent.
 */

#include "convo_number.h"

#include <stddef.h>
#include <stdint.h>

/* Exponents beyond are cut: they are refused, or too small for a double. */
#define CONVO_NUMBER_EXPONENT_MAX 1000000

/* As many decimal digits as 64 bits always hold. */
#define CONVO_NUMBER_DIGITS_MAX 19

/* Up to here both factors of a product are exact doubles. */
#define CONVO_NUMBER_EXACT_DIGITS 15
#define CONVO_NUMBER_EXACT_POWER 1e22L

static bool
convo_number_is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* Passes digits and notes which of them count; *at is one. */
static const char *
convo_number_digits(convo_number_t *number, const char *at, const char *end)
{
    for (; convo_number_is_digit(at, end); at++) {
        if (*at != '0') {
            number->first = number->first != NULL ? number->first : at;
            number->last = at;
        }
    }

    return at;
}

/* What follows the "e"; NULL when that is no exponent. */
static const char *
convo_number_exponent(int *exponent, const char *at, const char *end)
{
    bool negative = at < end && *at == '-';

    if (at < end && (*at == '-' || *at == '+')) {
        at++;
    }

    if (!convo_number_is_digit(at, end)) {
        return NULL;
    }

    for (; convo_number_is_digit(at, end); at++) {
        if (*exponent < CONVO_NUMBER_EXPONENT_MAX) {
            *exponent = *exponent * 10 + (*at - '0');
        }
    }

    if (negative) {
        *exponent = -*exponent;
    }

    return at;
}

const char *
convo_number_scan(convo_number_t *number, const char *text, const char *end)
{
    const char *at = text;
    const char *point;
    int exponent = 0;

    number->first = NULL;
    number->last = NULL;
    number->magnitude = 0;
    number->negative = at < end && *at == '-';

    at += number->negative;

    if (!convo_number_is_digit(at, end)) {
        return NULL;
    }

    at = *at == '0' ? at + 1 : convo_number_digits(number, at, end);
    point = at;

    if (at < end && *at == '.') {
        if (!convo_number_is_digit(++at, end)) {
            return NULL;
        }

        at = convo_number_digits(number, at, end);
    }

    if (at < end && (*at == 'e' || *at == 'E')) {
        at = convo_number_exponent(&exponent, at + 1, end);

        if (at == NULL) {
            return NULL;
        }
    }

    if (number->first == NULL) {
        return at;
    }

    /* how many places the first digit is before the point */
    number->magnitude = (int) (point - number->first) + exponent;

    if (number->first > point) {
        number->magnitude++;
    }

    return number->magnitude <= CONVO_NUMBER_MAGNITUDE_MAX ? at : NULL;
}

bool
convo_number_read(convo_number_t *number, const convo_text_t *text)
{
    const char *end = text->data + text->len;

    return text->len > 0 && convo_number_scan(number, text->data, end) == end;
}

/* The digit after this one, past the point. */
static const char *
convo_number_next(const char *digit)
{
    return digit[1] == '.' ? digit + 2 : digit + 1;
}

bool
convo_number_equal(const convo_number_t *a, const convo_number_t *b)
{
    const char *x = a->first;
    const char *y = b->first;

    if (x == NULL || y == NULL) {
        return x == y;
    }

    if (a->negative != b->negative || a->magnitude != b->magnitude) {
        return false;
    }

    for (; *x == *y; x = convo_number_next(x), y = convo_number_next(y)) {
        if (x == a->last || y == b->last) {
            return x == a->last && y == b->last;
        }
    }

    return false;
}

static long double
convo_number_power(unsigned int exponent)
{
    long double power = 1;
    long double square = 10;

    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1) {
            power *= square;
        }

        square *= square;
    }

    return power;
}

/* The first digits as a whole number; the rest is below what 64 bits tell. */
static uint64_t
convo_number_mantissa(const convo_number_t *number, int *digits)
{
    const char *at = number->first;
    uint64_t mantissa = (uint64_t) (*at - '0');

    *digits = 1;

    while (at != number->last && *digits < CONVO_NUMBER_DIGITS_MAX) {
        at = convo_number_next(at);
        mantissa = mantissa * 10 + (uint64_t) (*at - '0');
        (*digits)++;
    }

    return mantissa;
}

double
convo_number_double(const convo_number_t *number)
{
    int digits;
    int scale;
    uint64_t mantissa;
    long double power;
    double value;

    if (number->first == NULL
        || number->magnitude < -CONVO_NUMBER_MAGNITUDE_MAX) {
        return 0;
    }

    mantissa = convo_number_mantissa(number, &digits);
    scale = number->magnitude - digits;
    power = convo_number_power((unsigned int) (scale < 0 ? -scale : scale));

    if (digits <= CONVO_NUMBER_EXACT_DIGITS
        && power <= CONVO_NUMBER_EXACT_POWER) {
        /* two exact doubles are rounded once */
        value = scale < 0 ? (double) mantissa / (double) power
                          : (double) mantissa * (double) power;

    } else {
        value = (double) (scale < 0 ? mantissa / power : mantissa * power);
    }

    return number->negative ? -value : value;
}
