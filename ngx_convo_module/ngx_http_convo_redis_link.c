/*
 * One connection to Redis and its life.
 *
 * A link rests until somebody demands it, then looks up the name (through
 * NGINX's resolver), connects and signs in (ngx_http_convo_redis_greet.c).
 * Its bytes are the matter of ngx_http_convo_redis_wire.c.
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


static void ngx_http_convo_redis_link_start(ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_link_resolve(
    ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_link_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_http_convo_redis_link_connect(
    ngx_http_convo_redis_link_t *link, struct sockaddr *sockaddr,
    socklen_t socklen);
static void ngx_http_convo_redis_link_timer(ngx_event_t *ev);
static void ngx_http_convo_redis_link_health(ngx_event_t *ev);
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
                                    ngx_http_convo_redis_wire_flush);
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
    c->read->handler = ngx_http_convo_redis_wire_read_handler;
    c->write->handler = ngx_http_convo_redis_wire_write_handler;

    link->connection = c;

    if (sockaddr->sa_family != AF_UNIX) {
        (void) ngx_tcp_nodelay(c);
    }

    if (rc == NGX_OK) {
        ngx_http_convo_redis_greet(link);
    }
}


void
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


ngx_int_t
ngx_http_convo_redis_link_connected(ngx_http_convo_redis_link_t *link)
{
    int        error;
    socklen_t  len;

    error = 0;
    len = sizeof(int);

    if (getsockopt(link->connection->fd, SOL_SOCKET, SO_ERROR,
                   (void *) &error, &len)
        == -1)
    {
        error = ngx_socket_errno;
    }

    if (error) {
        ngx_http_convo_redis_link_fail(link, error, "connect() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
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

    if (link->resolving) {
        ngx_resolve_name_done(link->resolving);
        link->resolving = NULL;
    }

    if (link->connection) {
        ngx_close_connection(link->connection);
        link->connection = NULL;
    }

    ngx_http_convo_redis_wire_close(link);
}
