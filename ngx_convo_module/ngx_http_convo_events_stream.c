
/*
 * One stream: a user's document whenever it changes, until the token expires.
 *
 * State, not messages.  The stream follows the user's channel and reads the
 * document again whenever anything hints at a change; at most one read is on
 * its way, and whatever comes during it causes exactly one more.  A document
 * goes out when its version is above the last one sent.  Every 15 s there is a
 * comment, and what a document computes from the time (the queue, points given
 * back) is sent again with it, under the same version.
 *
 * One timer holds all that is due: the comment, the next read, the end.  It is
 * not cancelable, so that a process that is to end keeps its streams until
 * they have ended in their turn.
 *
 * How it fails:
 *   the client goes      the read handler notices; everything goes with the
 *                        request, also a read on its way
 *   the client is slow   while a message is not flushed nothing is read or
 *                        written; that something is due is one bit, and
 *                        send_timeout ends a client that takes nothing at all
 *   Redis goes           the stream stays open, its comments go on; it reads
 *                        when the subscription is back, spread over a second,
 *                        and a read that fails is repeated with back-off
 *   Redis has lost data  a version below the one sent is not told: what was
 *                        told is recalled (ngx_http_convo_session_recall.c),
 *                        again and again while the pool is being restored
 *   the process ends     at a random time within the spread, after "retry:"
 *   the token expires    it ends before, each at a time of its own
 *   the sign-in is ended at once; the client that comes back is told 401
 *   the user is banned   after the document that says what it came to; the
 *                        client that comes back is told 403
 *   before the headers   all of this is a 503
 *
 * What is written, and how, is ngx_http_convo_events_write.c.
 */


#include "ngx_http_convo_events.h"
#include "ngx_http_convo_metrics.h"


#define NGX_HTTP_CONVO_EVENTS_COMMENT     15000   /* ms between comments */
#define NGX_HTTP_CONVO_EVENTS_SPREAD      1000    /* ms, reads when back */
#define NGX_HTTP_CONVO_EVENTS_PAUSE       1000    /* ms, after a failed read */
#define NGX_HTTP_CONVO_EVENTS_PAUSE_MAX   15000
#define NGX_HTTP_CONVO_EVENTS_DOUBLINGS   4       /* of the pause */


static ngx_int_t ngx_http_convo_events_stream_init(
    ngx_http_convo_events_stream_t *s);
static void ngx_http_convo_events_stream_gone(void *data);
static void ngx_http_convo_events_stream_close(
    ngx_http_convo_events_stream_t *s, ngx_uint_t client_went);

static void ngx_http_convo_events_stream_changed(void *data,
    ngx_http_convo_redis_event_e event);
static void ngx_http_convo_events_stream_exit(void *data, ngx_msec_t within);
static void ngx_http_convo_events_stream_revoked(void *data);
static void ngx_http_convo_events_stream_timer(ngx_event_t *ev);
static void ngx_http_convo_events_stream_tick(
    ngx_http_convo_events_stream_t *s);
static void ngx_http_convo_events_stream_want(
    ngx_http_convo_events_stream_t *s, ngx_msec_t delay);
static void ngx_http_convo_events_stream_go_on(
    ngx_http_convo_events_stream_t *s);

static void ngx_http_convo_events_stream_read(
    ngx_http_convo_events_stream_t *s);
static void ngx_http_convo_events_stream_view(void *data,
    const convo_user_view_t *view);
static void ngx_http_convo_events_stream_lost(
    ngx_http_convo_events_stream_t *s);
static void ngx_http_convo_events_stream_restoring(
    ngx_http_convo_events_stream_t *s);
static void ngx_http_convo_events_stream_failed(
    ngx_http_convo_events_stream_t *s);
static void ngx_http_convo_events_stream_take(
    ngx_http_convo_events_stream_t *s, const convo_user_view_t *view);

static ngx_uint_t ngx_http_convo_events_is_due(ngx_msec_t at);


ngx_int_t
ngx_http_convo_events_stream(ngx_http_convo_caller_t *caller)
{
    ngx_int_t                        rc;
    ngx_http_request_t              *r;
    ngx_http_convo_events_stream_t  *s;

    r = caller->request;

    s = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_events_stream_t));
    if (s == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    s->request = r;
    s->caller = caller;

    if (ngx_http_convo_events_stream_init(s) != NGX_OK) {
        ngx_http_convo_events_stream_close(s, 0);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /*
     * The first read does not wait for the subscription: its confirmation is
     * a reason to read again, and a Redis that is down is known at once.
     */

    rc = ngx_http_convo_session_read(&s->question);

    if (rc != NGX_OK) {
        ngx_http_convo_events_stream_close(s, 0);
        return ngx_http_convo_session_not_asked(r, rc);
    }

    s->reading = 1;

    ngx_http_convo_events_stream_go_on(s);
    ngx_http_convo_caller_watch(r);

    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_convo_events_stream_init(ngx_http_convo_events_stream_t *s)
{
    ngx_int_t            rc;
    ngx_http_cleanup_t  *cln;
    ngx_pool_cleanup_t  *memory;
    ngx_http_request_t  *r;

    r = s->request;

    s->told.version = ngx_http_convo_events_last_id(r);
    s->comment_at = ngx_current_msec + NGX_HTTP_CONVO_EVENTS_COMMENT;
    s->end_at = ngx_current_msec
                + ngx_http_convo_caller_life(s->caller);

    s->question.caller = s->caller;
    s->question.handler = ngx_http_convo_events_stream_view;
    s->question.data = s;

    s->timer.handler = ngx_http_convo_events_stream_timer;
    s->timer.data = r->connection;
    s->timer.log = r->connection->log;

    ngx_http_set_ctx(r, s, ngx_http_convo_events_module);

    cln = ngx_http_cleanup_add(r, 0);
    memory = ngx_pool_cleanup_add(r->pool, 0);

    if (cln == NULL || memory == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_convo_events_stream_gone;
    cln->data = s;

    /* HTTP/2 may still hold the message when the request is cleaned up */

    memory->handler = ngx_http_convo_events_write_free;
    memory->data = s;

    rc = ngx_http_convo_presence_enter(&s->presence, s->caller,
                                       ngx_http_convo_events_stream_exit, s);
    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_convo_revocation_watch(r, &s->watch,
                                    ngx_http_convo_events_stream_revoked, s);

    rc = ngx_http_convo_redis_subscribe(s->caller->redis, r->pool,
                                        &s->caller->key,
                                        ngx_http_convo_events_stream_changed,
                                        s);
    s->subscribed = (rc == NGX_OK);
    s->was_ready = s->subscribed;

    return rc == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


/* The request is over: by its client, where the stream has not ended it. */

static void
ngx_http_convo_events_stream_gone(void *data)
{
    ngx_http_convo_events_stream_close(data, 1);
}


static void
ngx_http_convo_events_stream_close(ngx_http_convo_events_stream_t *s,
    ngx_uint_t client_went)
{
    s->closed = 1;

    if (s->timer.timer_set) {
        ngx_del_timer(&s->timer);
    }

    if (s->opened) {
        s->opened = 0;
        ngx_http_convo_gauge(NGX_HTTP_CONVO_STREAMS_OPEN, -1);
    }

    ngx_http_convo_presence_leave(&s->presence, client_went);
    ngx_http_convo_revocation_unwatch(&s->watch);
}


/* What the subscription tells. */

static void
ngx_http_convo_events_stream_changed(void *data,
    ngx_http_convo_redis_event_e event)
{
    ngx_http_convo_events_stream_t *s = data;

    ngx_msec_t  delay;

    if (s->closed) {
        return;
    }

    delay = 0;

    if (event == NGX_HTTP_CONVO_REDIS_LOST) {
        s->subscribed = 0;
        return;
    }

    if (event == NGX_HTTP_CONVO_REDIS_READY) {

        if (s->was_ready) {
            /* all streams of all processes are told so at once */
            delay = ngx_random() % NGX_HTTP_CONVO_EVENTS_SPREAD;
        }

        s->subscribed = 1;
        s->was_ready = 1;
    }

    s->failures = 0;

    ngx_http_convo_events_stream_want(s, delay);
    ngx_http_convo_events_stream_run(s);
}


static void
ngx_http_convo_events_stream_exit(void *data, ngx_msec_t within)
{
    ngx_http_convo_events_stream_t *s = data;

    ngx_msec_t  end_at;

    end_at = ngx_current_msec
             + (within ? (ngx_msec_t) ngx_random() % within : 0);

    if ((ngx_msec_int_t) (end_at - s->end_at) < 0) {
        s->end_at = end_at;
    }

    s->exiting = 1;

    /* the timer only: this is called for all streams in a row */

    ngx_add_timer(&s->timer, ngx_max(end_at - ngx_current_msec, 1));
}


/* The sign-in was ended: who comes back is refused. */

static void
ngx_http_convo_events_stream_revoked(void *data)
{
    ngx_http_convo_events_stream_t *s = data;

    if (s->closed) {
        return;
    }

    if (s->opened) {
        ngx_http_convo_events_write_end(s);

    } else {
        ngx_http_convo_events_stream_finish(s,
                                 ngx_http_convo_session_revoked(s->request));
    }

    ngx_http_convo_events_stream_run(s);
}


static void
ngx_http_convo_events_stream_timer(ngx_event_t *ev)
{
    ngx_connection_t                *c;
    ngx_http_request_t              *r;
    ngx_http_convo_events_stream_t  *s;

    c = ev->data;
    r = c->data;
    s = ngx_http_get_module_ctx(r, ngx_http_convo_events_module);

    if (s->opened && ngx_http_convo_events_is_due(s->end_at)) {
        ngx_http_convo_events_write_end(s);

    } else if (s->opened && ngx_http_convo_events_is_due(s->comment_at)) {
        ngx_http_convo_events_stream_tick(s);
    }

    ngx_http_convo_events_stream_run(s);
}


/*
 * Every 15 s: a comment (one that is still being written will do), and a read
 * where time alone changes the document, or where nothing would tell that it
 * has changed.
 */

static void
ngx_http_convo_events_stream_tick(ngx_http_convo_events_stream_t *s)
{
    s->comment_at = ngx_current_msec + NGX_HTTP_CONVO_EVENTS_COMMENT;

    if (s->spent && ngx_http_convo_events_is_due(s->points_at)) {
        s->spent = 0;
        s->refresh = 1;
    }

    if (s->waits) {
        s->refresh = 1;
    }

    if ((s->refresh || !s->subscribed) && !s->wanted) {
        ngx_http_convo_events_stream_want(s, 0);
    }

    if (!s->busy) {
        ngx_http_convo_events_write_comment(s);
    }
}


static void
ngx_http_convo_events_stream_want(ngx_http_convo_events_stream_t *s,
    ngx_msec_t delay)
{
    s->wanted = 1;
    s->read_at = ngx_current_msec + delay;
}


/* Begins what can be begun, and sets the timer for what cannot be yet. */

static void
ngx_http_convo_events_stream_go_on(ngx_http_convo_events_stream_t *s)
{
    ngx_uint_t      waits;
    ngx_msec_int_t  delay, left;

    if (s->closed) {
        return;
    }

    waits = s->wanted && !s->reading && !s->busy;

    if (waits && ngx_http_convo_events_is_due(s->read_at)) {
        ngx_http_convo_events_stream_read(s);
        waits = s->wanted && !s->reading;
    }

    delay = s->comment_at - ngx_current_msec;

    if (s->opened) {
        left = s->end_at - ngx_current_msec;
        delay = ngx_min(delay, left);
    }

    if (waits) {
        left = s->read_at - ngx_current_msec;
        delay = ngx_min(delay, left);
    }

    if (!s->closed) {
        ngx_add_timer(&s->timer, (ngx_msec_t) ngx_max(delay, 1));
    }
}


static void
ngx_http_convo_events_stream_read(ngx_http_convo_events_stream_t *s)
{
    ngx_int_t  rc;

    s->wanted = 0;

    rc = s->lost ? ngx_http_convo_session_recall(&s->question, &s->told)
                 : ngx_http_convo_session_read(&s->question);

    if (rc == NGX_OK) {
        s->reading = 1;
        return;
    }

    ngx_http_convo_events_stream_failed(s);
}


static void
ngx_http_convo_events_stream_view(void *data, const convo_user_view_t *view)
{
    ngx_http_convo_events_stream_t *s = data;

    if (s->closed) {
        return;
    }

    s->reading = 0;

    if (view == NULL) {
        ngx_http_convo_events_stream_failed(s);

    } else if (view->status == CONVO_VIEW_REVOKED) {
        ngx_http_convo_events_stream_revoked(s);
        return;

    } else if (view->status == CONVO_VIEW_RESTORING) {
        ngx_http_convo_events_stream_restoring(s);

    } else if (ngx_http_convo_session_is_lost(&s->told, view)) {
        ngx_http_convo_events_stream_lost(s);

    } else {
        s->failures = 0;
        s->lost = 0;
        ngx_http_convo_events_stream_take(s, view);
    }

    ngx_http_convo_events_stream_run(s);
}


/* Once, at once: a recall that helped nothing is a failure. */

static void
ngx_http_convo_events_stream_lost(ngx_http_convo_events_stream_t *s)
{
    if (s->lost) {
        ngx_http_convo_events_stream_failed(s);
        return;
    }

    s->lost = 1;
    ngx_http_convo_events_stream_want(s, 0);
}


static void
ngx_http_convo_events_stream_restoring(ngx_http_convo_events_stream_t *s)
{
    if (!s->opened) {
        ngx_http_convo_events_stream_finish(s,
                               ngx_http_convo_session_restoring(s->request));
        return;
    }

    ngx_http_convo_events_stream_want(s,
                                      ngx_http_convo_session_recall_pause());
}


/* Again after a pause that doubles; before the headers it is a 503. */

static void
ngx_http_convo_events_stream_failed(ngx_http_convo_events_stream_t *s)
{
    ngx_msec_t  pause;

    if (!s->opened) {
        ngx_http_convo_events_stream_finish(s,
                             ngx_http_convo_session_unavailable(s->request));
        return;
    }

    pause = NGX_HTTP_CONVO_EVENTS_PAUSE
            << ngx_min(s->failures, NGX_HTTP_CONVO_EVENTS_DOUBLINGS);
    pause = ngx_min(pause, NGX_HTTP_CONVO_EVENTS_PAUSE_MAX);

    s->failures++;

    ngx_http_convo_events_stream_want(s, pause / 2
                                         + ngx_random() % (pause / 2));
}


/* Decides whether the client is told. */

static void
ngx_http_convo_events_stream_take(ngx_http_convo_events_stream_t *s,
    const convo_user_view_t *view)
{
    ngx_uint_t  banned;

    banned = (view->banned_until_ms != CONVO_VIEW_NONE);

    if (banned && !s->opened) {
        ngx_http_convo_events_stream_finish(s,
                            ngx_http_convo_session_banned(s->request, view));
        return;
    }

    s->waits = (view->state == CONVO_USER_WAITING);

    ngx_http_convo_presence_waits(&s->presence, s->waits);

    s->spent = (view->window_end_ms != CONVO_VIEW_NONE);

    if (s->spent) {
        s->points_at = ngx_current_msec
                       + ngx_max(view->window_end_ms - view->now_ms, 0);
    }

    if (s->welcomed && view->version == s->told.version && !s->refresh) {
        s->refresh = 0;
        return;
    }

    if (s->busy) {
        /* once it is flushed, what is true then */
        ngx_http_convo_events_stream_want(s, 0);
        return;
    }

    s->refresh = 0;

    ngx_http_convo_events_write_document(s, view);

    if (banned && !s->closed) {
        ngx_http_convo_events_write_end(s);
    }
}


void
ngx_http_convo_events_stream_finish(ngx_http_convo_events_stream_t *s,
    ngx_int_t rc)
{
    if (s->closed) {
        return;
    }

    s->finished = 1;
    s->finish_rc = rc;

    ngx_http_convo_events_stream_close(s, rc == NGX_ERROR
                                          || rc == NGX_HTTP_REQUEST_TIME_OUT);
}


void
ngx_http_convo_events_stream_run(ngx_http_convo_events_stream_t *s)
{
    ngx_connection_t  *c;

    c = s->request->connection;

    ngx_http_convo_events_stream_go_on(s);

    if (s->finished) {
        s->finished = 0;
        ngx_http_finalize_request(s->request, s->finish_rc);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_uint_t
ngx_http_convo_events_is_due(ngx_msec_t at)
{
    return (ngx_msec_int_t) (at - ngx_current_msec) <= 0;
}
