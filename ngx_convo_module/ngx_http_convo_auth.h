/*
 * Who is the user: the only thing other rooms know of the auth room.
 */

#ifndef _NGX_HTTP_CONVO_AUTH_H_INCLUDED_
#define _NGX_HTTP_CONVO_AUTH_H_INCLUDED_


#include "ngx_http_convo.h"
#include "convo_keys.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* the longest "sub" accepted (OpenID Connect Core 1.0, section 2) */

#define NGX_HTTP_CONVO_SUB_MAX  255


typedef struct {
    ngx_str_t  sub;       /* 1..NGX_HTTP_CONVO_SUB_MAX bytes, no controls */
    time_t     expires;   /* the token's "exp", epoch seconds */
    time_t     issued;    /* its "iat", epoch seconds; 0: it does not say */
    ngx_str_t  sign_in;   /* its "origin_jti", else "jti", else empty */
} ngx_http_convo_auth_user_t;


/*
 * The user whom the location's convo_auth has verified for this request, or
 * NULL where sign-in is off (or not yet decided).  The result lives as long
 * as the request.  Does no I/O and never decides anything itself.
 */
const ngx_http_convo_auth_user_t *ngx_http_convo_auth_user(
    ngx_http_request_t *r);

/*
 * The verified token itself, where there is a user; as long as the request.
 * It is a secret: it goes back to the user, and nowhere else.
 */
const ngx_str_t *ngx_http_convo_auth_token(ngx_http_request_t *r);

/*
 * What the verified token tells of the user's e-mail address, for locations
 * that take tokens which do not tell it: 1, and whether it is verified; 0 where
 * there is no such location, or the token does not tell it either.  The key of
 * what is remembered of the user: NGX_OK, or NGX_ERROR.
 */
ngx_uint_t ngx_http_convo_auth_tells_email(ngx_http_request_t *r,
    ngx_uint_t *verified);
ngx_int_t ngx_http_convo_auth_email_key(ngx_http_request_t *r,
    convo_key_t *key);

/* The configuration that is read has a place where that is remembered. */
void ngx_http_convo_auth_expect_sign_in(ngx_conf_t *cf);

/* 1 where the location that is being merged takes tokens from no cookie and no
 * query, else 0. */
ngx_uint_t ngx_http_convo_auth_takes_header_only(ngx_conf_t *cf);

/* 1 where the location that is being merged asks Redis for it, else 0. */
ngx_uint_t ngx_http_convo_auth_asks_email(ngx_conf_t *cf);

/* 1 where convo_auth is on in the request's location, else 0. */
ngx_uint_t ngx_http_convo_auth_is_on(ngx_http_request_t *r);

/*
 * The same of the location whose configuration is being merged, for rooms
 * that are merged after this one.
 */
ngx_uint_t ngx_http_convo_auth_is_configured(ngx_conf_t *cf);

/*
 * For /readyz, which asks without a token: 0 when a location of the request's
 * server needed keys and this process could get none, else 1.
 */
ngx_uint_t ngx_http_convo_auth_has_keys(ngx_http_request_t *r);


/* How many tokens "convo_auth_cache zone=" holds now; 0 without one. */
ngx_uint_t ngx_http_convo_auth_cached(ngx_http_request_t *r);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_AUTH_H_INCLUDED_ */
