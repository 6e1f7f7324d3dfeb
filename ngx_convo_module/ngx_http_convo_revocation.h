/*
 * Revocation: is the sign-in of a verified token still good.
 *
 *   _module   the directive convo_auth_revocation, and one feed per Redis
 *   _feed     what was revoked, as this process knows it
 *   _watch    who is told: requests that wait, streams that are open
 *
 * Every process follows one feed per Redis: it subscribes to {convo}:revoked
 * and waits for the confirmation, then reads the whole set page by page into a
 * table (libconvo/convo_revoked.h), and applies the messages, which say all
 * there is to know.  A check is a look into the table.
 *
 * How it fails: closed.
 *   Redis goes         the feed stays good for the timeout of convo_redis, as a
 *                      short cut costs nobody anything; from then on it is
 *                      unknown, until the set was read again
 *   Redis falls silent it is taken for gone when a PING is not answered, within
 *                      six seconds; what is revoked meanwhile is known after
 *                      the reconnection
 *   Redis loses data   a process keeps what it knew; another does not know it
 *   a page is lost     the reading begins again after a pause
 *   the process starts its first requests wait for the reading, at most for
 *                      the timeout: a reload refuses nobody
 *   the process dies   the next one reads anew
 *   the table is full  the feed is unknown, as one revocation is not known;
 *                      read again every minute, in case others grew old
 *   the client goes    what waits or watches leaves with its pool
 */

#ifndef _NGX_HTTP_CONVO_REVOCATION_H_INCLUDED_
#define _NGX_HTTP_CONVO_REVOCATION_H_INCLUDED_


#include "ngx_http_convo_auth.h"
#include "ngx_http_convo_redis.h"
#include "convo_keys.h"
#include "convo_revoked.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* revocations that a process holds: at worst 150 MB, as a rule 40 */

#define NGX_HTTP_CONVO_REVOCATION_MAX  500000


/* The process has the feed, or shall refuse: run the phases again. */
typedef void (*ngx_http_convo_revocation_resume_pt)(ngx_http_request_t *r);

/*
 * Whether the verified user's token is revoked, in the request's location.
 *
 *   NGX_OK        it is not, or the location does not ask
 *   NGX_DECLINED  it is
 *   NGX_ERROR     that is not known
 *   NGX_AGAIN     the process has just begun: the handler is called soon, or
 *                 never when the request goes before
 */
ngx_int_t ngx_http_convo_revocation_check(ngx_http_request_t *r,
    const ngx_http_convo_auth_user_t *user,
    ngx_http_convo_revocation_resume_pt resume);

/* 1 where convo_auth_revocation is on in the request's location, else 0. */
ngx_uint_t ngx_http_convo_revocation_is_on(ngx_http_request_t *r);

/* How long a revocation is kept, ms, in the request's location. */
int64_t ngx_http_convo_revocation_lifetime(ngx_http_request_t *r);

/* The location that is being read asks no feed, whatever is said there. */
void ngx_http_convo_revocation_exempt(ngx_conf_t *cf);

/* For /readyz: 0 while a feed of this process is unknown, else 1. */
ngx_uint_t ngx_http_convo_revocation_is_known(ngx_http_request_t *r);


/* a request that lasts; embedded in what it is */

typedef struct ngx_http_convo_revocation_feed_s
    ngx_http_convo_revocation_feed_t;

typedef void (*ngx_http_convo_revocation_end_pt)(void *data);

typedef struct {
    ngx_queue_t                        queue;
    ngx_http_convo_revocation_feed_t  *feed;      /* NULL: does not watch */
    const ngx_http_convo_auth_user_t  *user;
    ngx_http_convo_revocation_end_pt   end;
    void                              *data;
} ngx_http_convo_revocation_watch_t;

/*
 * From here on the handler is called, once, when the request's token is
 * revoked; never from within, and never after unwatch().  It may destroy any
 * pool.  Nothing where the location does not ask.
 */
void ngx_http_convo_revocation_watch(ngx_http_request_t *r,
    ngx_http_convo_revocation_watch_t *watch,
    ngx_http_convo_revocation_end_pt end, void *data);

/* Harmless when repeated, and for a zeroed watch. */
void ngx_http_convo_revocation_unwatch(
    ngx_http_convo_revocation_watch_t *watch);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_REVOCATION_H_INCLUDED_ */
