/*
 * convo_base64: the vectors of RFC 4648 section 10, and texts that are no
 * encoding of anything.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "convo_base64.h"

static const struct {
    const char *bytes;
    const char *standard;
    const char *url;
} vectors[] = {
    { "", "", "" },
    { "f", "Zg==", "Zg" },
    { "fo", "Zm8=", "Zm8" },
    { "foo", "Zm9v", "Zm9v" },
    { "foob", "Zm9vYg==", "Zm9vYg" },
    { "fooba", "Zm9vYmE=", "Zm9vYmE" },
    { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    { "\xfb\xff\xfe", "+//+", "-__-" },
};

#define COUNT (sizeof(vectors) / sizeof(vectors[0]))


static void
vectors_are_encoded(void **state)
{
    char text[16];

    (void) state;

    for (size_t i = 0; i < COUNT; i++) {
        const unsigned char *in = (const unsigned char *) vectors[i].bytes;
        size_t len = strlen(vectors[i].bytes);

        assert_int_equal(convo_base64(text, in, len),
                         strlen(vectors[i].standard));
        assert_string_equal(text, vectors[i].standard);
        assert_int_equal(convo_base64url(text, in, len),
                         strlen(vectors[i].url));
        assert_string_equal(text, vectors[i].url);
    }
}


static void
vectors_are_decoded(void **state)
{
    unsigned char bytes[16];

    (void) state;

    for (size_t i = 0; i < COUNT; i++) {
        long len = convo_base64url_decode(bytes, vectors[i].url,
                                          strlen(vectors[i].url));

        assert_int_equal(len, strlen(vectors[i].bytes));
        assert_memory_equal(bytes, vectors[i].bytes, (size_t) len);
    }
}


static void
anything_else_is_refused(void **state)
{
    static const char *const bad[] = { "Z",    "Zm9vY", "Zg==", "Zm8=", "+//+",
                                       "Zm 8", "Zm8\n", "Zh",   "Zm9",
                                       "Z\xc3g" };
    unsigned char bytes[16];

    (void) state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(
            convo_base64url_decode(bytes, bad[i], strlen(bad[i])), -1);
    }
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_encoded),
        cmocka_unit_test(vectors_are_decoded),
        cmocka_unit_test(anything_else_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
