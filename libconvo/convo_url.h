/*
 * Addresses that an operator writes: HOST[:PORT], and URLs that begin with
 * it.
 *
 * Pure: nothing is resolved, copied or allocated.
 */

#ifndef CONVO_URL_H
#define CONVO_URL_H

#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* The longest name of a host (RFC 1035, section 2.3.4). */
#define CONVO_URL_HOST_MAX 253

/*
 * Reads HOST[:PORT] at *text, before end, and moves *text behind it.  The host
 * is a name, an IPv4 address or an IPv6 address in brackets.  Returns NULL, or
 * what is wrong as the end of a sentence.
 */
const char *convo_url_authority(const char **text, const char *end);

/*
 * What is wrong with SCHEME://HOST[:PORT][/PATH], or the same with SCHEMEs, as
 * the end of a sentence; NULL when it is good.  scheme is "http" or "ws".  A
 * user, a query and a fragment have no place there, nor has a character that
 * would end a quoted text or a line.
 */
const char *convo_url_error(const char *url, size_t len, const char *scheme);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_URL_H */
