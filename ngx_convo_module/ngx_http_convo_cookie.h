/*
 * The cookie that a sign-in sets and a sign-out takes away: its name, and how
 * it is guarded, stand here alone.
 */

#ifndef _NGX_HTTP_CONVO_COOKIE_H_INCLUDED_
#define _NGX_HTTP_CONVO_COOKIE_H_INCLUDED_


#include "ngx_http_convo.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* "__Host-": of this host alone, for all its paths, over TLS alone */

#define NGX_HTTP_CONVO_COOKIE  "__Host-convo"


/* 1 when browsers take a cookie with this token, else 0. */
ngx_uint_t ngx_http_convo_cookie_fits(const ngx_str_t *token);

/*
 * Adds the Set-Cookie header to the answer that is sent next: the token until
 * expires (epoch seconds).  A NULL token takes the cookie away.  NGX_OK, or
 * NGX_ERROR when memory is short.
 */
ngx_int_t ngx_http_convo_cookie_set(ngx_http_request_t *r,
    const ngx_str_t *token, time_t expires);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_COOKIE_H_INCLUDED_ */
