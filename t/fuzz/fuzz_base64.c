/*
 * convo_base64: any bytes as a text to decode, and as bytes to encode.  What
 * decodes has one spelling only; what was encoded decodes to itself.  The
 * buffers are exactly as long as the contracts ask for.
 */

#include "input.h"

#include <string.h>

#include "convo_base64.h"


static void
decode(const char *text, size_t len)
{
    unsigned char *bytes = malloc(len / 4 * 3 + 2);
    long n = convo_base64url_decode(bytes, text, len);

    if (n >= 0) {
        char *again = malloc(CONVO_BASE64_LEN((size_t) n) + 1);

        MUST(convo_base64url(again, bytes, (size_t) n) == len);
        MUST(memcmp(again, text, len) == 0);
        free(again);
    }

    free(bytes);
}


static void
encode(const uint8_t *bytes, size_t len)
{
    char *text = malloc(CONVO_BASE64_LEN(len) + 1);
    size_t n = convo_base64url(text, bytes, len);
    unsigned char *again = malloc(n / 4 * 3 + 2);

    MUST(convo_base64url_decode(again, text, n) == (long) len);
    MUST(memcmp(again, bytes, len) == 0);
    MUST(convo_base64(text, bytes, len) == CONVO_BASE64_LEN(len));

    free(again);
    free(text);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    decode((const char *) data, len);
    encode(data, len);

    return 0;
}
