/*
 * Counting: how every room tells the metrics room what happened.
 *
 * The counters lie in a small shared memory zone of their own, without a
 * directive, and are kept over reloads.  Adding one is a line in the enum
 * here and a line in the table of ngx_http_convo_metrics_text.c.
 */

#ifndef _NGX_HTTP_CONVO_METRICS_H_INCLUDED_
#define _NGX_HTTP_CONVO_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* what only grows */

typedef enum {
    NGX_HTTP_CONVO_AUTH_ACCEPTED = 0,
    NGX_HTTP_CONVO_AUTH_MISSING_TOKEN,
    NGX_HTTP_CONVO_AUTH_INVALID_TOKEN,
    NGX_HTTP_CONVO_AUTH_REVOKED,
    NGX_HTTP_CONVO_AUTH_EMAIL_NOT_VERIFIED,
    NGX_HTTP_CONVO_AUTH_PROVIDER_NOT_ALLOWED,
    NGX_HTTP_CONVO_AUTH_FORBIDDEN,
    NGX_HTTP_CONVO_AUTH_KEYS_UNAVAILABLE,
    NGX_HTTP_CONVO_AUTH_REDIS_UNAVAILABLE,
    NGX_HTTP_CONVO_AUTH_INTERNAL_ERROR,
    NGX_HTTP_CONVO_AUTH_FRONT_HIT,       /* in the process's own memory */
    NGX_HTTP_CONVO_AUTH_CACHE_HIT,       /* in shared memory */
    NGX_HTTP_CONVO_AUTH_CACHE_MISS,
    NGX_HTTP_CONVO_AUTH_FRONT_EVICTED,
    NGX_HTTP_CONVO_AUTH_CACHE_EVICTED,
    NGX_HTTP_CONVO_KEYS_FETCHED,
    NGX_HTTP_CONVO_KEYS_FAILED,
    NGX_HTTP_CONVO_REDIS_COMMAND,        /* sent */
    NGX_HTTP_CONVO_REDIS_ERROR,          /* Redis answered an error */
    NGX_HTTP_CONVO_REDIS_TIMEOUT,        /* no answer in time */
    NGX_HTTP_CONVO_REDIS_COMMAND_LOST,   /* with their connection */
    NGX_HTTP_CONVO_REDIS_DECLINED,       /* not sent, as Redis is down */
    NGX_HTTP_CONVO_REDIS_RELOADED,       /* a script, sent again whole */
    NGX_HTTP_CONVO_REDIS_CONNECTED,
    NGX_HTTP_CONVO_REDIS_LINK_FAILED,
    NGX_HTTP_CONVO_REDIS_MESSAGES,       /* of a subscription */
    NGX_HTTP_CONVO_STREAM_OPENED,
    NGX_HTTP_CONVO_POLL_HELD,
    NGX_HTTP_CONVO_RECALL,               /* of what Redis has lost */
    NGX_HTTP_CONVO_WEBHOOK_APPENDED,
    NGX_HTTP_CONVO_WEBHOOK_REPEATED,
    NGX_HTTP_CONVO_WEBHOOK_IGNORED,
    NGX_HTTP_CONVO_WEBHOOK_REFUSED,      /* forged, or not understood */
    NGX_HTTP_CONVO_WEBHOOK_FAILED,       /* Redis could not take it */
    NGX_HTTP_CONVO_LIVEKIT_TOKEN,
    NGX_HTTP_CONVO_TURN_CREDENTIALS,

    NGX_HTTP_CONVO_COUNTERS
} ngx_http_convo_counter_e;

/* what grows and shrinks; that of a process goes with the process */

typedef enum {
    NGX_HTTP_CONVO_STREAMS_OPEN = 0,
    NGX_HTTP_CONVO_POLLS_OPEN,
    NGX_HTTP_CONVO_AUTH_FRONT_TOKENS,
    NGX_HTTP_CONVO_AUTH_FRONT_BYTES,
    NGX_HTTP_CONVO_REVOCATIONS,
    NGX_HTTP_CONVO_REVOCATION_FEEDS,
    NGX_HTTP_CONVO_REVOCATION_FEEDS_CURRENT,

    NGX_HTTP_CONVO_GAUGES
} ngx_http_convo_gauge_e;


/* Adds 1.  Cheap, never fails, and may be called from any phase or event. */
void ngx_http_convo_count(ngx_http_convo_counter_e counter);

/* Adds to the gauge of this process: 1 at the beginning, -1 at the end. */
void ngx_http_convo_gauge(ngx_http_convo_gauge_e gauge, ngx_int_t by);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_METRICS_H_INCLUDED_ */
