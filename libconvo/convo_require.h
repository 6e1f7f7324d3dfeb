/*
 * One claim that a location requires: "NAME=VALUE", "NAME!=VALUE" or
 * "NAME~REGEX".
 *
 * It fails closed: what is not there or cannot be compared does not hold,
 * whatever the operator.  Numbers and booleans are compared as JSON, numbers
 * exactly.  Regular expressions and values of variables belong to the edge,
 * which is asked for them; nothing else here knows what a request is.
 */

#ifndef CONVO_REQUIRE_H
#define CONVO_REQUIRE_H

#include <stdbool.h>

#include "convo_document.h"
#include "convo_number.h"
#include "convo_text.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

typedef enum {
    CONVO_REQUIRE_EQUAL = 0,
    CONVO_REQUIRE_DIFFERENT,
    CONVO_REQUIRE_MATCH,
} convo_require_e;

/* What the right side is, by how it was written. */
typedef enum {
    CONVO_REQUIRE_STRING = 0, /* a word, or anything in quotation marks */
    CONVO_REQUIRE_NUMBER,
    CONVO_REQUIRE_BOOLEAN,
    CONVO_REQUIRE_NULL,
    CONVO_REQUIRE_TEXT, /* not known before: taken as the claim's type */
} convo_require_type_e;

typedef struct {
    convo_text_t path; /* of convo_claims_find() */
    convo_require_e op;
    bool if_there; /* "?": holds as well without the claim */
    bool caseless; /* "~*" */
    bool is_quoted; /* the value was in quotation marks */

    convo_text_t value; /* right of the operator, without quotation marks */
    convo_require_type_e type;
    convo_number_t number; /* of type NUMBER */

    const void *edge; /* not NULL: value is the edge's to tell */
} convo_require_t;

/* How the edge is asked, within one request. */
typedef struct {
    /* The value of a require whose edge is set; false: out of memory. */
    bool (*value)(void *request, const convo_require_t *require,
                  convo_text_t *value);

    /* True when the require's expression is found in the text. */
    bool (*matches)(void *request, const convo_require_t *require,
                    const convo_text_t *text);

    void *request;
} convo_require_edge_t;

typedef enum {
    CONVO_REQUIRE_HOLDS = 0,
    CONVO_REQUIRE_FAILS,
    CONVO_REQUIRE_ERROR, /* the edge is out of memory */
} convo_require_answer_e;

/*
 * Reads one require into which views of text go; edge is NULL then.  False
 * when it is none of the three, or has no name.
 *
 * A right side that is a JSON number, true, false or null is that; anything
 * else, and whatever is in quotation marks, is a string.
 */
bool convo_require_parse(convo_require_t *require, const convo_text_t *text);

/* True when it is of "email_verified", which has rules of its own. */
bool convo_require_is_email(const convo_require_t *require);

/* True when it is "email_verified=true". */
bool convo_require_is_email_verified(const convo_require_t *require);

/*
 * Whether it holds for a claim; NULL is a claim that is not there.
 *
 *   =    the claim is the value, or an array with an element that is
 *   !=   the claim is there and is not the value, nor is any element; what
 *        reads the same as another type ("18" and 18) counts as the value
 *   ~    the claim is a string in which the expression is found, or an array
 *        with such an element
 *
 * null counts as not there, except to "=null" and "!=null".
 */
convo_require_answer_e convo_require_check(const convo_require_t *require,
                                           const convo_value_t *claim,
                                           const convo_require_edge_t *edge);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_REQUIRE_H */
