
/*
 * Inside the events room: a stream, as its module knows it.
 */

#ifndef _NGX_HTTP_CONVO_EVENTS_H_INCLUDED_
#define _NGX_HTTP_CONVO_EVENTS_H_INCLUDED_


#include "ngx_http_convo_presence.h"
#include "ngx_http_convo_session.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/*
 * Begins a stream for the caller; what a content handler returns.  The
 * response begins with the first document, so that what fails before it is
 * answered by a status.
 */
ngx_int_t ngx_http_convo_events_stream(ngx_http_convo_caller_t *caller);

/* The headers of a stream; what ngx_http_send_header() returns. */
ngx_int_t ngx_http_convo_events_send_header(ngx_http_request_t *r);


extern ngx_module_t  ngx_http_convo_events_module;


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_EVENTS_H_INCLUDED_ */
