/*
 * What the fuzz targets share: how one input of libFuzzer becomes the lines
 * or the Redis reply that a parser takes.
 *
 * Every piece is a copy of its own, exactly as long as its bytes, so that
 * AddressSanitizer sees a parser that reads one byte further.
 */

#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Something that always holds: where it does not, libFuzzer keeps the input
 * as for a crash. */
#define MUST(condition) ((condition) ? (void) 0 : input_broken(#condition))

typedef struct {
    const uint8_t *data;
    size_t len;
} input_t;

typedef struct {
    char *data; /* not NUL terminated */
    size_t len;
} input_text_t;

/* The entry point of each target; always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Takes the next line off the input, without its LF; "" when there is none.
 * The caller frees its data. */
input_text_t input_line(input_t *input);

/* Takes what is left of the input; otherwise the same. */
input_text_t input_rest(input_t *input);

/*
 * A Redis reply: a list with one element for each line that is left, which is
 * a string except ":1" an integer, "-" a nil, "*" an empty list, "!text" an
 * error and "~" none at all.  The caller frees it by freeReplyObject().
 */
redisReply *input_reply(input_t *input);

/* Names the condition and aborts. */
_Noreturn void input_broken(const char *condition);

#endif /* FUZZ_INPUT_H */
