
/*
 * A feed: what was revoked, as this process knows it; how it fails is in
 * ngx_http_convo_revocation.h.
 *
 * It is "live" between the confirmation of the subscription and its loss,
 * "current" from the end of a reading that began while it was live, and
 * "known" while it is current and for the timeout of convo_redis after it was
 * so last.  Messages are taken at any time; nothing that was known is taken
 * back but by age.
 *
 * One tick a second, cancelable, begins what is to be read again and forgets
 * what is older than the lifetime, some chains of the table at a time.
 */


#include "ngx_http_convo_revocation_feed.h"


#define NGX_HTTP_CONVO_REVOCATION_TICK    1000   /* ms */

/* members in a page, about; the reply is far below what a link takes */

#define NGX_HTTP_CONVO_REVOCATION_PAGE    "1000"

/* before a reading is begun again, ms: one that failed, a table that is full */

#define NGX_HTTP_CONVO_REVOCATION_PAUSE   1000
#define NGX_HTTP_CONVO_REVOCATION_RELIEF  60000

/* chains looked at in a tick: all of a full table in five minutes */

#define NGX_HTTP_CONVO_REVOCATION_CHAINS  2048


static void ngx_http_convo_revocation_event(void *data,
    ngx_http_convo_redis_event_e event);
static void ngx_http_convo_revocation_message(void *data,
    const ngx_str_t *text);
static void ngx_http_convo_revocation_take(
    ngx_http_convo_revocation_feed_t *feed, convo_revoked_e taken);
static void ngx_http_convo_revocation_cut(
    ngx_http_convo_revocation_feed_t *feed);
static void ngx_http_convo_revocation_count(
    ngx_http_convo_revocation_feed_t *feed);
static void ngx_http_convo_revocation_tick(ngx_event_t *ev);
static void ngx_http_convo_revocation_want(
    ngx_http_convo_revocation_feed_t *feed, ngx_msec_t delay);
static void ngx_http_convo_revocation_read(
    ngx_http_convo_revocation_feed_t *feed);
static void ngx_http_convo_revocation_page(void *data,
    const redisReply *reply);
static ngx_int_t ngx_http_convo_revocation_page_take(
    ngx_http_convo_revocation_feed_t *feed, const redisReply *reply);
static void ngx_http_convo_revocation_done(
    ngx_http_convo_revocation_feed_t *feed);
static ngx_int_t ngx_http_convo_revocation_key(convo_key_t *key,
    ngx_str_t *name);


ngx_int_t
ngx_http_convo_revocation_feed_start(ngx_http_convo_revocation_feed_t *feed)
{
    ngx_str_t    name;
    convo_key_t  key;

    static ngx_connection_t  dummy;     /* for NGINX's debug log of timers */

    if (feed->table) {
        return NGX_OK;
    }

    if (ngx_http_convo_revocation_key(&key, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    feed->table = convo_revoked_new(NGX_HTTP_CONVO_REVOCATION_MAX);
    if (feed->table == NULL) {
        return NGX_ERROR;
    }

    dummy.fd = (ngx_socket_t) -1;

    ngx_queue_init(&feed->waiting);
    ngx_queue_init(&feed->watching);

    feed->started = ngx_current_msec;

    feed->tick.handler = ngx_http_convo_revocation_tick;
    feed->tick.data = &dummy;
    feed->tick.log = ngx_cycle->log;
    feed->tick.cancelable = 1;

    feed->tell.handler = ngx_http_convo_revocation_tell;
    feed->tell.data = feed;
    feed->tell.log = ngx_cycle->log;

    ngx_http_convo_gauge(NGX_HTTP_CONVO_REVOCATION_FEEDS, 1);

    if (ngx_http_convo_redis_follow(feed->redis, feed->pool, &name,
                                    ngx_http_convo_revocation_event,
                                    ngx_http_convo_revocation_message, feed)
        == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    ngx_add_timer(&feed->tick, NGX_HTTP_CONVO_REVOCATION_TICK);

    return NGX_OK;
}


void
ngx_http_convo_revocation_feed_stop(ngx_http_convo_revocation_feed_t *feed)
{
    if (feed->tick.timer_set) {
        ngx_del_timer(&feed->tick);
    }

    if (feed->tell.posted) {
        ngx_delete_posted_event(&feed->tell);
    }

    convo_revoked_free(feed->table);
    feed->table = NULL;
    feed->complete = 0;
}


ngx_uint_t
ngx_http_convo_revocation_feed_is_known(
    const ngx_http_convo_revocation_feed_t *feed)
{
    if (!feed->complete) {
        return 0;
    }

    return feed->current
           || ngx_current_msec - feed->lost
              < ngx_http_convo_redis_timeout(feed->redis);
}


ngx_msec_t
ngx_http_convo_revocation_feed_patience(
    const ngx_http_convo_revocation_feed_t *feed)
{
    ngx_msec_t  timeout, passed;

    timeout = ngx_http_convo_redis_timeout(feed->redis);
    passed = ngx_current_msec - feed->started;

    return (passed < timeout) ? timeout - passed : 0;
}


ngx_uint_t
ngx_http_convo_revocation_feed_has(
    const ngx_http_convo_revocation_feed_t *feed,
    const ngx_http_convo_auth_user_t *user)
{
    return convo_revoked_has(feed->table, (char *) user->sub.data,
                             user->sub.len, (char *) user->sign_in.data,
                             user->sign_in.len, user->issued);
}


static void
ngx_http_convo_revocation_event(void *data, ngx_http_convo_redis_event_e event)
{
    ngx_http_convo_revocation_feed_t *feed = data;

    if (feed->table == NULL) {
        return;
    }

    ngx_http_convo_revocation_cut(feed);

    feed->live = (event == NGX_HTTP_CONVO_REDIS_READY);
    feed->wanted = 0;

    if (feed->live) {
        ngx_http_convo_revocation_want(feed, 0);
        ngx_http_convo_revocation_read(feed);
    }
}


static void
ngx_http_convo_revocation_message(void *data, const ngx_str_t *text)
{
    ngx_http_convo_revocation_feed_t *feed = data;

    if (feed->table) {
        ngx_http_convo_revocation_take(feed,
            convo_revoked_hear(feed->table, (char *) text->data, text->len));
    }
}


static void
ngx_http_convo_revocation_take(ngx_http_convo_revocation_feed_t *feed,
    convo_revoked_e taken)
{
    switch (taken) {

    case CONVO_REVOKED_TAKEN:
        ngx_post_event(&feed->tell, &ngx_posted_events);
        break;

    case CONVO_REVOKED_RUBBISH:
        ngx_log_error(NGX_LOG_ERR, feed->tick.log, 0,
                      "convo revocation: %V: what is there is no revocation",
                      ngx_http_convo_redis_name(feed->redis));
        break;

    default: /* CONVO_REVOKED_FULL */
        ngx_log_error(NGX_LOG_ERR, feed->tick.log, 0,
                      "convo revocation: %V: no room for more than %uz, "
                      "everything is refused",
                      ngx_http_convo_redis_name(feed->redis),
                      convo_revoked_count(feed->table));

        ngx_http_convo_revocation_cut(feed);
        feed->complete = 0;
        ngx_http_convo_revocation_want(feed,
                                       NGX_HTTP_CONVO_REVOCATION_RELIEF);
    }
}


/* The table says all no more, from now on. */

static void
ngx_http_convo_revocation_cut(ngx_http_convo_revocation_feed_t *feed)
{
    if (feed->current) {
        feed->current = 0;
        feed->lost = ngx_current_msec;
        ngx_http_convo_gauge(NGX_HTTP_CONVO_REVOCATION_FEEDS_CURRENT, -1);
    }
}


static void
ngx_http_convo_revocation_count(ngx_http_convo_revocation_feed_t *feed)
{
    ngx_uint_t  count;

    count = convo_revoked_count(feed->table);

    ngx_http_convo_gauge(NGX_HTTP_CONVO_REVOCATIONS,
                         (ngx_int_t) (count - feed->known));
    feed->known = count;
}


static void
ngx_http_convo_revocation_tick(ngx_event_t *ev)
{
    int64_t                            before;
    ngx_http_convo_revocation_feed_t  *feed;

    feed = (ngx_http_convo_revocation_feed_t *)
               ((u_char *) ev - offsetof(ngx_http_convo_revocation_feed_t,
                                         tick));

    before = (int64_t) ngx_time() * 1000 - feed->lifetime;

    convo_revoked_forget(feed->table, before,
                         NGX_HTTP_CONVO_REVOCATION_CHAINS);
    ngx_http_convo_revocation_count(feed);

    ngx_http_convo_revocation_read(feed);

    ngx_add_timer(ev, NGX_HTTP_CONVO_REVOCATION_TICK);
}


static void
ngx_http_convo_revocation_want(ngx_http_convo_revocation_feed_t *feed,
    ngx_msec_t delay)
{
    feed->wanted = 1;
    feed->read_at = ngx_current_msec + delay;
    feed->cursor[0] = '0';
    feed->cursor_len = 1;
}


/* Asks for the page at the cursor, once the one on its way has come. */

static void
ngx_http_convo_revocation_read(ngx_http_convo_revocation_feed_t *feed)
{
    ngx_int_t    rc;
    ngx_str_t    name, args[2];
    convo_key_t  key;

    if (!feed->live || !feed->wanted || feed->asking
        || (ngx_msec_int_t) (feed->read_at - ngx_current_msec) > 0)
    {
        return;
    }

    args[0].data = feed->cursor;
    args[0].len = feed->cursor_len;
    ngx_str_set(&args[1], NGX_HTTP_CONVO_REVOCATION_PAGE);

    rc = ngx_http_convo_revocation_key(&key, &name);

    if (rc == NGX_OK) {
        rc = ngx_http_convo_redis_eval(feed->redis, feed->pool,
                                       CONVO_SCRIPT_READ_REVOKED, &name, 1,
                                       args, 2, ngx_http_convo_revocation_page,
                                       feed);
    }

    if (rc != NGX_OK) {
        ngx_http_convo_revocation_want(feed, NGX_HTTP_CONVO_REVOCATION_PAUSE);
        return;
    }

    feed->asking = 1;
    feed->wanted = 0;
}


static void
ngx_http_convo_revocation_page(void *data, const redisReply *reply)
{
    ngx_http_convo_revocation_feed_t *feed = data;

    feed->asking = 0;

    if (feed->table == NULL || !feed->live) {
        return;
    }

    if (feed->wanted) {
        /* cut off meanwhile: the page is of a reading that counts no more */
        ngx_http_convo_revocation_read(feed);
        return;
    }

    if (ngx_http_convo_revocation_page_take(feed, reply) != NGX_OK) {
        ngx_http_convo_revocation_want(feed, NGX_HTTP_CONVO_REVOCATION_PAUSE);
        return;
    }

    ngx_http_convo_revocation_count(feed);

    if (feed->wanted) {
        /* it is full */
        return;
    }

    if (feed->cursor_len == 1 && feed->cursor[0] == '0') {
        ngx_http_convo_revocation_done(feed);
        return;
    }

    feed->wanted = 1;
    ngx_http_convo_revocation_read(feed);
}


/* The next cursor, then members, each with its time. */

static ngx_int_t
ngx_http_convo_revocation_page_take(ngx_http_convo_revocation_feed_t *feed,
    const redisReply *reply)
{
    off_t              at;
    size_t             i;
    int64_t            before;
    const redisReply  *cursor, *member, *time;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements % 2 != 1)
    {
        goto failed;
    }

    cursor = reply->element[0];

    if (cursor->type != REDIS_REPLY_STRING || cursor->len == 0
        || (size_t) cursor->len > NGX_HTTP_CONVO_REVOCATION_CURSOR)
    {
        goto failed;
    }

    feed->cursor_len = cursor->len;
    ngx_memcpy(feed->cursor, cursor->str, cursor->len);

    before = (int64_t) ngx_time() * 1000 - feed->lifetime;

    for (i = 1; i < reply->elements && !feed->wanted; i += 2) {

        member = reply->element[i];
        time = reply->element[i + 1];

        if (member->type != REDIS_REPLY_STRING
            || time->type != REDIS_REPLY_STRING)
        {
            goto failed;
        }

        /* a score may have a fraction, though none of ours has */

        at = ngx_atoof((u_char *) time->str, strcspn(time->str, "."));

        if (at != NGX_ERROR && at < before) {
            continue;
        }

        ngx_http_convo_revocation_take(feed,
            convo_revoked_add(feed->table, member->str, member->len, at));
    }

    return NGX_OK;

failed:

    ngx_log_error(NGX_LOG_ERR, feed->tick.log, 0,
                  "convo revocation: %V: no page of revocations: %s",
                  ngx_http_convo_redis_name(feed->redis),
                  reply != NULL && reply->type == REDIS_REPLY_ERROR
                      ? reply->str : "no answer that is one");

    return NGX_ERROR;
}


static void
ngx_http_convo_revocation_done(ngx_http_convo_revocation_feed_t *feed)
{
    feed->current = 1;
    feed->complete = 1;

    ngx_http_convo_gauge(NGX_HTTP_CONVO_REVOCATION_FEEDS_CURRENT, 1);

    ngx_log_error(NGX_LOG_INFO, feed->tick.log, 0,
                  "convo revocation: %V: %uz revocations are known",
                  ngx_http_convo_redis_name(feed->redis),
                  convo_revoked_count(feed->table));

    ngx_post_event(&feed->tell, &ngx_posted_events);
}


static ngx_int_t
ngx_http_convo_revocation_key(convo_key_t *key, ngx_str_t *name)
{
    if (convo_key(key, CONVO_POOL_NONE, sizeof(CONVO_POOL_NONE) - 1,
                  CONVO_KEY_REVOKED, NULL, 0)
        != 0)
    {
        return NGX_ERROR;
    }

    name->data = (u_char *) key->name;
    name->len = key->len;

    return NGX_OK;
}
