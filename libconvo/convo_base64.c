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


/* What each byte stands for as a digit; above 63 for none. */
#define XX 255

static const unsigned char digits[256] = {
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, 62, XX, XX,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, XX, XX, XX, XX, XX, XX,
    XX,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14,
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, XX, XX, XX, XX, 63,
    XX, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
    XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX, XX,
};

#undef XX


/* The last two or three digits, whose spare bits must be zero. */
static long
decode_end(unsigned char *out, const unsigned char *in, size_t len)
{
    unsigned int first = digits[in[0]];
    unsigned int second = digits[in[1]];
    unsigned int third = len > 2 ? digits[in[2]] : 0;
    unsigned int bits = first << 12 | second << 6 | third;

    if ((first | second | third) > 63 || (bits & (len > 2 ? 3 : 0x3ff)) != 0) {
        return -1;
    }

    out[0] = (unsigned char) (bits >> 10);

    if (len > 2) {
        out[1] = (unsigned char) (bits >> 2);
    }

    return (long) len - 1;
}


long
convo_base64url_decode(unsigned char *out, const char *text, size_t len)
{
    const unsigned char *in = (const unsigned char *) text;
    unsigned char *start = out;
    unsigned int bits;
    long last = 0;

    for (; len >= 4; len -= 4, in += 4, out += 3) {
        unsigned int a = digits[in[0]];
        unsigned int b = digits[in[1]];
        unsigned int c = digits[in[2]];
        unsigned int d = digits[in[3]];

        if ((a | b | c | d) > 63) {
            return -1;
        }

        bits = a << 18 | b << 12 | c << 6 | d;
        out[0] = (unsigned char) (bits >> 16);
        out[1] = (unsigned char) (bits >> 8);
        out[2] = (unsigned char) bits;
    }

    if (len == 1) {
        return -1;
    }

    /* two texts must not mean the same: what is left over is zero */
    if (len > 0) {
        last = decode_end(out, in, len);
    }

    return last < 0 ? -1 : out - start + last;
}
