/*
 * What is known of one JSON value; see convo_document.h.
 *
 * Nothing here allocates or fails: a value that is not there, or of another
 * type, has no text, no number and nothing inside.
 */

#include "convo_document.h"

#include <string.h>

#include "convo_number.h"

convo_value_e
convo_value_type(const convo_value_t *value)
{
    return value != NULL ? (convo_value_e) value->type : CONVO_VALUE_NONE;
}

convo_text_t
convo_value_text(const convo_value_t *value)
{
    switch (convo_value_type(value)) {
    case CONVO_VALUE_STRING:
    case CONVO_VALUE_NUMBER:
        return (convo_text_t){ value->text, value->len };
    case CONVO_VALUE_TRUE:
        return (convo_text_t){ "true", 4 };
    case CONVO_VALUE_FALSE:
        return (convo_text_t){ "false", 5 };
    case CONVO_VALUE_NULL:
        return (convo_text_t){ "null", 4 };
    default:
        return (convo_text_t){ NULL, 0 };
    }
}

bool
convo_value_is(const convo_value_t *value, const char *text, size_t len)
{
    return convo_value_type(value) == CONVO_VALUE_STRING && value->len == len
           && memcmp(value->text, text, len) == 0;
}

convo_text_t
convo_value_name(const convo_value_t *value)
{
    if (value == NULL) {
        return (convo_text_t){ NULL, 0 };
    }

    return (convo_text_t){ value->name, value->name_len };
}

size_t
convo_value_count(const convo_value_t *value)
{
    switch (convo_value_type(value)) {
    case CONVO_VALUE_ARRAY:
    case CONVO_VALUE_OBJECT:
        return value->len;
    default:
        return 0;
    }
}

const convo_value_t *
convo_value_next(const convo_value_t *parent, const convo_value_t *child)
{
    if (convo_value_count(parent) == 0) {
        return NULL;
    }

    child = child == NULL ? parent + 1 : child + child->span;

    return child < parent + parent->span ? child : NULL;
}

const convo_value_t *
convo_value_member(const convo_value_t *object, const char *name, size_t len)
{
    const convo_value_t *member = NULL;

    if (convo_value_type(object) != CONVO_VALUE_OBJECT) {
        return NULL;
    }

    while ((member = convo_value_next(object, member)) != NULL) {
        if (member->name_len == len && memcmp(member->name, name, len) == 0) {
            return member;
        }
    }

    return NULL;
}

bool
convo_value_number(const convo_value_t *value, double *number)
{
    convo_number_t read;
    convo_text_t text = convo_value_text(value);

    if (convo_value_type(value) != CONVO_VALUE_NUMBER
        || !convo_number_read(&read, &text)) {
        return false;
    }

    *number = convo_number_double(&read);

    return true;
}

/* Where JSON is written to, or only counted. */
typedef struct {
    char *out; /* NULL to count */
    size_t len;
} convo_value_out_t;

static void
convo_value_put(convo_value_out_t *to, const char *text, size_t len)
{
    if (to->out != NULL && len > 0) {
        memcpy(to->out + to->len, text, len);
    }

    to->len += len;
}

static void
convo_value_put_escaped(convo_value_out_t *to, unsigned char ch)
{
    static const char names[] = "\"\\bfnrt";
    static const char characters[] = "\"\\\b\f\n\r\t";
    static const char digits[] = "0123456789abcdef";
    char escape[] = { '\\', 'u', '0', '0', digits[ch >> 4], digits[ch & 15] };
    const char *found = strchr(characters, ch);

    if (found != NULL) {
        escape[1] = names[found - characters];
    }

    convo_value_put(to, escape, found != NULL ? 2 : sizeof(escape));
}

static void
convo_value_put_string(convo_value_out_t *to, const char *text, size_t len)
{
    convo_value_put(to, "\"", 1);

    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char) text[i];

        if (ch < 0x20 || ch == '"' || ch == '\\') {
            convo_value_put_escaped(to, ch);
        } else {
            convo_value_put(to, text + i, 1);
        }
    }

    convo_value_put(to, "\"", 1);
}

/* A scalar, or the bracket with which an object or array begins. */
static void
convo_value_put_begin(convo_value_out_t *to, const convo_value_t *value,
                      const convo_value_t *parent)
{
    convo_text_t text = convo_value_text(value);

    if (convo_value_type(parent) == CONVO_VALUE_OBJECT) {
        convo_value_put_string(to, value->name, value->name_len);
        convo_value_put(to, ":", 1);
    }

    switch (convo_value_type(value)) {
    case CONVO_VALUE_STRING:
        convo_value_put_string(to, text.data, text.len);
        break;
    case CONVO_VALUE_ARRAY:
        convo_value_put(to, "[", 1);
        break;
    case CONVO_VALUE_OBJECT:
        convo_value_put(to, "{", 1);
        break;
    default:
        convo_value_put(to, text.data, text.len);
        break;
    }
}

size_t
convo_value_json(const convo_value_t *value, char *out)
{
    const convo_value_t *open[CONVO_DOCUMENT_DEPTH_MAX];
    const convo_value_t *innermost = NULL;
    convo_value_out_t to = { out, 0 };
    size_t depth = 0;

    if (value == NULL) {
        return 0;
    }

    for (const convo_value_t *at = value; at < value + value->span; at++) {
        if (innermost != NULL && at != innermost + 1) {
            convo_value_put(&to, ",", 1);
        }

        convo_value_put_begin(&to, at, innermost);

        if (at->type == CONVO_VALUE_ARRAY || at->type == CONVO_VALUE_OBJECT) {
            open[depth++] = at;
            innermost = at;
        }

        while (innermost != NULL && innermost + innermost->span == at + 1) {
            convo_value_put(
                &to, innermost->type == CONVO_VALUE_ARRAY ? "]" : "}", 1);
            depth--;
            innermost = depth > 0 ? open[depth - 1] : NULL;
        }
    }

    return to.len;
}
