/*
 * What Redis knows of pools: asked for by /metrics and /readyz.
 */

#ifndef _NGX_HTTP_CONVO_POOLS_H_INCLUDED_
#define _NGX_HTTP_CONVO_POOLS_H_INCLUDED_


#include "ngx_http_convo.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* more pools than one location asks for */

#define NGX_HTTP_CONVO_POOLS_MAX  64


/* the numbers of the script "health", see there */

typedef enum {
    NGX_HTTP_CONVO_POOL_READY = 0,
    NGX_HTTP_CONVO_POOL_ALIVE,
    NGX_HTTP_CONVO_POOL_RESTORING,
    NGX_HTTP_CONVO_POOL_WAITING,
    NGX_HTTP_CONVO_POOL_CLAIMS,
    NGX_HTTP_CONVO_POOL_SESSIONS,
    NGX_HTTP_CONVO_POOL_PROBES,
    NGX_HTTP_CONVO_POOL_CLOSING,
    NGX_HTTP_CONVO_POOL_ENDED,
    NGX_HTTP_CONVO_POOL_REPORTS,
    NGX_HTTP_CONVO_POOL_DIRTY,
    NGX_HTTP_CONVO_POOL_EVENTS,
    NGX_HTTP_CONVO_POOL_DEAD,
    NGX_HTTP_CONVO_POOL_BURIED,
    NGX_HTTP_CONVO_POOL_MATCHES,
    NGX_HTTP_CONVO_POOL_WAIT_MS,

    NGX_HTTP_CONVO_POOL_VALUES
} ngx_http_convo_pool_value_e;


typedef struct {
    ngx_str_t   name;
    ngx_uint_t  known;     /* 1 when Redis has answered; else values are 0 */
    int64_t     values[NGX_HTTP_CONVO_POOL_VALUES];
} ngx_http_convo_pool_t;


/*
 * Called once with an array of ngx_http_convo_pool_t, also when Redis is
 * down.  Sends the answer and returns what a content handler returns.
 */

typedef ngx_int_t (*ngx_http_convo_pools_pt)(ngx_http_request_t *r,
    const ngx_array_t *pools);

/*
 * Asks the location's Redis for the named pools (ngx_str_t), at most
 * NGX_HTTP_CONVO_POOLS_MAX, or for $convo_pool when names is NULL, and calls
 * the handler.  Returns what a content handler returns.
 */
ngx_int_t ngx_http_convo_pools_ask(ngx_http_request_t *r,
    const ngx_array_t *names, ngx_http_convo_pools_pt handler);

/*
 * Reads the pools that a directive names, from the argument with that index
 * on; NULL in *names when there is none.  Returns NGX_CONF_OK or
 * NGX_CONF_ERROR with a message.
 */
char *ngx_http_convo_pools_conf(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_uint_t from, ngx_array_t **names);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_POOLS_H_INCLUDED_ */
