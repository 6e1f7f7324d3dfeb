/*
 * One connection to Redis and its life.
 *
 * A link rests until somebody demands it, then looks up the name (through
 * NGINX's resolver), connects, signs in (AUTH, SELECT) and sees by a PING that
 * a Redis is there at all.  What is written during one turn of the event loop
 * leaves in one write, by a posted event.  What is read goes through
 * hiredis's reader, which parses bit by bit; no other part of hiredis that
 * does I/O is used, as it resolves names blocking and aborts on unexpected
 * replies.
 *
 * How it fails: a refused or silent peer, a wrong password, a malformed or
 * monstrous reply, a cut, a name that is not found - all end in
 * ngx_http_convo_redis_link_fail(): logged once, the user told "down", and
 * another attempt planned after a pause that doubles up to a second and is
 * spread by chance, so that many processes do not return at the same moment.
 * The first attempt after a link that was well comes at once.  Every timer
 * here is cancelable: an ending process does not wait for Redis.  When memory
 * is short the link falls like for any other reason.
 */

#include "ngx_http_convo_redis_internal.h"


/* the pause after the first failure, and the longest; with a jitter of half */

#define NGX_HTTP_CONVO_REDIS_PAUSE_MIN       50
#define NGX_HTTP_CONVO_REDIS_PAUSE_MAX       1000

/* between two signs of life, ms */

#define NGX_HTTP_CONVO_REDIS_HEALTH          3000

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


static void ngx_http_convo_redis_link_start(ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_link_resolve(
    ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_link_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_http_convo_redis_link_connect(
    ngx_http_convo_redis_link_t *link, struct sockaddr *sockaddr,
    socklen_t socklen);
static void ngx_http_convo_redis_link_greet(ngx_http_convo_redis_link_t *link);
static ngx_int_t ngx_http_convo_redis_link_greeting(
    ngx_http_convo_redis_link_t *link, const char *command, const char *first,
    const char *second);
static void ngx_http_convo_redis_link_greeted(
    ngx_http_convo_redis_link_t *link, const redisReply *reply);
static void ngx_http_convo_redis_link_refused(
    ngx_http_convo_redis_link_t *link, const char *command,
    const redisReply *reply);
static void ngx_http_convo_redis_link_up(ngx_http_convo_redis_link_t *link);
static ngx_int_t ngx_http_convo_redis_link_connected(ngx_connection_t *c,
    ngx_err_t *err);

static void ngx_http_convo_redis_link_timer(ngx_event_t *ev);
static void ngx_http_convo_redis_link_health(ngx_event_t *ev);
static void ngx_http_convo_redis_link_flush(ngx_event_t *ev);
static void ngx_http_convo_redis_link_write_handler(ngx_event_t *wev);
static void ngx_http_convo_redis_link_read_handler(ngx_event_t *rev);
static ngx_int_t ngx_http_convo_redis_link_feed(
    ngx_http_convo_redis_link_t *link, const char *data, size_t size);
static ngx_int_t ngx_http_convo_redis_link_reply(
    ngx_http_convo_redis_link_t *link, const redisReply *reply);

static ngx_int_t ngx_http_convo_redis_link_reader(
    ngx_http_convo_redis_link_t *link);
static void *ngx_http_convo_redis_link_create_array(const redisReadTask *task,
    int elements);
static ngx_int_t ngx_http_convo_redis_link_reserve(
    ngx_http_convo_redis_link_t *link, size_t size);
static void ngx_http_convo_redis_link_release(
    ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_link_log_failure(
    ngx_http_convo_redis_link_t *link, ngx_err_t err, const char *reason);
static void ngx_http_convo_redis_link_plan(ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_link_event(ngx_http_convo_redis_link_t *link,
    ngx_event_t *ev, ngx_event_handler_pt handler);


void
ngx_http_convo_redis_link_init(ngx_http_convo_redis_link_t *link,
    ngx_http_convo_redis_t *redis, const ngx_http_convo_redis_user_t *user)
{
    ngx_memzero(link, sizeof(ngx_http_convo_redis_link_t));

    link->redis = redis;
    link->user = user;
    link->ident = (ngx_socket_t) -1;

    ngx_http_convo_redis_link_event(link, &link->timer,
                                    ngx_http_convo_redis_link_timer);
    ngx_http_convo_redis_link_event(link, &link->health,
                                    ngx_http_convo_redis_link_health);
    ngx_http_convo_redis_link_event(link, &link->flush,
                                    ngx_http_convo_redis_link_flush);
}


static void
ngx_http_convo_redis_link_event(ngx_http_convo_redis_link_t *link,
    ngx_event_t *ev, ngx_event_handler_pt handler)
{
    ev->data = link;
    ev->handler = handler;
    ev->log = &link->log;
    ev->cancelable = 1;
}


void
ngx_http_convo_redis_link_demand(ngx_http_convo_redis_link_t *link)
{
    link->wanted = 1;

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_REST
        || (link->state == NGX_HTTP_CONVO_REDIS_LINK_PAUSE
            && link->failures == 0))
    {
        ngx_http_convo_redis_link_start(link);
    }
}


static void
ngx_http_convo_redis_link_start(ngx_http_convo_redis_link_t *link)
{
    ngx_addr_t              *addr;
    ngx_http_convo_redis_t  *redis;

    redis = link->redis;
    link->log = *ngx_cycle->log;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    ngx_add_timer(&link->timer, redis->timeout);

    if (redis->resolver) {
        ngx_http_convo_redis_link_resolve(link);
        return;
    }

    /* the next address of a name that has several */

    addr = &redis->addrs[link->failures % redis->naddrs];

    ngx_http_convo_redis_link_connect(link, addr->sockaddr, addr->socklen);
}


static void
ngx_http_convo_redis_link_resolve(ngx_http_convo_redis_link_t *link)
{
    ngx_resolver_ctx_t      *ctx;
    ngx_http_convo_redis_t  *redis;

    redis = link->redis;
    link->state = NGX_HTTP_CONVO_REDIS_LINK_RESOLVE;

    ctx = ngx_resolve_start(redis->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_http_convo_redis_link_fail(link, 0, "no resolver");
        return;
    }

    ctx->name.data = (u_char *) redis->url.host;
    ctx->name.len = ngx_strlen(redis->url.host);
    ctx->handler = ngx_http_convo_redis_link_resolved;
    ctx->data = link;
    ctx->timeout = redis->timeout;
    ctx->cancelable = 1;

    link->resolving = ctx;

    /* may call the handler at once; has freed ctx where it fails itself */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        link->resolving = NULL;
        ngx_http_convo_redis_link_fail(link, 0, "the resolver failed");
    }
}


static void
ngx_http_convo_redis_link_resolved(ngx_resolver_ctx_t *ctx)
{
    socklen_t                     socklen;
    ngx_resolver_addr_t          *addr;
    ngx_http_convo_redis_link_t  *link;

    link = ctx->data;

    if (ctx->state || ctx->naddrs == 0) {
        ngx_http_convo_redis_link_fail(link, 0,
                                       ngx_resolver_strerror(ctx->state));
        return;
    }

    addr = &ctx->addrs[(ngx_uint_t) ngx_random() % ctx->naddrs];
    socklen = ngx_min(addr->socklen, (socklen_t) sizeof(ngx_sockaddr_t));

    ngx_memcpy(&link->sockaddr, addr->sockaddr, socklen);
    ngx_inet_set_port(&link->sockaddr.sockaddr,
                      (in_port_t) link->redis->url.port);

    link->resolving = NULL;
    ngx_resolve_name_done(ctx);

    ngx_http_convo_redis_link_connect(link, &link->sockaddr.sockaddr, socklen);
}


static void
ngx_http_convo_redis_link_connect(ngx_http_convo_redis_link_t *link,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    ngx_int_t               rc;
    ngx_connection_t       *c;
    ngx_peer_connection_t   peer;

    link->state = NGX_HTTP_CONVO_REDIS_LINK_CONNECT;

    ngx_memzero(&peer, sizeof(ngx_peer_connection_t));

    peer.sockaddr = sockaddr;
    peer.socklen = socklen;
    peer.name = &link->redis->name;
    peer.get = ngx_event_get_peer;
    peer.log = &link->log;
    peer.log_error = NGX_ERROR_INFO;

    /* said here, and not at each of many attempts, if it fails */

    link->log.log_level = NGX_LOG_STDERR;
    rc = ngx_event_connect_peer(&peer);
    link->log.log_level = ngx_cycle->log->log_level;

    if (rc == NGX_ERROR) {
        ngx_http_convo_redis_link_fail(link, 0, "no connection is free");
        return;
    }

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        ngx_http_convo_redis_link_fail(link, ngx_socket_errno,
                                       "connect() failed");
        return;
    }

    c = peer.connection;
    c->data = link;
    c->read->handler = ngx_http_convo_redis_link_read_handler;
    c->write->handler = ngx_http_convo_redis_link_write_handler;

    link->connection = c;

    if (sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(c);
    }

    if (rc == NGX_OK) {
        ngx_http_convo_redis_link_greet(link);
    }
}


static void
ngx_http_convo_redis_link_greet(ngx_http_convo_redis_link_t *link)
{
    char                number[NGX_INT_T_LEN + 1];
    convo_redis_url_t  *url;

    url = &link->redis->url;

    link->state = NGX_HTTP_CONVO_REDIS_LINK_GREET;
    link->greeting = 0;
    link->ngreetings = 0;

    if (ngx_http_convo_redis_link_reader(link) != NGX_OK) {
        goto failed;
    }

    if (url->user[0] != '\0') {
        if (ngx_http_convo_redis_link_greeting(link, "AUTH", url->user,
                                               url->password)
            != NGX_OK)
        {
            goto failed;
        }

    } else if (url->password[0] != '\0') {
        if (ngx_http_convo_redis_link_greeting(link, "AUTH", url->password,
                                               NULL)
            != NGX_OK)
        {
            goto failed;
        }
    }

    if (url->db != 0) {
        *ngx_sprintf((u_char *) number, "%ud", url->db) = '\0';

        if (ngx_http_convo_redis_link_greeting(link, "SELECT", number, NULL)
            != NGX_OK)
        {
            goto failed;
        }
    }

    if (ngx_http_convo_redis_link_greeting(link, "PING", NULL, NULL)
        != NGX_OK)
    {
        goto failed;
    }

    return;

failed:

    ngx_http_convo_redis_link_fail(link, NGX_ENOMEM, "no memory");
}


static ngx_int_t
ngx_http_convo_redis_link_greeting(ngx_http_convo_redis_link_t *link,
    const char *command, const char *first, const char *second)
{
    int          argc;
    size_t       lens[3];
    const char  *argv[3] = { command, first, second };

    for (argc = 0; argc < 3 && argv[argc]; argc++) {
        lens[argc] = ngx_strlen(argv[argc]);
    }

    link->greetings[link->ngreetings++] = command;

    return ngx_http_convo_redis_link_command(link, argc, argv, lens);
}


/*
 * AUTH and SELECT must be granted.  PING need only be answered by a Redis at
 * work: one that loads its data or has lost its master says so to each caller.
 */

static void
ngx_http_convo_redis_link_greeted(ngx_http_convo_redis_link_t *link,
    const redisReply *reply)
{
    const char  *command;

    command = link->greetings[link->greeting++];

    if (reply->type == REDIS_REPLY_ERROR) {

        if (ngx_strcmp(command, "PING") != 0
            || ngx_http_convo_redis_is_error(reply, "NOAUTH")
            || ngx_http_convo_redis_is_error(reply, "DENIED")
            || ngx_http_convo_redis_is_error(reply, "ERR"))
        {
            ngx_http_convo_redis_link_refused(link, command, reply);
            return;
        }

    } else if (reply->type != REDIS_REPLY_STATUS) {
        ngx_http_convo_redis_link_fail(link, 0, "a greeting was answered by "
                                                "what is no Redis");
        return;
    }

    if (link->greeting == link->ngreetings) {
        ngx_http_convo_redis_link_up(link);
    }
}


/*
 * Of an error only its first word is taken: Redis repeats the arguments of a
 * command that it does not know, and those of AUTH are secret.
 */

static void
ngx_http_convo_redis_link_refused(ngx_http_convo_redis_link_t *link,
    const char *command, const redisReply *reply)
{
    u_char  *last;
    u_char   reason[NGX_HTTP_CONVO_REDIS_REASON_MAX];

    last = reason + sizeof(reason) - 1;

    if (ngx_strcmp(command, "AUTH") == 0) {
        last = ngx_slprintf(reason, last, "AUTH was refused: %*s",
                            strcspn(reply->str, " "), reply->str);

    } else {
        last = ngx_slprintf(reason, last, "%s was refused: %s", command,
                            reply->str);
    }

    *last = '\0';

    ngx_http_convo_redis_link_fail(link, 0, (char *) reason);
}


static void
ngx_http_convo_redis_link_up(ngx_http_convo_redis_link_t *link)
{
    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    link->state = NGX_HTTP_CONVO_REDIS_LINK_UP;
    link->since = ngx_current_msec;
    link->redis->counters.connects++;
    ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_CONNECTED);

    ngx_add_timer(&link->health, NGX_HTTP_CONVO_REDIS_HEALTH);

    if (link->lost) {
        link->lost = 0;
        link->reason[0] = '\0';
        ngx_log_error(NGX_LOG_NOTICE, &link->log, 0,
                      "convo redis: %V: connected again", &link->redis->name);
    }

    link->user->up(link);
}


static ngx_int_t
ngx_http_convo_redis_link_connected(ngx_connection_t *c, ngx_err_t *err)
{
    int        error;
    socklen_t  len;

    error = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &error, &len) == -1) {
        error = ngx_socket_errno;
    }

    *err = error;

    return error ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_http_convo_redis_link_command(ngx_http_convo_redis_link_t *link, int argc,
    const char **argv, const size_t *lens)
{
    int        size;
    char      *wire;
    ngx_int_t  rc;

    size = redisFormatCommandArgv(&wire, argc, argv, lens);
    if (size < 0) {
        return NGX_ERROR;
    }

    rc = ngx_http_convo_redis_link_write(link, (u_char *) wire, size);

    redisFreeCommand(wire);

    return rc;
}


ngx_int_t
ngx_http_convo_redis_link_write(ngx_http_convo_redis_link_t *link,
    const u_char *data, size_t size)
{
    if (ngx_http_convo_redis_link_reserve(link, size) != NGX_OK) {
        return NGX_ERROR;
    }

    link->out_last = ngx_cpymem(link->out_last, data, size);

    ngx_post_event(&link->flush, &ngx_posted_events);

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_redis_link_reserve(ngx_http_convo_redis_link_t *link,
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
ngx_http_convo_redis_link_release(ngx_http_convo_redis_link_t *link)
{
    if (link->out) {
        ngx_free(link->out);
    }

    link->out = NULL;
    link->out_pos = NULL;
    link->out_last = NULL;
    link->out_end = NULL;
}


static void
ngx_http_convo_redis_link_flush(ngx_event_t *ev)
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
            ngx_http_convo_redis_link_release(link);

        } else {
            link->out_pos = link->out;
            link->out_last = link->out;
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_http_convo_redis_link_fail(link, 0, "no event for writing");
    }
}


static void
ngx_http_convo_redis_link_write_handler(ngx_event_t *wev)
{
    ngx_err_t                     err;
    ngx_connection_t             *c;
    ngx_http_convo_redis_link_t  *link;

    c = wev->data;
    link = c->data;

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_CONNECT) {

        if (ngx_http_convo_redis_link_connected(c, &err) != NGX_OK) {
            ngx_http_convo_redis_link_fail(link, err, "connect() failed");
            return;
        }

        ngx_http_convo_redis_link_greet(link);
        return;
    }

    ngx_http_convo_redis_link_flush(&link->flush);
}


static void
ngx_http_convo_redis_link_read_handler(ngx_event_t *rev)
{
    char                          data[NGX_HTTP_CONVO_REDIS_READ_SIZE];
    size_t                        total;
    ssize_t                       n;
    ngx_err_t                     err;
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

        if (ngx_http_convo_redis_link_connected(c, &err) != NGX_OK) {
            ngx_http_convo_redis_link_fail(link, err, "connect() failed");
        }

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

        if (ngx_http_convo_redis_link_feed(link, data, n) != NGX_OK) {
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
ngx_http_convo_redis_link_feed(ngx_http_convo_redis_link_t *link,
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

        rc = ngx_http_convo_redis_link_reply(link, object);

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
ngx_http_convo_redis_link_reply(ngx_http_convo_redis_link_t *link,
    const redisReply *reply)
{
    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_GREET) {
        ngx_http_convo_redis_link_greeted(link, reply);

    } else if (link->user->reply(link, reply) != NGX_OK) {
        ngx_http_convo_redis_link_fail(link, 0,
                                       reply->type == REDIS_REPLY_ERROR
                                       ? reply->str : "an unexpected reply");
    }

    return link->connection ? NGX_OK : NGX_ERROR;
}


/*
 * The reader with hiredis's own functions, but for the one that would believe
 * any number of elements it is told.
 */

static ngx_int_t
ngx_http_convo_redis_link_reader(ngx_http_convo_redis_link_t *link)
{
    link->reply_size = 0;
    link->reply_elements = 0;

    link->reader = redisReaderCreate();
    if (link->reader == NULL) {
        return NGX_ERROR;
    }

    link->functions = *link->reader->fn;
    link->create_array = link->functions.createArray;
    link->functions.createArray = ngx_http_convo_redis_link_create_array;

    link->reader->fn = &link->functions;
    link->reader->privdata = link;

    /* never give the buffer back: the reader asserts that it gets a new one */

    link->reader->maxbuf = 0;

    return NGX_OK;
}


static void *
ngx_http_convo_redis_link_create_array(const redisReadTask *task, int elements)
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


static void
ngx_http_convo_redis_link_health(ngx_event_t *ev)
{
    ngx_http_convo_redis_link_t  *link;

    link = ev->data;

    if (link->user->health(link) != NGX_OK) {
        ngx_http_convo_redis_link_fail(link, 0, "no sign of life");
        return;
    }

    ngx_add_timer(&link->health, NGX_HTTP_CONVO_REDIS_HEALTH);
}


static void
ngx_http_convo_redis_link_timer(ngx_event_t *ev)
{
    ngx_http_convo_redis_link_t  *link;

    link = ev->data;

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_PAUSE) {
        ngx_http_convo_redis_link_start(link);
        return;
    }

    ngx_http_convo_redis_link_fail(link, NGX_ETIMEDOUT, "no connection");
}


void
ngx_http_convo_redis_link_fail(ngx_http_convo_redis_link_t *link,
    ngx_err_t err, const char *reason)
{
    ngx_uint_t  well;

    well = link->state == NGX_HTTP_CONVO_REDIS_LINK_UP
           && ngx_current_msec - link->since >= NGX_HTTP_CONVO_REDIS_PAUSE_MAX;

    link->failures = well ? 0 : link->failures + 1;
    link->redis->counters.failures++;
    ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_LINK_FAILED);

    ngx_http_convo_redis_link_log_failure(link, err, reason);
    ngx_http_convo_redis_link_close(link);
    ngx_http_convo_redis_link_plan(link);

    link->user->down(link);
}


/*
 * At "error" when it is news: the first failure after the link was up, or
 * another reason than that of the attempt before.
 */

static void
ngx_http_convo_redis_link_log_failure(ngx_http_convo_redis_link_t *link,
    ngx_err_t err, const char *reason)
{
    u_char      *p, text[NGX_HTTP_CONVO_REDIS_REASON_MAX];
    ngx_uint_t   level;

    (void) ngx_cpystrn(text, (u_char *) reason, sizeof(text));

    for (p = text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }

    level = link->lost && ngx_strcmp(link->reason, text) == 0
            ? NGX_LOG_INFO : NGX_LOG_ERR;

    (void) ngx_cpystrn(link->reason, text, sizeof(text));
    link->lost = 1;

    ngx_log_error(level, &link->log, err, "convo redis: %V: %s",
                  &link->redis->name, link->reason);
}


static void
ngx_http_convo_redis_link_plan(ngx_http_convo_redis_link_t *link)
{
    ngx_msec_t  pause;

    if (!link->wanted) {
        link->state = NGX_HTTP_CONVO_REDIS_LINK_REST;
        return;
    }

    link->state = NGX_HTTP_CONVO_REDIS_LINK_PAUSE;

    if (link->failures == 0) {
        ngx_add_timer(&link->timer, 1);
        return;
    }

    pause = NGX_HTTP_CONVO_REDIS_PAUSE_MAX;

    if (link->failures <= 5) {
        pause = ngx_min(pause, (ngx_msec_t) NGX_HTTP_CONVO_REDIS_PAUSE_MIN
                               << (link->failures - 1));
    }

    ngx_add_timer(&link->timer,
                  pause / 2 + (ngx_msec_t) ngx_random() % (pause / 2 + 1));
}


void
ngx_http_convo_redis_link_close(ngx_http_convo_redis_link_t *link)
{
    link->state = NGX_HTTP_CONVO_REDIS_LINK_CLOSED;
    link->recycle = NULL;

    if (link->timer.timer_set) {
        ngx_del_timer(&link->timer);
    }

    if (link->health.timer_set) {
        ngx_del_timer(&link->health);
    }

    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }

    if (link->resolving) {
        ngx_resolve_name_done(link->resolving);
        link->resolving = NULL;
    }

    if (link->connection) {
        ngx_close_connection(link->connection);
        link->connection = NULL;
    }

    if (link->reader) {
        redisReaderFree(link->reader);
        link->reader = NULL;
    }

    ngx_http_convo_redis_link_release(link);
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
