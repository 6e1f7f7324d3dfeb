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
 * The same of the location whose configuration is being merged, for rooms
 * that are merged after this one.
 */
ngx_http_convo_redis_t *ngx_http_convo_redis_configured(ngx_conf_t *cf);

/*
 * 1 while the command connection of this process is signed in and answers,
 * else 0.  A process connects when it starts and again by itself, and asks an
 * idle connection for a sign of life every few seconds.
 */
ngx_uint_t ngx_http_convo_redis_is_up(ngx_http_convo_redis_t *redis);


/* what has happened in this process, for metrics; they only ever rise */

typedef struct {
    ngx_uint_t  commands;    /* scripts asked for and accepted */
    ngx_uint_t  errors;      /* of these, answered by an error reply */
    ngx_uint_t  timeouts;    /* of these, not answered in time */
    ngx_uint_t  lost;        /* of these, lost with their connection */
    ngx_uint_t  declined;    /* scripts refused because Redis was down */
    ngx_uint_t  reloads;     /* scripts sent again whole after NOSCRIPT */
    ngx_uint_t  connects;    /* connections that were signed in, both kinds */
    ngx_uint_t  failures;    /* attempts and connections that failed */
    ngx_uint_t  messages;    /* received by the subscriber */
} ngx_http_convo_redis_counters_t;

/* The counters of this process, as long as the configuration. */
const ngx_http_convo_redis_counters_t *ngx_http_convo_redis_counters(
    ngx_http_convo_redis_t *redis);

/* "redis://127.0.0.1:6379/0", without user and password; for log lines. */
const ngx_str_t *ngx_http_convo_redis_name(ngx_http_convo_redis_t *redis);


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
 * The time to an answer is bounded by the "timeout" of convo_redis, twice that
 * in the rare case of a NOSCRIPT.
 *
 *   NGX_OK        sent or queued for this turn of the event loop
 *   NGX_DECLINED  Redis is down or too much waits for it already: nothing was
 *                 sent, nothing will be called
 *   NGX_ERROR     out of memory, or the script cannot be asked so (too long,
 *                 not the number of keys and arguments it declares)
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
 *   NGX_ERROR  out of memory, or no name of 1..512 bytes
 *
 * The handler is never called from within this function, and may destroy any
 * pool.  Events that fall together are told as the last of them.
 */
ngx_int_t ngx_http_convo_redis_subscribe(ngx_http_convo_redis_t *redis,
    ngx_pool_t *pool, const ngx_str_t *channel,
    ngx_http_convo_redis_event_pt handler, void *data);


/*
 * The same for a channel whose messages say all there is to know: each is
 * handed to the message handler as it comes, in order, none twice, and no
 * MESSAGE is told.  Those of a time without READY are lost: read then.
 *
 * The message handler runs while replies are read: it takes the text, which
 * is not kept, and posts an event for whatever else is to be done.  It must
 * neither destroy a pool nor ask Redis.
 */
typedef void (*ngx_http_convo_redis_message_pt)(void *data,
    const ngx_str_t *text);

ngx_int_t ngx_http_convo_redis_follow(ngx_http_convo_redis_t *redis,
    ngx_pool_t *pool, const ngx_str_t *channel,
    ngx_http_convo_redis_event_pt handler,
    ngx_http_convo_redis_message_pt message, void *data);

/* "timeout" of convo_redis, ms. */
ngx_msec_t ngx_http_convo_redis_timeout(ngx_http_convo_redis_t *redis);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_REDIS_H_INCLUDED_ */
