
/*
 * GET /api/session?version=N&wait=S: a long poll.
 *
 * State, not messages: it follows the user's channel, reads, and holds the
 * request while the version read is N.  Whatever happens meanwhile (a
 * message, the subscription confirmed or back again) is a reason to read
 * again and nothing more; what comes during a read causes one more read.
 * When the time is over the document is read once more and answered as it is.
 *
 * How it fails: a client that goes takes everything with it.  A read without
 * answer is 503 at once, the client repeats.  While the subscription is lost
 * the poll goes on, and reads when it is back, at a time of its own: all polls
 * of all processes are told so at once.  Where Redis has lost what the client
 * has, it is recalled (ngx_http_convo_session_recall.c) and the client answered
 * then, or with 503 when the pool is still being restored at the end.  A
 * process that is to end answers early, with the document as it is, and so does
 * a poll whose token is about to expire.  One whose sign-in is ended is 401 at
 * once.  A banned user is told the document that they do not know yet, and is
 * held no more: 403.
 */


#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_presence.h"
#include "ngx_http_convo_revocation.h"
#include "ngx_http_convo_session.h"


/* over which time the reads are spread when the subscription is back, ms */

#define NGX_HTTP_CONVO_SESSION_POLL_SPREAD  1000

/* as long, ms, is also a poll whose token lives by the leeway alone */

#define NGX_HTTP_CONVO_SESSION_POLL_MIN     1000


typedef struct {
    ngx_http_convo_caller_t            *caller;
    ngx_http_convo_session_question_t   question;
    ngx_http_convo_presence_t           presence;
    ngx_http_convo_revocation_watch_t   watch;
    ngx_event_t                         timer;     /* it is over */
    ngx_event_t                         pause;     /* before a read */
    ngx_http_convo_session_told_t       told;      /* the client has */
    unsigned                            was_ready:1;
    unsigned                            reading:1;
    unsigned                            again:1;   /* read once more */
    unsigned                            lost:1;    /* recall, no read */
    unsigned                            over:1;    /* answer whatever is */
    unsigned                            done:1;
    unsigned                            counted:1;  /* in the gauge */
} ngx_http_convo_session_poll_t;


static void ngx_http_convo_session_poll_gone(void *data);
static void ngx_http_convo_session_poll_stop(
    ngx_http_convo_session_poll_t *poll, ngx_uint_t client_went);
static void ngx_http_convo_session_poll_changed(void *data,
    ngx_http_convo_redis_event_e event);
static void ngx_http_convo_session_poll_revoked(void *data);
static void ngx_http_convo_session_poll_finish(
    ngx_http_convo_session_poll_t *poll, ngx_int_t rc);
static void ngx_http_convo_session_poll_timer(ngx_event_t *ev);
static void ngx_http_convo_session_poll_pause(ngx_event_t *ev);
static ngx_http_convo_session_poll_t *ngx_http_convo_session_poll_of(
    const ngx_event_t *timer);
static void ngx_http_convo_session_poll_end(void *data, ngx_msec_t within);
static void ngx_http_convo_session_poll_read(
    ngx_http_convo_session_poll_t *poll);
static void ngx_http_convo_session_poll_view(void *data,
    const convo_user_view_t *view);
static void ngx_http_convo_session_poll_restoring(
    ngx_http_convo_session_poll_t *poll);
static void ngx_http_convo_session_poll_answer(
    ngx_http_convo_session_poll_t *poll, const convo_user_view_t *view);


ngx_int_t
ngx_http_convo_session_poll(ngx_http_convo_caller_t *caller, int64_t version,
    time_t wait)
{
    ngx_int_t                       rc;
    ngx_msec_t                      life;
    ngx_http_cleanup_t             *cln;
    ngx_http_request_t             *r;
    ngx_http_convo_session_poll_t  *poll;

    r = caller->request;

    poll = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_session_poll_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (poll == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_convo_session_poll_gone;
    cln->data = poll;

    poll->caller = caller;
    poll->told.version = version;
    poll->question.caller = caller;
    poll->question.handler = ngx_http_convo_session_poll_view;
    poll->question.data = poll;

    poll->timer.handler = ngx_http_convo_session_poll_timer;
    poll->timer.data = r->connection;
    poll->timer.log = r->connection->log;

    poll->pause.handler = ngx_http_convo_session_poll_pause;
    poll->pause.data = r->connection;
    poll->pause.log = r->connection->log;

    ngx_http_set_ctx(r, poll, ngx_http_convo_session_module);

    rc = ngx_http_convo_presence_enter(&poll->presence, caller,
                                       ngx_http_convo_session_poll_end, poll);

    if (rc == NGX_OK) {
        rc = ngx_http_convo_redis_subscribe(caller->redis, r->pool,
                                          &caller->key,
                                          ngx_http_convo_session_poll_changed,
                                          poll);
    }

    if (rc == NGX_ERROR) {
        ngx_http_convo_session_poll_stop(poll, 0);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    poll->was_ready = (rc == NGX_OK);

    /*
     * Read without waiting for the confirmation: it is a reason to read
     * again, and a Redis that is down is known at once.
     */

    rc = ngx_http_convo_session_read(&poll->question);
    if (rc != NGX_OK) {
        ngx_http_convo_session_poll_stop(poll, 0);
        return ngx_http_convo_session_not_asked(r, rc);
    }

    poll->reading = 1;
    poll->counted = 1;

    ngx_http_convo_count(NGX_HTTP_CONVO_POLL_HELD);
    ngx_http_convo_gauge(NGX_HTTP_CONVO_POLLS_OPEN, 1);

    life = ngx_http_convo_caller_life(caller);
    life = ngx_max(life, NGX_HTTP_CONVO_SESSION_POLL_MIN);

    ngx_add_timer(&poll->timer, ngx_min(life, (ngx_msec_t) wait * 1000));

    ngx_http_convo_revocation_watch(r, &poll->watch,
                                    ngx_http_convo_session_poll_revoked, poll);
    ngx_http_convo_caller_watch(r);

    r->main->count++;

    return NGX_DONE;
}


/* The request ends; before it was answered only when its client went. */

static void
ngx_http_convo_session_poll_gone(void *data)
{
    ngx_http_convo_session_poll_stop(data, 1);
}


static void
ngx_http_convo_session_poll_stop(ngx_http_convo_session_poll_t *poll,
    ngx_uint_t client_went)
{
    poll->done = 1;

    if (poll->timer.timer_set) {
        ngx_del_timer(&poll->timer);
    }

    if (poll->pause.timer_set) {
        ngx_del_timer(&poll->pause);
    }

    if (poll->counted) {
        poll->counted = 0;
        ngx_http_convo_gauge(NGX_HTTP_CONVO_POLLS_OPEN, -1);
    }

    ngx_http_convo_presence_leave(&poll->presence, client_went);
    ngx_http_convo_revocation_unwatch(&poll->watch);
}


static void
ngx_http_convo_session_poll_changed(void *data,
    ngx_http_convo_redis_event_e event)
{
    ngx_http_convo_session_poll_t *poll = data;

    if (poll->done || event == NGX_HTTP_CONVO_REDIS_LOST) {
        return;
    }

    if (event == NGX_HTTP_CONVO_REDIS_READY && poll->was_ready) {
        ngx_add_timer(&poll->pause,
                      1 + ngx_random() % NGX_HTTP_CONVO_SESSION_POLL_SPREAD);
        return;
    }

    poll->was_ready = 1;
    ngx_http_convo_session_poll_read(poll);
}


static void
ngx_http_convo_session_poll_revoked(void *data)
{
    ngx_http_convo_session_poll_t *poll = data;

    ngx_http_convo_session_poll_finish(poll,
                      ngx_http_convo_session_revoked(poll->caller->request));
}


static void
ngx_http_convo_session_poll_finish(ngx_http_convo_session_poll_t *poll,
    ngx_int_t rc)
{
    ngx_http_request_t  *r;

    r = poll->caller->request;

    ngx_http_convo_session_poll_stop(poll, 0);
    ngx_http_convo_session_finish(r, rc);
}


static void
ngx_http_convo_session_poll_timer(ngx_event_t *ev)
{
    ngx_http_convo_session_poll_t  *poll;

    poll = ngx_http_convo_session_poll_of(ev);

    poll->over = 1;
    ngx_http_convo_session_poll_read(poll);
}


static void
ngx_http_convo_session_poll_pause(ngx_event_t *ev)
{
    ngx_http_convo_session_poll_read(ngx_http_convo_session_poll_of(ev));
}


static ngx_http_convo_session_poll_t *
ngx_http_convo_session_poll_of(const ngx_event_t *timer)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = timer->data;
    r = c->data;

    return ngx_http_get_module_ctx(r, ngx_http_convo_session_module);
}


/* Over at a random time within so many ms. */

static void
ngx_http_convo_session_poll_end(void *data, ngx_msec_t within)
{
    ngx_http_convo_session_poll_t *poll = data;

    ngx_msec_t  delay;

    delay = within ? (ngx_msec_t) ngx_random() % within : 0;

    if (poll->timer.timer_set
        && poll->timer.timer.key - ngx_current_msec > delay)
    {
        ngx_del_timer(&poll->timer);
        ngx_add_timer(&poll->timer, ngx_max(delay, 1));
    }
}


static void
ngx_http_convo_session_poll_read(ngx_http_convo_session_poll_t *poll)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    if (poll->done) {
        return;
    }

    if (poll->reading) {
        poll->again = 1;
        return;
    }

    if (poll->pause.timer_set) {
        ngx_del_timer(&poll->pause);
    }

    r = poll->caller->request;

    rc = poll->lost
         ? ngx_http_convo_session_recall(&poll->question, &poll->told)
         : ngx_http_convo_session_read(&poll->question);

    if (rc != NGX_OK) {
        ngx_http_convo_session_poll_stop(poll, 0);
        ngx_http_convo_session_finish(r,
                                      ngx_http_convo_session_not_asked(r, rc));
        return;
    }

    poll->reading = 1;
}


static void
ngx_http_convo_session_poll_view(void *data, const convo_user_view_t *view)
{
    ngx_http_convo_session_poll_t *poll = data;

    poll->reading = 0;

    if (poll->done) {
        return;
    }

    if (view == NULL) {
        ngx_http_convo_session_poll_answer(poll, view);
        return;
    }

    if (view->status == CONVO_VIEW_REVOKED) {
        ngx_http_convo_session_poll_revoked(poll);
        return;
    }

    if (view->status == CONVO_VIEW_RESTORING) {
        ngx_http_convo_session_poll_restoring(poll);
        return;
    }

    if (!poll->lost && ngx_http_convo_session_is_lost(&poll->told, view)) {
        poll->lost = 1;
        ngx_http_convo_session_poll_read(poll);
        return;
    }

    ngx_http_convo_presence_waits(&poll->presence,
                                  view->state == CONVO_USER_WAITING);

    if (poll->lost || view->version != poll->told.version) {
        ngx_http_convo_session_poll_answer(poll, view);
        return;
    }

    if (view->banned_until_ms != CONVO_VIEW_NONE) {
        ngx_http_convo_session_poll_finish(poll,
                 ngx_http_convo_session_banned(poll->caller->request, view));
        return;
    }

    ngx_http_convo_session_tell(&poll->told, view);

    if (poll->again) {
        poll->again = 0;
        ngx_http_convo_session_poll_read(poll);
        return;
    }

    if (poll->over) {
        ngx_http_convo_session_poll_answer(poll, view);
    }
}


static void
ngx_http_convo_session_poll_restoring(ngx_http_convo_session_poll_t *poll)
{
    ngx_http_request_t  *r;

    if (!poll->over) {
        ngx_add_timer(&poll->pause, ngx_http_convo_session_recall_pause());
        return;
    }

    r = poll->caller->request;

    ngx_http_convo_session_poll_stop(poll, 0);
    ngx_http_convo_session_finish(r, ngx_http_convo_session_restoring(r));
}


static void
ngx_http_convo_session_poll_answer(ngx_http_convo_session_poll_t *poll,
    const convo_user_view_t *view)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = poll->caller->request;

    rc = view ? ngx_http_convo_session_send(poll->caller, view)
              : ngx_http_convo_session_unavailable(r);

    ngx_http_convo_session_poll_stop(poll, 0);
    ngx_http_convo_session_finish(r, rc);
}
