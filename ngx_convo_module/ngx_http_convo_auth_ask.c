
/*
 * Keys for a request that cannot be decided without: it fetches them itself,
 * or waits until another one has.  Of many that come before there are any
 * keys, one fetches.
 *
 * A kid that is not known here may be on its way: when an issuer begins to
 * sign with a new key, the first request that carries it refreshes the keys,
 * and those that come meanwhile, in this process and the others, wait for
 * that instead of being refused.  A waiting request looks again now and then;
 * nothing holds a list of them.
 *
 * How it fails: a client that goes takes its context along, and the fetch it
 * had begun counts as ended.  Who waits for a process that died goes on after
 * a few seconds (ngx_http_convo_auth_keys.c).
 */


#include "ngx_http_convo_auth_private.h"


#define NGX_HTTP_CONVO_AUTH_LOOK_EVERY  20   /* milliseconds */


static void ngx_http_convo_auth_asked(ngx_http_request_t *r, void *data,
    const ngx_http_convo_fetch_answer_t *answer);
static void ngx_http_convo_auth_look(ngx_event_t *ev);
static ngx_int_t ngx_http_convo_auth_detach_later(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);
static void ngx_http_convo_auth_detach(void *data);


ngx_int_t
ngx_http_convo_auth_ask(ngx_http_request_t *r, ngx_http_convo_auth_ctx_t *ctx,
    ngx_uint_t refresh)
{
    ngx_http_convo_fetch_call_t  call;

    if (ngx_http_convo_auth_detach_later(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memzero(&call, sizeof(ngx_http_convo_fetch_call_t));

    call.method = NGX_HTTP_GET;
    call.uri = ctx->conf->keys->name;
    call.refresh = refresh ? 1 : 0;
    call.handler = ngx_http_convo_auth_asked;
    call.data = ctx;

    ctx->refreshed = (refresh || ctx->asked) ? 1 : 0;
    ctx->asked = 1;

    if (ngx_http_convo_fetch(r, &call) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->is_asking = 1;
    ctx->is_refreshing = refresh ? 1 : 0;
    ngx_http_convo_auth_keys_begin(ctx->conf->keys);

    ctx->state = ngx_http_convo_auth_waiting;

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_convo_auth_wait(ngx_http_request_t *r, ngx_http_convo_auth_ctx_t *ctx)
{
    if (ngx_http_convo_auth_detach_later(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!ctx->waited) {
        ctx->waited = 1;
        ctx->wait_began = ngx_current_msec;
    }

    ctx->wait.data = r;
    ctx->wait.handler = ngx_http_convo_auth_look;
    ctx->wait.log = r->connection->log;
    ctx->wait_for = ngx_http_convo_auth_keys_fetched(ctx->conf->keys);
    ctx->wait_since = ngx_current_msec;

    ngx_add_timer(&ctx->wait, NGX_HTTP_CONVO_AUTH_LOOK_EVERY);

    ctx->state = ngx_http_convo_auth_waiting;

    return NGX_AGAIN;
}


static void
ngx_http_convo_auth_asked(ngx_http_request_t *r, void *data,
    const ngx_http_convo_fetch_answer_t *answer)
{
    ngx_http_convo_auth_ctx_t  *ctx = data;

    ngx_http_convo_auth_keys_take(ctx->conf->keys, answer,
                                  r->connection->log);

    ngx_http_convo_auth_detach(ctx);

    ctx->state = ngx_http_convo_auth_undecided;

    ngx_http_core_run_phases(r);
}


static void
ngx_http_convo_auth_look(ngx_event_t *ev)
{
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_convo_auth_ctx_t  *ctx;

    r = ev->data;
    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);

    ev->timedout = 0;

    if (ngx_http_convo_auth_keys_are_coming(ctx->conf->keys, ctx->wait_for,
                                            ctx->wait_since))
    {
        ngx_add_timer(ev, NGX_HTTP_CONVO_AUTH_LOOK_EVERY);
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ctx->state = ngx_http_convo_auth_undecided;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_convo_auth_detach_later(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    if (ctx->is_tied) {
        return NGX_OK;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_convo_auth_detach;
    cln->data = ctx;
    ctx->is_tied = 1;

    return NGX_OK;
}


/* also when the fetch has been answered: it does each thing once */

static void
ngx_http_convo_auth_detach(void *data)
{
    ngx_http_convo_auth_ctx_t  *ctx = data;

    if (ctx->is_asking) {
        ctx->is_asking = 0;
        ngx_http_convo_auth_keys_end(ctx->conf->keys, ctx->is_refreshing);
    }

    if (ctx->wait.timer_set) {
        ngx_del_timer(&ctx->wait);
    }
}
