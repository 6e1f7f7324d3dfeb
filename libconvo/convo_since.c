/*
 * Moments of the past; see convo_since.h.
 *
 * A date is taken apart from the left with a cursor; every step takes exactly
 * what the grammar of RFC 3339 allows there, or the text is none.
 */

#include "convo_since.h"
#include "convo_time.h"

#include <string.h>

/* No text of a moment is longer, fractions included. */
#define TEXT_MAX 64

#define DAY_S (24 * 3600)

typedef struct {
    const char *at;
    const char *end;
} cursor_t;


/* The number of exactly so many digits, or -1. */
static int
take_digits(cursor_t *cursor, int digits)
{
    int number = 0;

    if (cursor->end - cursor->at < digits) {
        return -1;
    }

    while (digits-- > 0) {
        char c = *cursor->at++;

        if (c < '0' || c > '9') {
            return -1;
        }
        number = number * 10 + (c - '0');
    }

    return number;
}


static int
take_one_of(cursor_t *cursor, const char *characters)
{
    if (cursor->at == cursor->end || *cursor->at == '\0'
        || strchr(characters, *cursor->at) == NULL)
    {
        return -1;
    }

    return *cursor->at++;
}


static int
days_of_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30,
                                31, 31, 30, 31, 30, 31 };
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}


/* Days from 1970-01-01; years are counted from March, so that the leap day is
 * the last one. */
static int64_t
days_of(int year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5
                      + day - 1;

    return 365 * y + y / 4 - y / 100 + y / 400 + of_year - 719468;
}


/* "2026-11-22" as the epoch second of its beginning, or -1. */
static int64_t
take_date(cursor_t *cursor)
{
    int year, month, day;

    if ((year = take_digits(cursor, 4)) < 1970
        || take_one_of(cursor, "-") < 0
        || (month = take_digits(cursor, 2)) < 1 || month > 12
        || take_one_of(cursor, "-") < 0
        || (day = take_digits(cursor, 2)) < 1
        || day > days_of_month(year, month))
    {
        return -1;
    }

    return days_of(year, month, day) * DAY_S;
}


/* "14:40:00", perhaps with a fraction: the second of the day, or -1. */
static int
take_time(cursor_t *cursor)
{
    int hour, minute, second;

    if ((hour = take_digits(cursor, 2)) < 0 || hour > 23
        || take_one_of(cursor, ":") < 0
        || (minute = take_digits(cursor, 2)) < 0 || minute > 59
        || take_one_of(cursor, ":") < 0
        || (second = take_digits(cursor, 2)) < 0 || second > 60)
    {
        return -1;
    }

    if (cursor->at < cursor->end && *cursor->at == '.') {
        cursor->at++;
        if (take_digits(cursor, 1) < 0) {
            return -1;
        }
        while (cursor->at < cursor->end && *cursor->at >= '0'
               && *cursor->at <= '9')
        {
            cursor->at++;
        }
    }

    return hour * 3600 + minute * 60 + second;
}


/* "Z" or "+01:00": how far ahead of UTC, in seconds; 0, or -1. */
static int
take_offset(cursor_t *cursor, int *offset_s)
{
    int sign = take_one_of(cursor, "Zz+-");
    int hour, minute;

    *offset_s = 0;

    if (sign == 'Z' || sign == 'z') {
        return 0;
    }

    if (sign < 0 || (hour = take_digits(cursor, 2)) < 0 || hour > 23
        || take_one_of(cursor, ":") < 0
        || (minute = take_digits(cursor, 2)) < 0 || minute > 59)
    {
        return -1;
    }

    *offset_s = (hour * 3600 + minute * 60) * (sign == '-' ? -1 : 1);

    return 0;
}


static int64_t
parse_moment(const char *text, size_t len)
{
    cursor_t cursor = { .at = text, .end = text + len };
    int64_t date = take_date(&cursor);
    int second = 0, offset_s = 0;

    if (date < 0) {
        return -1;
    }

    if (cursor.at < cursor.end
        && (take_one_of(&cursor, "Tt") < 0
            || (second = take_time(&cursor)) < 0
            || take_offset(&cursor, &offset_s) != 0
            || cursor.at != cursor.end))
    {
        return -1;
    }

    date += second - offset_s;

    return date >= 0 && date <= CONVO_SINCE_MAX_S ? date : -1;
}


/* Epoch seconds, or -1 when the text is not all digits. */
static int64_t
parse_seconds(const char *text, size_t len)
{
    int64_t seconds = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        seconds = seconds * 10 + (text[i] - '0');
        if (seconds > CONVO_SINCE_MAX_S) {
            return -1;
        }
    }

    return seconds;
}


int64_t
convo_since_parse(const char *text, size_t len, int64_t now_s)
{
    int64_t seconds, ago_ms;

    if (len == 0 || len > TEXT_MAX) {
        return -1;
    }

    seconds = parse_seconds(text, len);
    if (seconds >= 0) {
        return seconds;
    }

    ago_ms = convo_time_parse(text, len);
    if (ago_ms >= 0) {
        return now_s > ago_ms / 1000 ? now_s - ago_ms / 1000 : 0;
    }

    return parse_moment(text, len);
}
