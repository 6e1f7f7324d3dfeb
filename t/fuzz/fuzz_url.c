/*
 * convo_url: any bytes as an address.  What is taken can be put into a line,
 * between quotation marks, and before a path.
 */

#include "input.h"

#include <string.h>

#include "convo_url.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *) data;

    if (convo_url_error(text, len, "http") == NULL) {
        MUST(len > 7 && memcmp(text, "http", 4) == 0);

        for (size_t i = 0; i < len; i++) {
            MUST(text[i] > ' ' && text[i] < 0x7f);
            MUST(strchr("@?#\"\\", text[i]) == NULL);
        }
    }

    return 0;
}
