/*
 * A view of bytes that belong to somebody else.
 */

#ifndef CONVO_TEXT_H
#define CONVO_TEXT_H

#include <stddef.h>

typedef struct {
    const char *data; /* need not be terminated */
    size_t len;
} convo_text_t;

#endif /* CONVO_TEXT_H */
