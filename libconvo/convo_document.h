/*
 * The JSON of tokens, read in place: one text becomes one flat array of
 * values, without a byte of heap.
 *
 * Strings are decoded where they stand, so the text is the values' memory.
 * Stricter than most readers, as two that differ about a token are a hole:
 * duplicate members are refused at every depth, by their decoded names, and
 * so are NUL, what is not UTF-8, and any byte that RFC 8259 does not allow.
 *
 * How it fails: a text is read whole or refused; depth, values and bytes are
 * bounded, and time is n log n in them however the text was made.  jansson
 * (convo_json.h) is for documents whose reading is not in a request's way.
 */

#ifndef CONVO_DOCUMENT_H
#define CONVO_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "convo_text.h"

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* Objects and arrays inside each other; real tokens have three. */
#define CONVO_DOCUMENT_DEPTH_MAX 8

/* Members of one object. */
#define CONVO_DOCUMENT_MEMBERS_MAX 512

/* Bytes of a text; lengths are kept in 16 bits. */
#define CONVO_DOCUMENT_LEN_MAX 65535

/* Bytes after the text that the reader overwrites, as it reads by words. */
#define CONVO_DOCUMENT_SLACK 8

typedef enum {
    CONVO_VALUE_NONE = 0, /* no value at all */
    CONVO_VALUE_NULL,
    CONVO_VALUE_FALSE,
    CONVO_VALUE_TRUE,
    CONVO_VALUE_NUMBER,
    CONVO_VALUE_STRING,
    CONVO_VALUE_ARRAY,
    CONVO_VALUE_OBJECT,
} convo_value_e;

/*
 * One value.  What is inside an array or object follows it in the array, in
 * the order of the text.  Only convo_document.c looks at its members; others
 * use the functions below, all of which take NULL for "no value".
 */
typedef struct {
    const char *name; /* of a member; NUL terminated */
    const char *text; /* of a string (NUL terminated) or number (not) */
    uint16_t name_len;
    uint16_t len;  /* of the text, or how many values are directly inside */
    uint16_t span; /* how many values it takes, all that is inside included */
    uint16_t type; /* convo_value_e */
} convo_value_t;

/*
 * Reads an object or array of len bytes, around which blanks may be.  The
 * text is overwritten and CONVO_DOCUMENT_SLACK bytes after it become NUL; it
 * must live as long as the values, which point into it.
 *
 *   max     values that there is room for, the outermost included
 *   depth   at most this deep, at most CONVO_DOCUMENT_DEPTH_MAX
 *
 * Returns how many values were read, the first being the outermost; 0 when
 * the text is refused.
 */
size_t convo_document_read(convo_value_t *values, size_t max, size_t depth,
                           char *text, size_t len);

/*
 * Makes n values that were copied point into a copy of their text: from and
 * to are the first byte of the text and of its copy.
 */
void convo_document_move(convo_value_t *values, size_t n, const char *from,
                         char *to);

convo_value_e convo_value_type(const convo_value_t *value);

/*
 * A string decoded, a number as it was spelt, "true", "false" or "null"; data
 * is NULL for anything else.  A string is NUL terminated and has no NUL
 * inside, but may well have other control characters.
 */
convo_text_t convo_value_text(const convo_value_t *value);

/* True when the value is a string of exactly these bytes. */
bool convo_value_is(const convo_value_t *value, const char *text, size_t len);

/* A member's name; data is NULL for what is in no object. */
convo_text_t convo_value_name(const convo_value_t *value);

/* How many members or elements an object or array has, else 0. */
size_t convo_value_count(const convo_value_t *value);

/*
 * What comes after child inside an object or array, in the order of the
 * text; the first when child is NULL.  NULL when there are no more.
 */
const convo_value_t *convo_value_next(const convo_value_t *parent,
                                      const convo_value_t *child);

/* The member of exactly this name; NULL when there is none. */
const convo_value_t *convo_value_member(const convo_value_t *object,
                                        const char *name, size_t len);

/*
 * The number's double: the nearest up to 15 digits (convo_number.h).  False
 * for anything else.
 */
bool convo_value_number(const convo_value_t *value, double *number);

/*
 * The value as compact JSON without a NUL: numbers as they were spelt, in
 * strings only what must be is escaped.  Writes to out unless that is NULL,
 * and returns the length, which is below six times the text's.
 */
size_t convo_value_json(const convo_value_t *value, char *out);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_DOCUMENT_H */
