/*
 * convo_document against jansson: of any bytes both say the same, or differ
 * as they are known to.  What both take has the same values, which come back
 * the same from the JSON that is written of them.
 *
 * Known to differ: depth, count and members are bounded here, not there; a
 * number from 1e308 on is refused here, only beyond the largest double there;
 * an integer beyond 64 bits is refused there and a decimal like any here; a
 * NUL is always refused here, and passed after a number there.
 */

#include "input.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "convo_document.h"
#include "convo_number.h"

#define COUNT_MAX 64
#define DEPTH_MAX 4

/* What is known of a text that jansson has taken. */
typedef struct {
    size_t count;
    int has_huge; /* a number from 1e308 on */
} measure_t;


static size_t
measure(const json_t *value, measure_t *seen)
{
    size_t deepest = 0;
    size_t i, depth;
    const char *key;
    json_t *member;

    seen->count++;
    seen->has_huge |= json_is_real(value)
                      && fabs(json_real_value(value)) >= 1e308;

    json_array_foreach(value, i, member) {
        depth = measure(member, seen);
        deepest = depth > deepest ? depth : deepest;
    }

    json_object_foreach((json_t *) value, key, member) {
        depth = measure(member, seen);
        deepest = depth > deepest ? depth : deepest;
    }

    return deepest + (json_is_array(value) || json_is_object(value));
}


static int
same_number(const convo_value_t *value, const json_t *expected)
{
    double number = 0;
    double wanted = json_number_value(expected);

    MUST(convo_value_number(value, &number));

    return fabs(number - wanted) <= fabs(wanted) * 1e-15
           || fabs(wanted) < 1e-300;
}


static int same(const convo_value_t *value, const json_t *expected);


static int
same_inside(const convo_value_t *value, const json_t *expected)
{
    const convo_value_t *child = NULL;
    size_t i = 0;

    while ((child = convo_value_next(value, child)) != NULL) {
        convo_text_t name = convo_value_name(child);
        const json_t *other = json_is_array(expected)
                                  ? json_array_get(expected, i++)
                                  : json_object_getn(expected, name.data,
                                                     name.len);

        if (other == NULL || !same(child, other)) {
            return 0;
        }
    }

    return convo_value_count(value)
           == json_array_size(expected) + json_object_size(expected);
}


static int
same(const convo_value_t *value, const json_t *expected)
{
    switch (convo_value_type(value)) {
    case CONVO_VALUE_NULL:
        return json_is_null(expected);
    case CONVO_VALUE_TRUE:
        return json_is_true(expected);
    case CONVO_VALUE_FALSE:
        return json_is_false(expected);
    case CONVO_VALUE_NUMBER:
        return json_is_number(expected) && same_number(value, expected);
    case CONVO_VALUE_STRING:
        return json_is_string(expected)
               && convo_value_is(value, json_string_value(expected),
                                 json_string_length(expected));
    case CONVO_VALUE_ARRAY:
        return json_is_array(expected) && same_inside(value, expected);
    case CONVO_VALUE_OBJECT:
        return json_is_object(expected) && same_inside(value, expected);
    default:
        return 0;
    }
}


/* Whether a number is an integer that jansson has no type for. */
static int
has_long_integer(const convo_value_t *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        convo_text_t text = convo_value_text(values + i);

        if (convo_value_type(values + i) == CONVO_VALUE_NUMBER
            && text.len > 18 && memchr(text.data, '.', text.len) == NULL) {
            return 1;
        }
    }

    return 0;
}


static void
writes(const convo_value_t *value, const json_t *expected)
{
    size_t len = convo_value_json(value, NULL);
    char *text = malloc(len);
    json_t *again;

    MUST(convo_value_json(value, text) == len);
    again = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    MUST(again != NULL && json_equal(again, expected));

    json_decref(again);
    free(text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    convo_value_t *values = malloc(COUNT_MAX * sizeof(convo_value_t));
    char *text = malloc(len + CONVO_DOCUMENT_SLACK);
    json_t *json = json_loadb((const char *) data, len,
                              JSON_REJECT_DUPLICATES, NULL);
    measure_t seen = { 0 };
    size_t depth = measure(json, &seen);
    size_t n;

    if (len > 0) {
        memcpy(text, data, len);
    }

    n = convo_document_read(values, COUNT_MAX, DEPTH_MAX, text, len);

    if (len > 0 && memchr(data, '\0', len) != NULL) {
        MUST(n == 0);

    } else if (json == NULL) {
        MUST(n == 0 || has_long_integer(values, n));

    } else if (n == 0) {
        MUST(depth > DEPTH_MAX || seen.count > COUNT_MAX || seen.has_huge
             || len > CONVO_DOCUMENT_LEN_MAX);

    } else {
        MUST(n == seen.count && depth <= DEPTH_MAX);
        MUST(same(values, json));
        writes(values, json);
    }

    json_decref(json);
    free(text);
    free(values);

    return 0;
}
