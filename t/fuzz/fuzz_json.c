/*
 * convo_json: any bytes as JSON from outside.  What is taken keeps within
 * the limits, counted again here on the values themselves.
 */

#include "input.h"

#include "convo_json.h"

static const convo_json_limits_t limits = { .depth = 4, .count = 32 };


/* How deep the value is; adds its values to *count. */
static size_t
measure(const json_t *value, size_t *count)
{
    size_t deepest = 0;
    size_t i, depth;
    const char *key;
    json_t *member;

    (*count)++;

    json_array_foreach(value, i, member) {
        depth = measure(member, count);
        deepest = depth > deepest ? depth : deepest;
    }

    json_object_foreach((json_t *) value, key, member) {
        depth = measure(member, count);
        deepest = depth > deepest ? depth : deepest;
    }

    return deepest + (json_is_array(value) || json_is_object(value));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t *value = convo_json_load((const char *) data, len, &limits);
    json_t *object = convo_json_load_object((const char *) data, len, &limits);
    size_t count = 0;

    MUST((object != NULL) == json_is_object(value));

    if (value != NULL) {
        MUST(measure(value, &count) <= limits.depth);
        /* an empty list is counted as if it held a value */
        MUST(count - 1 <= limits.count);
    }

    json_decref(object);
    json_decref(value);

    return 0;
}
