/*
 * Channels over the subscriber connection.
 *
 * One connection per process and Redis, opened when the first channel is
 * followed.  Subscribers of one channel share it: the first one has it
 * subscribed, the last one that goes has it unsubscribed.  What is to be
 * subscribed stands in a queue and leaves in batches of bounded size with a
 * bounded number unconfirmed, be it a thousand streams that came in one turn
 * of the event loop or all channels after a reconnection.
 *
 * Redis confirms in the order it was asked, so a channel only counts how many
 * confirmations are still to come: it is live when the last one has come and
 * somebody still follows.
 *
 * How it fails: a client that goes leaves its channel by the cleanup of its
 * pool.  When the connection is lost, every live subscriber is told LOST, and
 * READY once its channel is subscribed again on the next connection.  A peer
 * that went without a word is noticed by a PING that is not answered.  Any
 * error reply, a confirmation nobody asked for and a message of the wrong
 * shape end the connection; a message of a channel just left is dropped.
 *
 * Subscribers are told from a queue, by a posted event, one at a time, so
 * that a handler may destroy any pool, that of its neighbour included.  To most
 * of them a message is a hint, and many are told as one; to those that take
 * the text every message is handed at once.
 */

#include "ngx_http_convo_redis_internal.h"


#define NGX_HTTP_CONVO_REDIS_CHANNEL_MAX  512

/* channels in one SUBSCRIBE, and unconfirmed ones before the next */

#define NGX_HTTP_CONVO_REDIS_BATCH        128
#define NGX_HTTP_CONVO_REDIS_ASKED_MAX    512

/* subscribers told before other events have their turn */

#define NGX_HTTP_CONVO_REDIS_TELL         256


typedef struct {
    ngx_str_node_t                   name;        /* in channels */
    ngx_queue_t                      all;
    ngx_queue_t                      unasked;     /* where "queued" */
    ngx_queue_t                      followers;
    ngx_uint_t                       pending;     /* confirmations to come */
    unsigned                         queued:1;
    unsigned                         asked:1;     /* the last was SUBSCRIBE */
    unsigned                         live:1;
    u_char                           text[1];
} ngx_http_convo_redis_channel_t;


typedef struct {
    ngx_http_convo_redis_t          *redis;
    ngx_http_convo_redis_channel_t  *channel;     /* NULL: process ends */
    ngx_queue_t                      queue;       /* in followers */
    ngx_queue_t                      due;         /* where "told" is not set */
    ngx_http_convo_redis_event_e     event;
    ngx_http_convo_redis_event_pt    handler;
    ngx_http_convo_redis_message_pt  message;     /* or NULL */
    void                            *data;
    unsigned                         told:1;      /* nothing is due */
} ngx_http_convo_redis_follower_t;


static ngx_http_convo_redis_channel_t *ngx_http_convo_redis_channel_find(
    ngx_http_convo_redis_subscriber_t *subscriber, const ngx_str_t *name);
static ngx_http_convo_redis_channel_t *ngx_http_convo_redis_channel_create(
    ngx_http_convo_redis_subscriber_t *subscriber, const ngx_str_t *name);
static void ngx_http_convo_redis_channel_free(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel);
static void ngx_http_convo_redis_channel_want(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel);
static void ngx_http_convo_redis_channel_leave(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel);
static void ngx_http_convo_redis_channel_tell(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel,
    ngx_http_convo_redis_event_e event);
static void ngx_http_convo_redis_channel_message(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel, const ngx_str_t *text);
static void ngx_http_convo_redis_follower_tell(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_follower_t *follower,
    ngx_http_convo_redis_event_e event);
static void ngx_http_convo_redis_follower_leave(void *data);

static void ngx_http_convo_redis_subscriber_ask(ngx_event_t *ev);
static ngx_int_t ngx_http_convo_redis_subscriber_ask_batch(
    ngx_http_convo_redis_subscriber_t *subscriber);
static void ngx_http_convo_redis_subscriber_tell(ngx_event_t *ev);
static void ngx_http_convo_redis_subscriber_up(
    ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_subscriber_down(
    ngx_http_convo_redis_link_t *link);
static ngx_int_t ngx_http_convo_redis_subscriber_health(
    ngx_http_convo_redis_link_t *link);
static ngx_int_t ngx_http_convo_redis_subscriber_reply(
    ngx_http_convo_redis_link_t *link, const redisReply *reply);
static ngx_int_t ngx_http_convo_redis_subscriber_push(
    ngx_http_convo_redis_subscriber_t *subscriber, const redisReply *reply);
static ngx_int_t ngx_http_convo_redis_subscriber_confirm(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel, ngx_uint_t subscribed);
static ngx_uint_t ngx_http_convo_redis_is_string(const redisReply *reply,
    const char *text);


static const ngx_http_convo_redis_user_t
    ngx_http_convo_redis_subscriber_user =
{
    ngx_http_convo_redis_subscriber_reply,
    ngx_http_convo_redis_subscriber_up,
    ngx_http_convo_redis_subscriber_down,
    ngx_http_convo_redis_subscriber_health
};


void
ngx_http_convo_redis_subscriber_init(ngx_http_convo_redis_t *redis)
{
    ngx_http_convo_redis_subscriber_t  *subscriber;

    subscriber = &redis->subscriber;

    ngx_http_convo_redis_link_init(&subscriber->link, redis,
                                   &ngx_http_convo_redis_subscriber_user);

    ngx_rbtree_init(&subscriber->channels, &subscriber->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_queue_init(&subscriber->all);
    ngx_queue_init(&subscriber->unasked);
    ngx_queue_init(&subscriber->due);

    subscriber->ask.data = &subscriber->link;
    subscriber->ask.handler = ngx_http_convo_redis_subscriber_ask;
    subscriber->ask.log = &subscriber->link.log;

    subscriber->tell.data = &subscriber->link;
    subscriber->tell.handler = ngx_http_convo_redis_subscriber_tell;
    subscriber->tell.log = &subscriber->link.log;
}


void
ngx_http_convo_redis_subscriber_close(ngx_http_convo_redis_t *redis)
{
    ngx_queue_t                        *q;
    ngx_http_convo_redis_channel_t     *channel;
    ngx_http_convo_redis_follower_t    *follower;
    ngx_http_convo_redis_subscriber_t  *subscriber;

    subscriber = &redis->subscriber;

    ngx_http_convo_redis_link_close(&subscriber->link);

    if (subscriber->ask.posted) {
        ngx_delete_posted_event(&subscriber->ask);
    }

    if (subscriber->tell.posted) {
        ngx_delete_posted_event(&subscriber->tell);
    }

    while (!ngx_queue_empty(&subscriber->all)) {

        channel = ngx_queue_data(ngx_queue_head(&subscriber->all),
                                 ngx_http_convo_redis_channel_t, all);

        while (!ngx_queue_empty(&channel->followers)) {
            q = ngx_queue_head(&channel->followers);
            ngx_queue_remove(q);

            follower = ngx_queue_data(q, ngx_http_convo_redis_follower_t,
                                      queue);
            follower->channel = NULL;
        }

        ngx_http_convo_redis_channel_free(subscriber, channel);
    }
}


ngx_int_t
ngx_http_convo_redis_subscribe(ngx_http_convo_redis_t *redis,
    ngx_pool_t *pool, const ngx_str_t *name,
    ngx_http_convo_redis_event_pt handler, void *data)
{
    return ngx_http_convo_redis_follow(redis, pool, name, handler, NULL, data);
}


ngx_int_t
ngx_http_convo_redis_follow(ngx_http_convo_redis_t *redis, ngx_pool_t *pool,
    const ngx_str_t *name, ngx_http_convo_redis_event_pt handler,
    ngx_http_convo_redis_message_pt message, void *data)
{
    ngx_pool_cleanup_t                 *cln;
    ngx_http_convo_redis_channel_t     *channel;
    ngx_http_convo_redis_follower_t    *follower;
    ngx_http_convo_redis_subscriber_t  *subscriber;

    subscriber = &redis->subscriber;

    if (name->len == 0 || name->len > NGX_HTTP_CONVO_REDIS_CHANNEL_MAX
        || subscriber->link.state == NGX_HTTP_CONVO_REDIS_LINK_CLOSED)
    {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_http_convo_redis_follower_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    channel = ngx_http_convo_redis_channel_find(subscriber, name);

    if (channel == NULL) {
        channel = ngx_http_convo_redis_channel_create(subscriber, name);
        if (channel == NULL) {
            return NGX_ERROR;
        }
    }

    follower = cln->data;
    cln->handler = ngx_http_convo_redis_follower_leave;

    follower->redis = redis;
    follower->channel = channel;
    follower->handler = handler;
    follower->message = message;
    follower->data = data;
    follower->told = 1;

    ngx_queue_insert_tail(&channel->followers, &follower->queue);

    if (channel->live) {
        return NGX_OK;
    }

    ngx_http_convo_redis_channel_want(subscriber, channel);
    ngx_http_convo_redis_link_demand(&subscriber->link);

    return NGX_AGAIN;
}


static void
ngx_http_convo_redis_follower_leave(void *data)
{
    ngx_http_convo_redis_follower_t *follower = data;

    ngx_http_convo_redis_channel_t  *channel;

    channel = follower->channel;

    if (channel == NULL) {
        return;
    }

    if (!follower->told) {
        ngx_queue_remove(&follower->due);
    }

    ngx_queue_remove(&follower->queue);

    if (ngx_queue_empty(&channel->followers)) {
        ngx_http_convo_redis_channel_leave(&follower->redis->subscriber,
                                           channel);
    }
}


static ngx_http_convo_redis_channel_t *
ngx_http_convo_redis_channel_find(
    ngx_http_convo_redis_subscriber_t *subscriber, const ngx_str_t *name)
{
    ngx_str_t  key;

    key = *name;

    /* the node is the channel's first member */

    return (ngx_http_convo_redis_channel_t *)
               ngx_str_rbtree_lookup(&subscriber->channels, &key,
                                     ngx_crc32_short(key.data, key.len));
}


static ngx_http_convo_redis_channel_t *
ngx_http_convo_redis_channel_create(
    ngx_http_convo_redis_subscriber_t *subscriber, const ngx_str_t *name)
{
    ngx_http_convo_redis_channel_t  *channel;

    channel = ngx_calloc(offsetof(ngx_http_convo_redis_channel_t, text)
                         + name->len, &subscriber->link.log);
    if (channel == NULL) {
        return NULL;
    }

    ngx_memcpy(channel->text, name->data, name->len);

    channel->name.str.data = channel->text;
    channel->name.str.len = name->len;
    channel->name.node.key = ngx_crc32_short(name->data, name->len);

    ngx_rbtree_insert(&subscriber->channels, &channel->name.node);
    ngx_queue_insert_tail(&subscriber->all, &channel->all);
    ngx_queue_init(&channel->followers);

    return channel;
}


static void
ngx_http_convo_redis_channel_free(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel)
{
    if (channel->queued) {
        ngx_queue_remove(&channel->unasked);
    }

    ngx_queue_remove(&channel->all);
    ngx_rbtree_delete(&subscriber->channels, &channel->name.node);
    ngx_free(channel);

    if (ngx_queue_empty(&subscriber->all)) {
        /* with nothing to follow, a lost connection may stay lost */
        subscriber->link.wanted = 0;
    }
}


/* Somebody follows: it is to be subscribed, unless that is under way. */

static void
ngx_http_convo_redis_channel_want(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel)
{
    if (channel->queued || channel->asked) {
        return;
    }

    channel->queued = 1;
    ngx_queue_insert_tail(&subscriber->unasked, &channel->unasked);

    if (subscriber->link.state == NGX_HTTP_CONVO_REDIS_LINK_UP) {
        ngx_post_event(&subscriber->ask, &ngx_posted_events);
    }
}


/* Nobody follows any more: it is unsubscribed, if it was asked for at all. */

static void
ngx_http_convo_redis_channel_leave(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel)
{
    size_t                        lens[2];
    const char                   *argv[2];
    ngx_http_convo_redis_link_t  *link;

    link = &subscriber->link;

    if (channel->queued) {
        channel->queued = 0;
        ngx_queue_remove(&channel->unasked);
    }

    if (channel->asked) {
        argv[0] = "UNSUBSCRIBE";
        lens[0] = sizeof("UNSUBSCRIBE") - 1;
        argv[1] = (char *) channel->text;
        lens[1] = channel->name.str.len;

        channel->asked = 0;
        channel->live = 0;
        channel->pending++;

        if (ngx_http_convo_redis_wire_command(link, 2, argv, lens) != NGX_OK) {
            /* the confirmation will not come: begin anew */
            link->recycle = "no memory";
        }
    }

    if (channel->pending == 0) {
        ngx_http_convo_redis_channel_free(subscriber, channel);
    }
}


/* Makes the event due for all followers. */

static void
ngx_http_convo_redis_channel_tell(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel,
    ngx_http_convo_redis_event_e event)
{
    ngx_queue_t                      *q;
    ngx_http_convo_redis_follower_t  *follower;

    for (q = ngx_queue_head(&channel->followers);
         q != ngx_queue_sentinel(&channel->followers);
         q = ngx_queue_next(q))
    {
        follower = ngx_queue_data(q, ngx_http_convo_redis_follower_t, queue);

        ngx_http_convo_redis_follower_tell(subscriber, follower, event);
    }
}


static void
ngx_http_convo_redis_channel_message(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel, const ngx_str_t *text)
{
    ngx_queue_t                      *q;
    ngx_http_convo_redis_follower_t  *follower;

    for (q = ngx_queue_head(&channel->followers);
         q != ngx_queue_sentinel(&channel->followers);
         q = ngx_queue_next(q))
    {
        follower = ngx_queue_data(q, ngx_http_convo_redis_follower_t, queue);

        if (follower->message) {
            follower->message(follower->data, text);
            continue;
        }

        ngx_http_convo_redis_follower_tell(subscriber, follower,
                                           NGX_HTTP_CONVO_REDIS_MESSAGE);
    }
}


/*
 * Of two events that are due at once the later one stands for both: LOST and
 * READY end each other, and a message adds nothing to a READY.
 */

static void
ngx_http_convo_redis_follower_tell(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_follower_t *follower,
    ngx_http_convo_redis_event_e event)
{
    if (follower->told) {
        follower->told = 0;
        follower->event = event;
        ngx_queue_insert_tail(&subscriber->due, &follower->due);
        ngx_post_event(&subscriber->tell, &ngx_posted_events);

    } else if (event != NGX_HTTP_CONVO_REDIS_MESSAGE) {
        follower->event = event;
    }
}


static void
ngx_http_convo_redis_subscriber_tell(ngx_event_t *ev)
{
    ngx_uint_t                          n;
    ngx_queue_t                        *q;
    ngx_http_convo_redis_link_t        *link;
    ngx_http_convo_redis_follower_t    *follower;
    ngx_http_convo_redis_subscriber_t  *subscriber;

    link = ev->data;
    subscriber = &link->redis->subscriber;

    for (n = 0; n < NGX_HTTP_CONVO_REDIS_TELL; n++) {

        if (ngx_queue_empty(&subscriber->due)) {
            return;
        }

        q = ngx_queue_head(&subscriber->due);
        ngx_queue_remove(q);

        follower = ngx_queue_data(q, ngx_http_convo_redis_follower_t, due);
        follower->told = 1;

        follower->handler(follower->data, follower->event);

        /* the follower may have gone with its pool */
    }

    ngx_post_event(&subscriber->tell, &ngx_posted_next_events);
}


static void
ngx_http_convo_redis_subscriber_ask(ngx_event_t *ev)
{
    ngx_http_convo_redis_link_t        *link;
    ngx_http_convo_redis_subscriber_t  *subscriber;

    link = ev->data;
    subscriber = &link->redis->subscriber;

    if (link->state != NGX_HTTP_CONVO_REDIS_LINK_UP) {
        return;
    }

    while (!ngx_queue_empty(&subscriber->unasked)
           && subscriber->asked < NGX_HTTP_CONVO_REDIS_ASKED_MAX)
    {
        if (ngx_http_convo_redis_subscriber_ask_batch(subscriber) != NGX_OK) {
            ngx_http_convo_redis_link_fail(link, NGX_ENOMEM, "no memory");
            return;
        }
    }
}


static ngx_int_t
ngx_http_convo_redis_subscriber_ask_batch(
    ngx_http_convo_redis_subscriber_t *subscriber)
{
    int                              n;
    size_t                           lens[1 + NGX_HTTP_CONVO_REDIS_BATCH];
    const char                      *argv[1 + NGX_HTTP_CONVO_REDIS_BATCH];
    ngx_queue_t                     *q;
    ngx_http_convo_redis_channel_t  *channel;

    argv[0] = "SUBSCRIBE";
    lens[0] = sizeof("SUBSCRIBE") - 1;

    for (n = 1;
         n <= NGX_HTTP_CONVO_REDIS_BATCH
         && !ngx_queue_empty(&subscriber->unasked);
         n++)
    {
        q = ngx_queue_head(&subscriber->unasked);
        ngx_queue_remove(q);

        channel = ngx_queue_data(q, ngx_http_convo_redis_channel_t, unasked);
        channel->queued = 0;
        channel->asked = 1;
        channel->pending++;
        subscriber->asked++;

        argv[n] = (char *) channel->text;
        lens[n] = channel->name.str.len;
    }

    return ngx_http_convo_redis_wire_command(&subscriber->link, n, argv, lens);
}


static void
ngx_http_convo_redis_subscriber_up(ngx_http_convo_redis_link_t *link)
{
    ngx_http_convo_redis_subscriber_t  *subscriber;

    subscriber = &link->redis->subscriber;

    subscriber->pinged = 0;
    ngx_post_event(&subscriber->ask, &ngx_posted_events);
}


/* All that was asked is void; what is still followed is to be asked again. */

static void
ngx_http_convo_redis_subscriber_down(ngx_http_convo_redis_link_t *link)
{
    ngx_queue_t                        *q, *next;
    ngx_http_convo_redis_channel_t     *channel;
    ngx_http_convo_redis_subscriber_t  *subscriber;

    subscriber = &link->redis->subscriber;
    subscriber->asked = 0;

    for (q = ngx_queue_head(&subscriber->all);
         q != ngx_queue_sentinel(&subscriber->all);
         q = next)
    {
        next = ngx_queue_next(q);

        channel = ngx_queue_data(q, ngx_http_convo_redis_channel_t, all);
        channel->pending = 0;
        channel->asked = 0;

        if (ngx_queue_empty(&channel->followers)) {
            ngx_http_convo_redis_channel_free(subscriber, channel);
            continue;
        }

        if (channel->live) {
            channel->live = 0;
            ngx_http_convo_redis_channel_tell(subscriber, channel,
                                              NGX_HTTP_CONVO_REDIS_LOST);
        }

        ngx_http_convo_redis_channel_want(subscriber, channel);
    }
}


static ngx_int_t
ngx_http_convo_redis_subscriber_health(ngx_http_convo_redis_link_t *link)
{
    static const size_t        lens[] = { sizeof("PING") - 1 };
    static const char         *argv[] = { "PING" };

    ngx_http_convo_redis_subscriber_t  *subscriber;

    subscriber = &link->redis->subscriber;

    if (subscriber->pinged) {
        return NGX_ERROR;
    }

    subscriber->pinged = 1;

    return ngx_http_convo_redis_wire_command(link, 1, argv, lens);
}


static ngx_int_t
ngx_http_convo_redis_subscriber_reply(ngx_http_convo_redis_link_t *link,
    const redisReply *reply)
{
    ngx_http_convo_redis_subscriber_t  *subscriber;

    subscriber = &link->redis->subscriber;
    subscriber->pinged = 0;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 3) {
        return ngx_http_convo_redis_subscriber_push(subscriber, reply);
    }

    /* a PING is answered so with no channel subscribed, else as below */

    if (reply->type == REDIS_REPLY_STATUS
        && ngx_strcmp(reply->str, "PONG") == 0)
    {
        return NGX_OK;
    }

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && ngx_http_convo_redis_is_string(reply->element[0], "pong"))
    {
        return NGX_OK;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_convo_redis_subscriber_push(
    ngx_http_convo_redis_subscriber_t *subscriber, const redisReply *reply)
{
    ngx_str_t                        name, text;
    ngx_uint_t                       subscribed;
    const redisReply                *kind;
    ngx_http_convo_redis_channel_t  *channel;

    kind = reply->element[0];

    if (reply->element[1]->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    name.data = (u_char *) reply->element[1]->str;
    name.len = reply->element[1]->len;

    channel = ngx_http_convo_redis_channel_find(subscriber, &name);

    if (ngx_http_convo_redis_is_string(kind, "message")) {
        subscriber->link.redis->counters.messages++;
        ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_MESSAGES);

        if (reply->element[2]->type != REDIS_REPLY_STRING) {
            return NGX_ERROR;
        }

        text.data = (u_char *) reply->element[2]->str;
        text.len = reply->element[2]->len;

        if (channel && channel->live) {
            ngx_http_convo_redis_channel_message(subscriber, channel, &text);
        }

        return NGX_OK;
    }

    subscribed = ngx_http_convo_redis_is_string(kind, "subscribe");

    if (!subscribed && !ngx_http_convo_redis_is_string(kind, "unsubscribe")) {
        return NGX_ERROR;
    }

    return ngx_http_convo_redis_subscriber_confirm(subscriber, channel,
                                                   subscribed);
}


static ngx_int_t
ngx_http_convo_redis_subscriber_confirm(
    ngx_http_convo_redis_subscriber_t *subscriber,
    ngx_http_convo_redis_channel_t *channel, ngx_uint_t subscribed)
{
    if (channel == NULL || channel->pending == 0) {
        return NGX_ERROR;
    }

    channel->pending--;

    if (subscribed) {

        if (subscriber->asked == 0) {
            return NGX_ERROR;
        }

        subscriber->asked--;

        if (!ngx_queue_empty(&subscriber->unasked)) {
            ngx_post_event(&subscriber->ask, &ngx_posted_events);
        }
    }

    if (channel->pending) {
        return NGX_OK;
    }

    if (channel->asked) {

        if (!subscribed) {
            return NGX_ERROR;
        }

        channel->live = 1;
        ngx_http_convo_redis_channel_tell(subscriber, channel,
                                          NGX_HTTP_CONVO_REDIS_READY);

    } else if (ngx_queue_empty(&channel->followers)) {
        ngx_http_convo_redis_channel_free(subscriber, channel);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_convo_redis_is_string(const redisReply *reply, const char *text)
{
    return reply->type == REDIS_REPLY_STRING
           && ngx_strcmp(reply->str, text) == 0;
}
