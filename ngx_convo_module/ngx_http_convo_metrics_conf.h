/*
 * What the files of the metrics room share among themselves.
 */

#ifndef _NGX_HTTP_CONVO_METRICS_CONF_H_INCLUDED_
#define _NGX_HTTP_CONVO_METRICS_CONF_H_INCLUDED_


#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_pools.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* The content handlers. */
ngx_int_t ngx_http_convo_metrics_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_convo_health_live_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_convo_health_ready_handler(ngx_http_request_t *r);

/* The pools that the location's directive names, or NULL. */
const ngx_array_t *ngx_http_convo_metrics_pools(ngx_http_request_t *r);

/* The value of a counter, or the sum of a gauge over all processes. */
ngx_atomic_uint_t ngx_http_convo_metrics_counter(
    ngx_http_convo_counter_e counter);
ngx_atomic_int_t ngx_http_convo_metrics_gauge(ngx_http_convo_gauge_e gauge);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_METRICS_CONF_H_INCLUDED_ */
