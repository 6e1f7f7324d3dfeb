/*
 * Strict reading of JSON that came from outside; see convo_json.h.
 *
 * The limits are checked by a scan that knows only strings, brackets and
 * commas.  It need not be a parser: on well-formed text it counts exactly,
 * and malformed text is refused by jansson afterwards.
 */

#include "convo_json.h"

#include <stdbool.h>

typedef struct {
    size_t depth;
    size_t count;
    bool in_string;
    bool escaped;
} convo_json_scan_t;

static void
convo_json_scan_string(convo_json_scan_t *scan, char ch)
{
    if (scan->escaped) {
        scan->escaped = false;

    } else if (ch == '\\') {
        scan->escaped = true;

    } else if (ch == '"') {
        scan->in_string = false;
    }
}

static void
convo_json_scan_outside(convo_json_scan_t *scan, char ch)
{
    switch (ch) {
    case '"':
        scan->in_string = true;
        break;
    case '{':
    case '[':
        /* a container may hold a first value, which no comma announces */
        scan->depth++;
        scan->count++;
        break;
    case '}':
    case ']':
        if (scan->depth > 0) {
            scan->depth--;
        }
        break;
    case ',':
        scan->count++;
        break;
    default:
        break;
    }
}

static bool
convo_json_within(const char *text, size_t len,
                  const convo_json_limits_t *limits)
{
    convo_json_scan_t scan = { 0 };

    for (size_t i = 0; i < len; i++) {
        if (scan.in_string) {
            convo_json_scan_string(&scan, text[i]);
            continue;
        }

        convo_json_scan_outside(&scan, text[i]);

        if (scan.depth > limits->depth || scan.count > limits->count) {
            return false;
        }
    }

    return true;
}

json_t *
convo_json_load(const char *text, size_t len,
                const convo_json_limits_t *limits)
{
    json_error_t error;

    if (!convo_json_within(text, len, limits)) {
        return NULL;
    }

    return json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
}

json_t *
convo_json_load_object(const char *text, size_t len,
                       const convo_json_limits_t *limits)
{
    json_t *json = convo_json_load(text, len, limits);

    if (json != NULL && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }

    return json;
}
