/*
 * Base 64 as tokens use it (RFC 4648 sections 4 and 5), strictly: no blanks,
 * no line ends, no stray bits.
 */

#ifndef CONVO_BASE64_H
#define CONVO_BASE64_H

#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* Bytes that n bytes become, without the NUL. */
#define CONVO_BASE64_LEN(n) (((n) + 2) / 3 * 4)

/*
 * The standard alphabet with padding, and a NUL, into
 * out[CONVO_BASE64_LEN(len) + 1].  Returns the length.
 */
size_t convo_base64(char *out, const unsigned char *in, size_t len);

/* The URL alphabet without padding, otherwise the same. */
size_t convo_base64url(char *out, const unsigned char *in, size_t len);

/*
 * Decodes the URL alphabet without padding into out, which has room for
 * len / 4 * 3 + 2 bytes.  Returns the length, or -1 when the text is not the
 * one encoding of any bytes.
 */
long convo_base64url_decode(unsigned char *out, const char *in, size_t len);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_BASE64_H */
