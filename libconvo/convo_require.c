/*
 * A required claim; see convo_require.h.  It neither allocates nor keeps
 * anything, and what it asks of the edge it asks once.
 */

#include "convo_require.h"

#include <string.h>

static bool
convo_require_is_same(const convo_text_t *a, const convo_text_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static bool
convo_require_is_word(const convo_text_t *text, const char *word)
{
    return text->len == strlen(word)
           && memcmp(text->data, word, text->len) == 0;
}

/* Finds what the right side is, and takes its quotation marks away. */
static void
convo_require_take_value(convo_require_t *require)
{
    convo_text_t *value = &require->value;

    require->type = CONVO_REQUIRE_STRING;

    if (require->op == CONVO_REQUIRE_MATCH) {
        return;
    }

    if (value->len >= 2 && value->data[0] == '"'
        && value->data[value->len - 1] == '"') {
        value->data++;
        value->len -= 2;
        require->is_quoted = true;

    } else if (convo_number_read(&require->number, value)) {
        require->type = CONVO_REQUIRE_NUMBER;

    } else if (convo_require_is_word(value, "true")
               || convo_require_is_word(value, "false")) {
        require->type = CONVO_REQUIRE_BOOLEAN;

    } else if (convo_require_is_word(value, "null")) {
        require->type = CONVO_REQUIRE_NULL;
    }
}

/* Takes "!" and "?" off the end of the name; false when they do not fit. */
static bool
convo_require_take_name(convo_require_t *require, const char *name, size_t len)
{
    if (len > 0 && name[len - 1] == '!') {
        if (require->op == CONVO_REQUIRE_MATCH) {
            return false;
        }

        require->op = CONVO_REQUIRE_DIFFERENT;
        len--;
    }

    if (len > 0 && name[len - 1] == '?') {
        require->if_there = true;
        len--;
    }

    require->path = (convo_text_t){ name, len };

    return len > 0;
}

bool
convo_require_parse(convo_require_t *require, const convo_text_t *text)
{
    size_t at = 0;

    memset(require, 0, sizeof(*require));

    while (at < text->len && text->data[at] != '=' && text->data[at] != '~') {
        at++;
    }

    if (at == text->len) {
        return false;
    }

    if (text->data[at] == '~') {
        require->op = CONVO_REQUIRE_MATCH;
    }

    if (!convo_require_take_name(require, text->data, at)) {
        return false;
    }

    at++;

    if (require->op == CONVO_REQUIRE_MATCH && at < text->len
        && text->data[at] == '*') {
        require->caseless = true;
        at++;
    }

    require->value = (convo_text_t){ text->data + at, text->len - at };
    convo_require_take_value(require);

    return require->op != CONVO_REQUIRE_MATCH || require->value.len > 0;
}

bool
convo_require_is_email(const convo_require_t *require)
{
    return convo_require_is_word(&require->path, "email_verified");
}

bool
convo_require_is_email_verified(const convo_require_t *require)
{
    return convo_require_is_email(require)
           && require->op == CONVO_REQUIRE_EQUAL
           && require->type == CONVO_REQUIRE_BOOLEAN
           && convo_require_is_word(&require->value, "true");
}

/* Both are numbers by their text, and equal. */
static bool
convo_require_same_number(const convo_text_t *a, const convo_text_t *b)
{
    convo_number_t x, y;

    return convo_number_read(&x, a) && convo_number_read(&y, b)
           && convo_number_equal(&x, &y);
}

/*
 * Whether a scalar is the value, as JSON.  Some federations send the boolean
 * "email_verified" as a string: that one is taken for the boolean.
 */
static bool
convo_require_equal(const convo_require_t *require,
                    const convo_value_t *scalar, const convo_text_t *value)
{
    convo_text_t text = convo_value_text(scalar);
    convo_require_type_e type = require->type;

    switch (convo_value_type(scalar)) {
    case CONVO_VALUE_STRING:
        return (type == CONVO_REQUIRE_STRING || type == CONVO_REQUIRE_TEXT
                || (type == CONVO_REQUIRE_BOOLEAN
                    && convo_require_is_email(require)))
               && convo_require_is_same(&text, value);
    case CONVO_VALUE_NUMBER:
        return (type == CONVO_REQUIRE_NUMBER || type == CONVO_REQUIRE_TEXT)
               && convo_require_same_number(&text, value);
    case CONVO_VALUE_TRUE:
    case CONVO_VALUE_FALSE:
        return (type == CONVO_REQUIRE_BOOLEAN || type == CONVO_REQUIRE_TEXT)
               && convo_require_is_same(&text, value);
    case CONVO_VALUE_NULL:
        return type == CONVO_REQUIRE_NULL;
    default:
        return false;
    }
}

/*
 * Whether a value surely is another one.  An issuer may send "true" for true
 * or "18" for 18: who means to shut them out shall not let them in by that.
 */
static bool
convo_require_differs(const convo_require_t *require,
                      const convo_value_t *scalar, const convo_text_t *value)
{
    convo_text_t text = convo_value_text(scalar);

    if (require->type == CONVO_REQUIRE_NULL) {
        return convo_value_type(scalar) != CONVO_VALUE_NULL;
    }

    return text.data != NULL && !convo_require_is_same(&text, value)
           && !convo_require_same_number(&text, value);
}

static bool
convo_require_scalar(const convo_require_t *require,
                     const convo_value_t *scalar, const convo_text_t *value,
                     const convo_require_edge_t *edge)
{
    convo_text_t text;

    switch (require->op) {
    case CONVO_REQUIRE_EQUAL:
        return convo_require_equal(require, scalar, value);
    case CONVO_REQUIRE_DIFFERENT:
        return convo_require_differs(require, scalar, value);
    default:
        text = convo_value_text(scalar);

        return convo_value_type(scalar) == CONVO_VALUE_STRING && edge != NULL
               && edge->matches(edge->request, require, &text);
    }
}

/* One element must hold; all must of what must be different. */
static bool
convo_require_array(const convo_require_t *require,
                    const convo_value_t *array, const convo_text_t *value,
                    const convo_require_edge_t *edge)
{
    bool is_all = require->op == CONVO_REQUIRE_DIFFERENT;
    const convo_value_t *element = NULL;

    while ((element = convo_value_next(array, element)) != NULL) {
        if (convo_require_scalar(require, element, value, edge) != is_all) {
            return !is_all;
        }
    }

    return is_all;
}

convo_require_answer_e
convo_require_check(const convo_require_t *require,
                    const convo_value_t *claim,
                    const convo_require_edge_t *edge)
{
    convo_text_t value = require->value;
    convo_value_e type = convo_value_type(claim);
    bool holds;

    if (type == CONVO_VALUE_NONE
        || (type == CONVO_VALUE_NULL && require->type != CONVO_REQUIRE_NULL)) {
        return require->if_there ? CONVO_REQUIRE_HOLDS : CONVO_REQUIRE_FAILS;
    }

    if (require->edge != NULL && require->op != CONVO_REQUIRE_MATCH) {
        if (edge == NULL || !edge->value(edge->request, require, &value)) {
            return CONVO_REQUIRE_ERROR;
        }

        /* a variable that is not there is nobody's claim */
        if (value.len == 0 && require->op == CONVO_REQUIRE_EQUAL) {
            return CONVO_REQUIRE_FAILS;
        }
    }

    if (type == CONVO_VALUE_ARRAY) {
        holds = convo_require_array(require, claim, &value, edge);
    } else {
        holds = convo_require_scalar(require, claim, &value, edge);
    }

    return holds ? CONVO_REQUIRE_HOLDS : CONVO_REQUIRE_FAILS;
}
