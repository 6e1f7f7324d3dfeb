/*
 * Ask Redis: scripts and subscriptions over one command connection and one
 * subscriber connection per process and Redis, on NGINX's event loop.
 *
 * Nothing here blocks.  A caller hands over a pool; when that pool goes (the
 * client left), the pending command is detached: it still runs in Redis, but
 * its answer is dropped and the handler is never called.
 */

#ifndef _NGX_HTTP_CONVO_REDIS_H_INCLUDED_
#define _NGX_HTTP_CONVO_REDIS_H_INCLUDED_


#include "ngx_http_convo.h"
#include "convo_scripts.h"

#include <hiredis/hiredis.h>


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* one configured Redis ("convo_redis"), the same object where inherited */

typedef struct ngx_http_convo_redis_s  ngx_http_convo_redis_t;


/* The Redis of the request's location, or NULL where none is configured. */
ngx_http_convo_redis_t *ngx_http_convo_redis_get(ngx_http_request_t *r);


/*
 * Called once with the reply, which is freed after the handler returns and
 * may be an error (reply->type == REDIS_REPLY_ERROR).  A NULL reply means
 * that no answer came: the connection was lost, the command timed out, or
 * the reply was malformed.  The command may have taken effect all the same.
 */
typedef void (*ngx_http_convo_redis_reply_pt)(void *data,
    const redisReply *reply);

/*
 * Runs a script: EVALSHA, and once more by EVAL when Redis answers NOSCRIPT.
 * Keys and arguments are copied.  The handler is never called from within
 * this function.
 *
 *   NGX_OK        sent or queued for this turn of the event loop
 *   NGX_DECLINED  Redis is down: nothing was sent, nothing will be called
 *   NGX_ERROR     out of memory
 */
ngx_int_t ngx_http_convo_redis_eval(ngx_http_convo_redis_t *redis,
    ngx_pool_t *pool, convo_script_e script,
    const ngx_str_t *keys, ngx_uint_t nkeys,
    const ngx_str_t *args, ngx_uint_t nargs,
    ngx_http_convo_redis_reply_pt handler, void *data);


/* what a subscriber is told */

typedef enum {
    NGX_HTTP_CONVO_REDIS_READY = 0,  /* (again) subscribed: read now */
    NGX_HTTP_CONVO_REDIS_MESSAGE,    /* something changed: read again */
    NGX_HTTP_CONVO_REDIS_LOST        /* cut off; READY follows some time */
} ngx_http_convo_redis_event_e;

typedef void (*ngx_http_convo_redis_event_pt)(void *data,
    ngx_http_convo_redis_event_e event);

/*
 * Follows a channel until the pool is destroyed, through any number of
 * reconnections.  Subscribers of one channel share one SUBSCRIBE.  A publish
 * carries no content to the caller: it is only a hint to read again.
 *
 *   NGX_OK     the channel is subscribed already: read now (no READY comes)
 *   NGX_AGAIN  READY is called when Redis has confirmed
 *   NGX_ERROR  out of memory
 */
ngx_int_t ngx_http_convo_redis_subscribe(ngx_http_convo_redis_t *redis,
    ngx_pool_t *pool, const ngx_str_t *channel,
    ngx_http_convo_redis_event_pt handler, void *data);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_REDIS_H_INCLUDED_ */
