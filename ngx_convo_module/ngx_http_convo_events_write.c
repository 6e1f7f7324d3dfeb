
/*
 * What a stream writes: documents, comments, its end.
 *
 * At most one text is on its way, and while it is (the stream is "busy")
 * nothing else is written.  A message lives outside of the request's pool and
 * is freed when it is flushed, so that a stream of many hours does not grow.
 *
 * How it fails: a client that takes nothing is ended by send_timeout; one that
 * went is found by the write, if the read handler has not seen it.
 */


#include "ngx_http_convo_events.h"
#include "ngx_http_convo_metrics.h"


/* the longest document: sub, session and credentials are each bounded */

#define NGX_HTTP_CONVO_EVENTS_MESSAGE_MAX (64 * 1024)

/* after what time a client comes back, ms: a lost stream, a new process */

#define NGX_HTTP_CONVO_EVENTS_RETRY       "retry: 2000\n\n"
#define NGX_HTTP_CONVO_EVENTS_RETRY_END   "retry: 1000\n\n"

#define NGX_HTTP_CONVO_EVENTS_HEAD        "event: state\nid: %L\ndata: "


static ngx_int_t ngx_http_convo_events_write_open(
    ngx_http_convo_events_stream_t *s);
static ngx_int_t ngx_http_convo_events_write_message(
    ngx_http_convo_events_stream_t *s, const convo_user_view_t *view);
static void ngx_http_convo_events_write_text(
    ngx_http_convo_events_stream_t *s, u_char *text, size_t len);
static void ngx_http_convo_events_write_done(
    ngx_http_convo_events_stream_t *s, ngx_int_t rc);
static void ngx_http_convo_events_write_handler(ngx_http_request_t *r);


void
ngx_http_convo_events_write_document(ngx_http_convo_events_stream_t *s,
    const convo_user_view_t *view)
{
    ngx_int_t  rc;

    if (!s->opened) {
        rc = ngx_http_convo_events_write_open(s);
        if (rc != NGX_OK) {
            ngx_http_convo_events_stream_finish(s, rc);
            return;
        }
    }

    if (ngx_http_convo_events_write_message(s, view) != NGX_OK) {
        ngx_http_convo_events_stream_finish(s, NGX_ERROR);
        return;
    }

    s->welcomed = 1;
    ngx_http_convo_session_tell(&s->told, view);

    ngx_http_convo_events_write_text(s, s->buf.pos,
                                     s->buf.last - s->buf.pos);
}


void
ngx_http_convo_events_write_comment(ngx_http_convo_events_stream_t *s)
{
    static u_char  comment[] = ":\n\n";

    ngx_http_convo_events_write_text(s, comment, sizeof(comment) - 1);
}


void
ngx_http_convo_events_write_end(ngx_http_convo_events_stream_t *s)
{
    ngx_int_t   rc;
    ngx_buf_t  *b;

    static u_char  retry[] = NGX_HTTP_CONVO_EVENTS_RETRY_END;

    if (s->busy || !s->exiting) {
        rc = ngx_http_send_special(s->request, NGX_HTTP_LAST);

    } else {
        b = &s->buf;

        ngx_memzero(b, sizeof(ngx_buf_t));

        b->pos = retry;
        b->last = retry + sizeof(retry) - 1;
        b->memory = 1;
        b->last_buf = 1;
        b->last_in_chain = 1;

        s->out.buf = b;
        s->out.next = NULL;

        rc = ngx_http_output_filter(s->request, &s->out);
    }

    ngx_http_convo_events_stream_finish(s, rc == NGX_ERROR ? rc : NGX_OK);
}


void
ngx_http_convo_events_write_free(void *data)
{
    ngx_http_convo_events_stream_t *s = data;

    if (s->message) {
        ngx_free(s->message);
        s->message = NULL;
    }
}


/* NGX_OK, or what ngx_http_finalize_request() takes. */

static ngx_int_t
ngx_http_convo_events_write_open(ngx_http_convo_events_stream_t *s)
{
    ngx_int_t                  rc;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = s->request;
    c = r->connection;

    rc = ngx_http_convo_events_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->tcp_nodelay && ngx_tcp_nodelay(c) != NGX_OK) {
        return NGX_ERROR;
    }

    c->log->action = "streaming events";
    r->write_event_handler = ngx_http_convo_events_write_handler;
    s->opened = 1;

    ngx_http_convo_count(NGX_HTTP_CONVO_STREAM_OPENED);
    ngx_http_convo_gauge(NGX_HTTP_CONVO_STREAMS_OPEN, 1);

    return NGX_OK;
}


/* The event's text in s->message, from s->buf.pos to s->buf.last. */

static ngx_int_t
ngx_http_convo_events_write_message(ngx_http_convo_events_stream_t *s,
    const convo_user_view_t *view)
{
    size_t   size, len;
    u_char  *p;
    json_t  *json;

    json = ngx_http_convo_session_document(s->caller, view);
    size = json_dumpb(json, NULL, 0, JSON_COMPACT);

    ngx_http_convo_events_write_free(s);

    if (size == 0 || size > NGX_HTTP_CONVO_EVENTS_MESSAGE_MAX) {
        json_decref(json);
        return NGX_ERROR;
    }

    len = sizeof(NGX_HTTP_CONVO_EVENTS_RETRY)
          + sizeof(NGX_HTTP_CONVO_EVENTS_HEAD) + NGX_INT64_LEN
          + size + sizeof("\n\n");

    p = ngx_alloc(len, s->request->connection->log);

    if (p) {
        s->message = p;
        s->buf.pos = p;

        if (!s->welcomed) {
            p = ngx_cpymem(p, NGX_HTTP_CONVO_EVENTS_RETRY,
                           sizeof(NGX_HTTP_CONVO_EVENTS_RETRY) - 1);
        }

        p = ngx_sprintf(p, NGX_HTTP_CONVO_EVENTS_HEAD, view->version);
        p += json_dumpb(json, (char *) p, size, JSON_COMPACT);
        *p++ = '\n'; *p++ = '\n';

        s->buf.last = p;
    }

    json_decref(json);

    return p ? NGX_OK : NGX_ERROR;
}


/* The text must last until it is flushed; nothing else may be on its way. */

static void
ngx_http_convo_events_write_text(ngx_http_convo_events_stream_t *s,
    u_char *text, size_t len)
{
    ngx_buf_t  *b;

    b = &s->buf;

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->start = text;
    b->pos = text;
    b->last = text + len;
    b->end = b->last;
    b->memory = 1;
    b->flush = 1;
    b->tag = (ngx_buf_tag_t) &ngx_http_convo_events_module;

    s->out.buf = b;
    s->out.next = NULL;

    ngx_http_convo_events_write_done(s,
                               ngx_http_output_filter(s->request, &s->out));
}


static void
ngx_http_convo_events_write_done(ngx_http_convo_events_stream_t *s,
    ngx_int_t rc)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = s->request;
    c = r->connection;
    wev = c->write;

    if (rc == NGX_ERROR) {
        ngx_http_convo_events_stream_finish(s, NGX_ERROR);
        return;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    s->busy = (r->buffered || r->postponed || c->buffered);

    if (s->busy) {

        if (!wev->delayed) {
            ngx_add_timer(wev, clcf->send_timeout);
        }

    } else {

        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }

        ngx_http_convo_events_write_free(s);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_convo_events_stream_finish(s, NGX_ERROR);
    }
}


static void
ngx_http_convo_events_write_handler(ngx_http_request_t *r)
{
    ngx_connection_t                *c;
    ngx_http_convo_events_stream_t  *s;

    c = r->connection;
    s = ngx_http_get_module_ctx(r, ngx_http_convo_events_module);

    if (c->write->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;
        ngx_http_convo_events_stream_finish(s, NGX_HTTP_REQUEST_TIME_OUT);

    } else {
        ngx_http_convo_events_write_done(s, ngx_http_output_filter(r, NULL));
    }

    ngx_http_convo_events_stream_run(s);
}
