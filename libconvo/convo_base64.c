/*
 * Base 64; see convo_base64.h.  Works on the caller's memory alone.
 */

#include "convo_base64.h"

static const char standard[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";


/* Three bytes or the last one or two: writes one more digit than bytes. */
static char *
encode_group(char *out, const unsigned char *in, size_t n,
             const char *alphabet)
{
    unsigned long bits = (unsigned long) in[0] << 16;

    if (n > 1) {
        bits |= (unsigned long) in[1] << 8;
    }

    if (n > 2) {
        bits |= in[2];
    }

    for (size_t i = 0; i <= n; i++) {
        *out++ = alphabet[bits >> (18 - 6 * i) & 63];
    }

    return out;
}


static char *
encode(char *out, const unsigned char *in, size_t len, const char *alphabet)
{
    while (len > 0) {
        size_t n = len < 3 ? len : 3;

        out = encode_group(out, in, n, alphabet);
        in += n;
        len -= n;
    }

    return out;
}


size_t
convo_base64(char *out, const unsigned char *in, size_t len)
{
    char *end = encode(out, in, len, standard);

    while ((end - out) % 4 != 0) {
        *end++ = '=';
    }

    *end = '\0';
    return (size_t) (end - out);
}


size_t
convo_base64url(char *out, const unsigned char *in, size_t len)
{
    char *end = encode(out, in, len, url);

    *end = '\0';
    return (size_t) (end - out);
}


static int
digit(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    return c == '-' ? 62 : c == '_' ? 63 : -1;
}


long
convo_base64url_decode(unsigned char *out, const char *in, size_t len)
{
    unsigned long bits = 0;
    unsigned int held = 0;
    long n = 0;

    if (len % 4 == 1) {
        return -1;
    }

    for (size_t i = 0; i < len; i++) {
        int value = digit(in[i]);

        if (value < 0) {
            return -1;
        }

        bits = (bits << 6 | (unsigned long) value) & 0xffff;
        held += 6;

        if (held >= 8) {
            held -= 8;
            out[n++] = (unsigned char) (bits >> held & 0xff);
        }
    }

    /* what is left over must be zero, or two texts would mean the same */
    return (bits & ((1ul << held) - 1)) == 0 ? n : -1;
}
