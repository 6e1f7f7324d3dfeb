
/*
 * Who is told: requests that wait for the first reading of their process, and
 * streams and long polls that end when their token is revoked.
 *
 * All are told from one posted event, however many revocations came in a turn
 * of the event loop: it asks the table for each of them.  The handlers may
 * destroy any pool, so whoever is to be asked stands in a list of its own until
 * then, and leaves it by itself when it goes.
 */


#include "ngx_http_convo_revocation_feed.h"


typedef struct {
    ngx_queue_t                           queue;
    ngx_event_t                           timer;
    ngx_http_request_t                   *request;
    ngx_http_convo_revocation_resume_pt   resume;
    unsigned                              done:1;
} ngx_http_convo_revocation_waiter_t;


static void ngx_http_convo_revocation_wait_over(ngx_event_t *ev);
static void ngx_http_convo_revocation_wait_gone(void *data);
static void ngx_http_convo_revocation_resume_all(
    ngx_http_convo_revocation_feed_t *feed);
static void ngx_http_convo_revocation_end_all(
    ngx_http_convo_revocation_feed_t *feed);
static void ngx_http_convo_revocation_move(ngx_queue_t *from, ngx_queue_t *to);


/* The timer is not cancelable: a process that ends answers its requests. */

ngx_int_t
ngx_http_convo_revocation_wait(ngx_http_request_t *r,
    ngx_http_convo_revocation_feed_t *feed, ngx_msec_t patience,
    ngx_http_convo_revocation_resume_pt resume)
{
    ngx_pool_cleanup_t                  *cln;
    ngx_http_convo_revocation_waiter_t  *waiter;

    cln = ngx_pool_cleanup_add(r->pool,
                               sizeof(ngx_http_convo_revocation_waiter_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    waiter = cln->data;
    ngx_memzero(waiter, sizeof(ngx_http_convo_revocation_waiter_t));

    cln->handler = ngx_http_convo_revocation_wait_gone;

    waiter->request = r;
    waiter->resume = resume;

    waiter->timer.handler = ngx_http_convo_revocation_wait_over;
    waiter->timer.data = r->connection;
    waiter->timer.log = r->connection->log;

    ngx_queue_insert_tail(&feed->waiting, &waiter->queue);
    ngx_add_timer(&waiter->timer, patience + 1);

    return NGX_AGAIN;
}


static void
ngx_http_convo_revocation_wait_over(ngx_event_t *ev)
{
    ngx_http_convo_revocation_waiter_t  *waiter;

    waiter = (ngx_http_convo_revocation_waiter_t *)
                 ((u_char *) ev - offsetof(ngx_http_convo_revocation_waiter_t,
                                           timer));

    ngx_http_convo_revocation_wait_gone(waiter);

    waiter->resume(waiter->request);
}


static void
ngx_http_convo_revocation_wait_gone(void *data)
{
    ngx_http_convo_revocation_waiter_t *waiter = data;

    if (waiter->done) {
        return;
    }

    waiter->done = 1;
    ngx_queue_remove(&waiter->queue);

    if (waiter->timer.timer_set) {
        ngx_del_timer(&waiter->timer);
    }
}


void
ngx_http_convo_revocation_watch(ngx_http_request_t *r,
    ngx_http_convo_revocation_watch_t *watch,
    ngx_http_convo_revocation_end_pt end, void *data)
{
    watch->user = ngx_http_convo_auth_user(r);
    watch->feed = watch->user ? ngx_http_convo_revocation_feed(r) : NULL;
    watch->end = end;
    watch->data = data;

    if (watch->feed == NULL) {
        return;
    }

    ngx_queue_insert_tail(&watch->feed->watching, &watch->queue);

    if (ngx_http_convo_revocation_feed_has(watch->feed, watch->user)) {
        /* while its body was read, for example */
        ngx_post_event(&watch->feed->tell, &ngx_posted_events);
    }
}


void
ngx_http_convo_revocation_unwatch(ngx_http_convo_revocation_watch_t *watch)
{
    if (watch->feed) {
        watch->feed = NULL;
        ngx_queue_remove(&watch->queue);
    }
}


void
ngx_http_convo_revocation_tell(ngx_event_t *ev)
{
    ngx_http_convo_revocation_feed_t *feed = ev->data;

    if (feed->complete) {
        ngx_http_convo_revocation_resume_all(feed);
    }

    ngx_http_convo_revocation_end_all(feed);
}


static void
ngx_http_convo_revocation_resume_all(ngx_http_convo_revocation_feed_t *feed)
{
    ngx_queue_t                          all;
    ngx_http_convo_revocation_waiter_t  *waiter;

    ngx_http_convo_revocation_move(&feed->waiting, &all);

    while (!ngx_queue_empty(&all)) {
        waiter = ngx_queue_data(ngx_queue_head(&all),
                                ngx_http_convo_revocation_waiter_t, queue);

        ngx_http_convo_revocation_wait_gone(waiter);

        waiter->resume(waiter->request);
    }
}


static void
ngx_http_convo_revocation_end_all(ngx_http_convo_revocation_feed_t *feed)
{
    ngx_queue_t                         all, *q;
    ngx_http_convo_revocation_watch_t  *watch;

    ngx_http_convo_revocation_move(&feed->watching, &all);

    while (!ngx_queue_empty(&all)) {
        q = ngx_queue_head(&all);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&feed->watching, q);

        watch = ngx_queue_data(q, ngx_http_convo_revocation_watch_t, queue);

        if (ngx_http_convo_revocation_feed_has(feed, watch->user)) {
            ngx_http_convo_revocation_unwatch(watch);
            watch->end(watch->data);
        }
    }
}


static void
ngx_http_convo_revocation_move(ngx_queue_t *from, ngx_queue_t *to)
{
    ngx_queue_init(to);

    if (!ngx_queue_empty(from)) {
        ngx_queue_add(to, from);
        ngx_queue_init(from);
    }
}
