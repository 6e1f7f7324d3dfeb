/*
 * Asks an outside system over HTTP: an in-memory subrequest to an internal
 * location of the operator, whose proxy_pass owns TLS, timeouts, resolvers
 * and retries.
 *
 * Nothing of the user's request goes along: the subrequest has an empty
 * header list and the method and body given here, which the location also
 * finds in $convo_method and $convo_body:
 *
 *     location = /keys {
 *         internal;
 *         proxy_pass https://provider.example/jwks.json;
 *         proxy_method $convo_method;
 *         proxy_set_body $convo_body;
 *         proxy_pass_request_headers off;
 *         subrequest_output_buffer_size 64k;
 *     }
 */

#ifndef _NGX_HTTP_CONVO_FETCH_H_INCLUDED_
#define _NGX_HTTP_CONVO_FETCH_H_INCLUDED_


#include "ngx_http_convo.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/*
 * What came back.  status is 0 when no whole answer came: the upstream was
 * never reached and the location has no page for that, the body was longer
 * than subrequest_output_buffer_size or was cut off, or a 200 had no body.
 * The body lives as long as the request.
 */

typedef struct {
    ngx_uint_t   status;
    ngx_str_t    body;
} ngx_http_convo_fetch_answer_t;


/*
 * Called once, from the event loop and never from within
 * ngx_http_convo_fetch(); never called when the client has gone.  It may
 * send an answer and finalize the request, start another fetch, or go on
 * with ngx_http_core_run_phases().
 */

typedef void (*ngx_http_convo_fetch_pt)(ngx_http_request_t *r, void *data,
    const ngx_http_convo_fetch_answer_t *answer);


typedef struct {
    ngx_uint_t               method;   /* NGX_HTTP_GET, _POST, _PUT, _DELETE */
    ngx_str_t                uri;      /* "/keys" or "/keys?a=b" */
    ngx_str_t                body;     /* may be empty; lives as r->pool */
    unsigned                 refresh:1;   /* $convo_keys_refresh is "1" */
    ngx_http_convo_fetch_pt  handler;
    void                    *data;     /* lives as r->pool */
} ngx_http_convo_fetch_call_t;


/*
 * Starts the subrequest; the call is copied, the bytes its strings point to
 * are not.  One fetch at a time for a request.  Does not block.
 *
 * The request must hold a reference for the time of waiting: a handler of
 * the rewrite or access phase returns NGX_DONE or NGX_AGAIN and has it; a
 * content handler does r->main->count++ and returns NGX_DONE; a body handler
 * (ngx_http_convo_read_body) has one already.
 *
 *   NGX_OK     started, the handler will be called
 *   NGX_ERROR  out of memory, or too many subrequests; nothing is called
 */
ngx_int_t ngx_http_convo_fetch(ngx_http_request_t *r,
    const ngx_http_convo_fetch_call_t *call);

/*
 * The call which the request is the subrequest of, or NULL for any other
 * request.  Holds through internal redirects of the subrequest.
 */
const ngx_http_convo_fetch_call_t *ngx_http_convo_fetch_call(
    ngx_http_request_t *r);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_FETCH_H_INCLUDED_ */
