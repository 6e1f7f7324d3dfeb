/*
 * Inside the revocation room: a feed, as its files know it.
 */

#ifndef _NGX_HTTP_CONVO_REVOCATION_FEED_H_INCLUDED_
#define _NGX_HTTP_CONVO_REVOCATION_FEED_H_INCLUDED_


#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_revocation.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* a cursor of Redis's SCAN: an unsigned number of 64 bits */

#define NGX_HTTP_CONVO_REVOCATION_CURSOR  NGX_INT64_LEN


/* what is configured stands first and is never written again */

struct ngx_http_convo_revocation_feed_s {
    ngx_http_convo_redis_t  *redis;
    int64_t                  lifetime;    /* ms, the longest of all locations */
    ngx_pool_t              *pool;        /* of the configuration */

    convo_revoked_t         *table;       /* NULL: not followed yet */
    ngx_event_t              tick;
    ngx_event_t              tell;        /* posted */
    ngx_queue_t              waiting;     /* requests */
    ngx_queue_t              watching;
    ngx_msec_t               started;
    ngx_msec_t               lost;        /* when it was current last */
    ngx_msec_t               read_at;     /* where "wanted" */
    ngx_uint_t               known;       /* in the gauge */
    u_char                   cursor[NGX_HTTP_CONVO_REVOCATION_CURSOR];
    size_t                   cursor_len;
    unsigned                 live:1;      /* subscribed */
    unsigned                 current:1;   /* and read since */
    unsigned                 complete:1;  /* current, now or once */
    unsigned                 wanted:1;    /* a page, at read_at */
    unsigned                 asking:1;    /* for a page */
};


/* The feed of the request's location, followed; NULL where none is asked. */
ngx_http_convo_revocation_feed_t *ngx_http_convo_revocation_feed(
    ngx_http_request_t *r);

/* Begins to follow, unless it does; NGX_ERROR when memory is short. */
ngx_int_t ngx_http_convo_revocation_feed_start(
    ngx_http_convo_revocation_feed_t *feed);

/* The process ends: frees the table. */
void ngx_http_convo_revocation_feed_stop(
    ngx_http_convo_revocation_feed_t *feed);

/* 1 while the table says all, or did so a moment ago. */
ngx_uint_t ngx_http_convo_revocation_feed_is_known(
    const ngx_http_convo_revocation_feed_t *feed);

/* How long a request may still wait for the first reading, ms; 0: not. */
ngx_msec_t ngx_http_convo_revocation_feed_patience(
    const ngx_http_convo_revocation_feed_t *feed);

/* 1 when the table has the user's token. */
ngx_uint_t ngx_http_convo_revocation_feed_has(
    const ngx_http_convo_revocation_feed_t *feed,
    const ngx_http_convo_auth_user_t *user);


/* _watch: posted when something is in the table that was not before. */
void ngx_http_convo_revocation_tell(ngx_event_t *ev);

/* _watch: lets a request wait; NGX_AGAIN or NGX_ERROR. */
ngx_int_t ngx_http_convo_revocation_wait(ngx_http_request_t *r,
    ngx_http_convo_revocation_feed_t *feed, ngx_msec_t patience,
    ngx_http_convo_revocation_resume_pt resume);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_REVOCATION_FEED_H_INCLUDED_ */
