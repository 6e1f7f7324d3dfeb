
/*
 * The caller: whose request it is, in which pool, at which Redis.  Found once
 * at the begin of a content handler of the session and events rooms.
 */

#ifndef _NGX_HTTP_CONVO_CALLER_H_INCLUDED_
#define _NGX_HTTP_CONVO_CALLER_H_INCLUDED_


#include "ngx_http_convo_auth.h"
#include "ngx_http_convo_redis.h"
#include "convo_keys.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* lives in the request's pool and as long as that */

typedef struct {
    ngx_http_request_t      *request;
    ngx_http_convo_redis_t  *redis;
    ngx_str_t                pool;         /* a valid pool name */
    ngx_str_t                user;         /* the verified "sub" */
    ngx_str_t                key;          /* "{pool}:user:SUB", channel too */
    time_t                   expires;      /* of the token, epoch seconds */
    ngx_str_t                sign_in;      /* for scripts that ask whether it */
    ngx_str_t                issued;       /* was revoked; "" where none asks */
    ngx_uint_t               points;       /* per window */
    time_t                   window;       /* s */
    time_t                   session_max;  /* s */
} ngx_http_convo_caller_t;


/*
 * The caller of the request, or NULL where there is none: the answer (401
 * missing_token, 404 not_found for a pool that is none, 503
 * redis_unavailable) was then sent, and *rc is what a content handler
 * returns.  Fails closed where convo_auth is off.
 */
ngx_http_convo_caller_t *ngx_http_convo_caller_get(ngx_http_request_t *r,
    ngx_int_t *rc);

/*
 * "{pool}:kind" or "{pool}:kind:id" (where id is not NULL) in the caller's
 * pool.  NGX_ERROR where no such key can be: the id is empty or too long.
 */
ngx_int_t ngx_http_convo_caller_key(const ngx_http_convo_caller_t *caller,
    const char *kind, const char *id, size_t len, convo_key_t *key);

/*
 * How long a request of the caller may last, ms: a bit less than its token,
 * each another bit so that what was opened with one token does not come back
 * at once; never more.
 */
ngx_msec_t ngx_http_convo_caller_life(const ngx_http_convo_caller_t *caller);

/*
 * From here on the request waits for something else than its client: notices
 * when the client goes and finalizes the request then, also for one that has
 * gone already.
 */
void ngx_http_convo_caller_watch(ngx_http_request_t *r);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_CALLER_H_INCLUDED_ */
