/*
 * Strict reading of JSON that came from outside: jansson behind limits.
 *
 * jansson bounds neither how deep nor how wide a text may be, so both are
 * counted before it sees the text.  Duplicate members are refused, as two
 * readers could take different ones; so are NUL characters and anything that
 * is not UTF-8.  How it fails: every refusal is NULL, nothing is kept.
 */

#ifndef CONVO_JSON_H
#define CONVO_JSON_H

#include <jansson.h>
#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

typedef struct {
    size_t depth; /* objects and arrays inside each other, at least 1 */
    size_t count; /* values in the whole text, members and elements */
} convo_json_limits_t;

/*
 * Parses one JSON object or array (RFC 8259) of len bytes; the text need not
 * be terminated.  Returns a new reference that the caller releases with
 * json_decref(), or NULL when the text is malformed, holds a member twice or
 * exceeds a limit, or when memory is short.  Blocks on nothing.
 */
json_t *convo_json_load(const char *text, size_t len,
                        const convo_json_limits_t *limits);

/* The same, but NULL as well when the text is anything but an object. */
json_t *convo_json_load_object(const char *text, size_t len,
                               const convo_json_limits_t *limits);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_JSON_H */
