
/*
 * Inside the events room: a stream, as its files know it.
 *
 *   _module   the directive and the response's headers
 *   _stream   what is read and when, and the end
 *   _write    what is written
 */

#ifndef _NGX_HTTP_CONVO_EVENTS_H_INCLUDED_
#define _NGX_HTTP_CONVO_EVENTS_H_INCLUDED_


#include "ngx_http_convo_presence.h"
#include "ngx_http_convo_revocation.h"
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

typedef struct {
    ngx_http_request_t                 *request;
    ngx_http_convo_caller_t            *caller;
    ngx_http_convo_session_question_t   question;
    ngx_http_convo_presence_t           presence;
    ngx_http_convo_revocation_watch_t   watch;

    ngx_event_t                         timer;
    ngx_msec_t                          comment_at;
    ngx_msec_t                          read_at;    /* where "wanted" */
    ngx_msec_t                          end_at;
    ngx_msec_t                          points_at;  /* where "spent" */

    ngx_http_convo_session_told_t       told;       /* sent last */
    ngx_uint_t                          failures;   /* reads in a row */

    ngx_buf_t                           buf;
    ngx_chain_t                         out;
    u_char                             *message;    /* in buf, or NULL */

    unsigned                            opened:1;   /* headers are out */
    unsigned                            welcomed:1; /* a document, too */
    unsigned                            closed:1;
    unsigned                            subscribed:1;
    unsigned                            was_ready:1;
    unsigned                            reading:1;
    unsigned                            lost:1;     /* recall, no read */
    unsigned                            wanted:1;   /* a read, at read_at */
    unsigned                            refresh:1;  /* send it unchanged too */
    unsigned                            waits:1;
    unsigned                            spent:1;    /* points come back */
    unsigned                            busy:1;     /* a write not flushed */
    unsigned                            exiting:1;  /* the process is */
    unsigned                            finished:1; /* with finish_rc */
    ngx_int_t                           finish_rc;
} ngx_http_convo_events_stream_t;


/* The version in the request's Last-Event-ID, or -1. */
int64_t ngx_http_convo_events_last_id(ngx_http_request_t *r);

/* The headers of a stream; what ngx_http_send_header() returns. */
ngx_int_t ngx_http_convo_events_send_header(ngx_http_request_t *r);

/*
 * The stream is over: closed now, finalized with that status (NGX_OK, or as
 * for ngx_http_finalize_request()) by run().  Nothing is freed before.
 */
void ngx_http_convo_events_stream_finish(ngx_http_convo_events_stream_t *s,
    ngx_int_t rc);

/* The end of every event's handler: the stream may be gone afterwards. */
void ngx_http_convo_events_stream_run(ngx_http_convo_events_stream_t *s);


/*
 * Sends the document of the view, after the headers where it is the first one.
 * Not while the stream is busy.  A failure finishes the stream.
 */
void ngx_http_convo_events_write_document(ngx_http_convo_events_stream_t *s,
    const convo_user_view_t *view);

/* Sends a comment.  Not while the stream is busy. */
void ngx_http_convo_events_write_comment(ngx_http_convo_events_stream_t *s);

/* Ends the response in order, after what is still being written. */
void ngx_http_convo_events_write_end(ngx_http_convo_events_stream_t *s);

/* Frees the message; for the cleanup of the request's pool. */
void ngx_http_convo_events_write_free(void *data);


extern ngx_module_t  ngx_http_convo_events_module;


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_EVENTS_H_INCLUDED_ */
