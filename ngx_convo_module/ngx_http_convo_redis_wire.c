/*
 * The bytes of a link: commands out, replies in.
 *
 * What is written during one turn of the event loop leaves in one write, by a
 * posted event.  What is read goes through hiredis's reader, which parses bit
 * by bit; no other part of hiredis that does I/O is used, as it resolves names
 * blocking and aborts on unexpected replies.
 *
 * How it fails: a malformed or monstrous reply, a cut, an error of the socket
 * and memory that is short end in ngx_http_convo_redis_link_fail().
 */

#include "ngx_http_convo_redis_internal.h"


/* bytes to write: the most, the first size, and what is kept when all left */

#define NGX_HTTP_CONVO_REDIS_OUT_MAX         (32 * 1024 * 1024)
#define NGX_HTTP_CONVO_REDIS_OUT_MIN         (16 * 1024)
#define NGX_HTTP_CONVO_REDIS_OUT_KEEP        (256 * 1024)

/* bytes read by one call, and in one turn of the event loop */

#define NGX_HTTP_CONVO_REDIS_READ_SIZE       (16 * 1024)
#define NGX_HTTP_CONVO_REDIS_READ_TURN       (1024 * 1024)

/*
 * One reply: its bytes and its elements in all arrays together.  The largest
 * that a script of ours returns is some tens of kilobytes.  The depth is
 * bounded by hiredis to 7.
 */

#define NGX_HTTP_CONVO_REDIS_REPLY_MAX       (2 * 1024 * 1024)
#define NGX_HTTP_CONVO_REDIS_REPLY_ELEMENTS  65536


static ngx_int_t ngx_http_convo_redis_wire_reserve(
    ngx_http_convo_redis_link_t *link, size_t size);
static void ngx_http_convo_redis_wire_release(
    ngx_http_convo_redis_link_t *link);
static ngx_int_t ngx_http_convo_redis_wire_feed(
    ngx_http_convo_redis_link_t *link, const char *data, size_t size);
static ngx_int_t ngx_http_convo_redis_wire_reply(
    ngx_http_convo_redis_link_t *link, const redisReply *reply);
static void *ngx_http_convo_redis_wire_create_array(const redisReadTask *task,
    int elements);


/*
 * The reader with hiredis's own functions, but for the one that would believe
 * any number of elements it is told.
 */

ngx_int_t
ngx_http_convo_redis_wire_open(ngx_http_convo_redis_link_t *link)
{
    link->reply_size = 0;
    link->reply_elements = 0;

    link->reader = redisReaderCreate();
    if (link->reader == NULL) {
        return NGX_ERROR;
    }

    link->functions = *link->reader->fn;
    link->create_array = link->functions.createArray;
    link->functions.createArray = ngx_http_convo_redis_wire_create_array;

    link->reader->fn = &link->functions;
    link->reader->privdata = link;

    /* never give the buffer back: the reader asserts that it gets a new one */

    link->reader->maxbuf = 0;

    return NGX_OK;
}


void
ngx_http_convo_redis_wire_close(ngx_http_convo_redis_link_t *link)
{
    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }

    if (link->reader) {
        redisReaderFree(link->reader);
        link->reader = NULL;
    }

    ngx_http_convo_redis_wire_release(link);
}


ngx_int_t
ngx_http_convo_redis_wire_command(ngx_http_convo_redis_link_t *link, int argc,
    const char **argv, const size_t *lens)
{
    int        size;
    char      *wire;
    ngx_int_t  rc;

    size = redisFormatCommandArgv(&wire, argc, argv, lens);
    if (size < 0) {
        return NGX_ERROR;
    }

    rc = ngx_http_convo_redis_wire_write(link, (u_char *) wire, size);

    redisFreeCommand(wire);

    return rc;
}


ngx_int_t
ngx_http_convo_redis_wire_write(ngx_http_convo_redis_link_t *link,
    const u_char *data, size_t size)
{
    if (ngx_http_convo_redis_wire_reserve(link, size) != NGX_OK) {
        return NGX_ERROR;
    }

    link->out_last = ngx_cpymem(link->out_last, data, size);

    ngx_post_event(&link->flush, &ngx_posted_events);

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_redis_wire_reserve(ngx_http_convo_redis_link_t *link,
    size_t size)
{
    size_t   used, room;
    u_char  *out;

    if ((size_t) (link->out_end - link->out_last) >= size) {
        return NGX_OK;
    }

    used = link->out_last - link->out_pos;

    if (size > NGX_HTTP_CONVO_REDIS_OUT_MAX
        || used > NGX_HTTP_CONVO_REDIS_OUT_MAX - size)
    {
        return NGX_ERROR;
    }

    room = NGX_HTTP_CONVO_REDIS_OUT_MIN;

    while (room < used + size) {
        room *= 2;
    }

    out = ngx_alloc(room, &link->log);
    if (out == NULL) {
        return NGX_ERROR;
    }

    if (used) {
        ngx_memcpy(out, link->out_pos, used);
    }

    if (link->out) {
        ngx_free(link->out);
    }

    link->out = out;
    link->out_pos = out;
    link->out_last = out + used;
    link->out_end = out + room;

    return NGX_OK;
}


static void
ngx_http_convo_redis_wire_release(ngx_http_convo_redis_link_t *link)
{
    if (link->out) {
        ngx_free(link->out);
    }

    link->out = NULL;
    link->out_pos = NULL;
    link->out_last = NULL;
    link->out_end = NULL;
}


void
ngx_http_convo_redis_wire_flush(ngx_event_t *ev)
{
    ssize_t                       n;
    ngx_connection_t             *c;
    ngx_http_convo_redis_link_t  *link;

    link = ev->data;
    c = link->connection;

    if (c == NULL || link->state == NGX_HTTP_CONVO_REDIS_LINK_CONNECT) {
        return;
    }

    while (link->out_pos < link->out_last) {

        n = c->send(c, link->out_pos, link->out_last - link->out_pos);

        if (n == NGX_ERROR) {
            ngx_http_convo_redis_link_fail(link, ngx_socket_errno,
                                           "send() failed");
            return;
        }

        if (n <= 0) {
            break;
        }

        link->out_pos += n;
    }

    if (link->out_pos == link->out_last) {

        if (link->out_end - link->out > NGX_HTTP_CONVO_REDIS_OUT_KEEP) {
            ngx_http_convo_redis_wire_release(link);

        } else {
            link->out_pos = link->out;
            link->out_last = link->out;
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_http_convo_redis_link_fail(link, 0, "no event for writing");
    }
}


void
ngx_http_convo_redis_wire_write_handler(ngx_event_t *wev)
{
    ngx_connection_t             *c;
    ngx_http_convo_redis_link_t  *link;

    c = wev->data;
    link = c->data;

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_CONNECT) {

        if (ngx_http_convo_redis_link_connected(link) == NGX_OK) {
            ngx_http_convo_redis_greet(link);
        }

        return;
    }

    ngx_http_convo_redis_wire_flush(&link->flush);
}


void
ngx_http_convo_redis_wire_read_handler(ngx_event_t *rev)
{
    char                          data[NGX_HTTP_CONVO_REDIS_READ_SIZE];
    size_t                        total;
    ssize_t                       n;
    ngx_connection_t             *c;
    ngx_http_convo_redis_link_t  *link;

    c = rev->data;
    link = c->data;

    if (c->close) {
        /* worker_shutdown_timeout has passed */
        ngx_http_convo_redis_link_fail(link, 0, "the process is ending");
        return;
    }

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_CONNECT) {

        (void) ngx_http_convo_redis_link_connected(link);
        return;
    }

    for (total = 0; total < NGX_HTTP_CONVO_REDIS_READ_TURN; total += n) {

        n = c->recv(c, (u_char *) data, sizeof(data));

        if (n == NGX_AGAIN) {

            if (ngx_handle_read_event(rev, 0) != NGX_OK) {
                ngx_http_convo_redis_link_fail(link, 0,
                                               "no event for reading");
            }

            return;
        }

        if (n == NGX_ERROR) {
            ngx_http_convo_redis_link_fail(link, ngx_socket_errno,
                                           "recv() failed");
            return;
        }

        if (n == 0) {
            ngx_http_convo_redis_link_fail(link, 0, "closed by the peer");
            return;
        }

        if (ngx_http_convo_redis_wire_feed(link, data, n) != NGX_OK) {
            return;
        }
    }

    /* others have their turn; then more of this */

    ngx_post_event(rev, &ngx_posted_next_events);
}


/*
 * Takes bytes that were read and hands on the replies that they complete.
 * NGX_ERROR when the link has fallen.
 */

static ngx_int_t
ngx_http_convo_redis_wire_feed(ngx_http_convo_redis_link_t *link,
    const char *data, size_t size)
{
    void       *object;
    ngx_int_t   rc;

    link->reply_size += size;

    if (redisReaderFeed(link->reader, data, size) != REDIS_OK) {
        ngx_http_convo_redis_link_fail(link, 0, link->reader->errstr);
        return NGX_ERROR;
    }

    for ( ;; ) {

        if (redisReaderGetReply(link->reader, &object) != REDIS_OK) {
            ngx_http_convo_redis_link_fail(link, 0, link->reader->errstr);
            return NGX_ERROR;
        }

        if (object == NULL) {
            break;
        }

        link->reply_elements = 0;
        link->reply_size = link->reader->len - link->reader->pos;

        rc = ngx_http_convo_redis_wire_reply(link, object);

        freeReplyObject(object);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (link->reply_size > NGX_HTTP_CONVO_REDIS_REPLY_MAX) {
        ngx_http_convo_redis_link_fail(link, 0, "a reply was too long");
        return NGX_ERROR;
    }

    if (link->recycle) {
        ngx_http_convo_redis_link_fail(link, 0, link->recycle);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_redis_wire_reply(ngx_http_convo_redis_link_t *link,
    const redisReply *reply)
{
    ngx_connection_t  *c;

    c = link->connection;

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_GREET) {
        ngx_http_convo_redis_greet_reply(link, reply);

    } else if (link->user->reply(link, reply) != NGX_OK) {
        ngx_http_convo_redis_link_fail(link, 0,
                                       reply->type == REDIS_REPLY_ERROR
                                       ? reply->str : "an unexpected reply");
    }

    /* whoever was told "down" may have opened the next one already */

    return link->connection == c ? NGX_OK : NGX_ERROR;
}


static void *
ngx_http_convo_redis_wire_create_array(const redisReadTask *task, int elements)
{
    ngx_http_convo_redis_link_t  *link;

    link = task->privdata;

    if (elements < 0
        || (ngx_uint_t) elements
           > NGX_HTTP_CONVO_REDIS_REPLY_ELEMENTS - link->reply_elements)
    {
        /* the reader takes it for want of memory, and the link falls */
        return NULL;
    }

    link->reply_elements += elements;

    return link->create_array(task, elements);
}


ngx_uint_t
ngx_http_convo_redis_is_error(const redisReply *reply, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    return reply->type == REDIS_REPLY_ERROR
           && (size_t) reply->len >= len
           && ngx_strncmp(reply->str, word, len) == 0
           && (reply->str[len] == ' ' || reply->str[len] == '\0');
}
