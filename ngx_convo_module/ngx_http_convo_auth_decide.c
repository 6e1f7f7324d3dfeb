
/*
 * The decision: may this request be in this location, and who is the user.
 *
 * It is made in the rewrite phase, before "return", "rewrite" and
 * limit_req; under "satisfy any" in the access phase, where NGINX asks the
 * other access modules as well.  A request that comes to another location by
 * "rewrite", an internal redirect or error_page is decided again there, and
 * a subrequest is decided like any request.
 *
 * The steps: find the token; have keys (a fetch may suspend the request
 * once); know its signature to hold, by the cache or by its key (an unknown
 * key may suspend it once more); check its claims for this location; see that
 * its sign-in was not ended (a process that just began may suspend it again).
 *
 * How it fails: always closed.  No keys is 503, revocations that are not known
 * are 503, out of memory is 500.  A client that goes while keys are fetched
 * takes its context along.
 */


#include "ngx_http_convo_auth_private.h"
#include "ngx_http_convo_revocation.h"


static ngx_http_convo_auth_ctx_t *ngx_http_convo_auth_fresh_ctx(
    ngx_http_request_t *r, ngx_http_convo_auth_loc_conf_t *conf);
static ngx_int_t ngx_http_convo_auth_enforce(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);
static ngx_int_t ngx_http_convo_auth_decide(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);
static ngx_int_t ngx_http_convo_auth_suspend(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, ngx_http_convo_auth_keys_advice_e advice);
static ngx_int_t ngx_http_convo_auth_settle(ngx_http_convo_auth_ctx_t *ctx,
    convo_fault_e fault);
static void ngx_http_convo_auth_count(convo_fault_e fault);
static convo_fault_e ngx_http_convo_auth_start(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);
static ngx_uint_t ngx_http_convo_auth_can_ask(ngx_http_request_t *r);
static convo_fault_e ngx_http_convo_auth_check_claims(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);
static ngx_int_t ngx_http_convo_auth_check_sign_in(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);


ngx_int_t
ngx_http_convo_auth_rewrite_handler(ngx_http_request_t *r)
{
    ngx_http_convo_auth_ctx_t       *ctx;
    ngx_http_convo_auth_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_convo_auth_module);

    if (!conf->enable || ngx_http_convo_fetch_call(r)) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_convo_auth_fresh_ctx(r, conf);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_convo_auth_satisfies_any(r)) {
        return NGX_DECLINED;
    }

    switch (ngx_http_convo_auth_enforce(r, ctx)) {

    case NGX_OK:
        return NGX_DECLINED;

    case NGX_AGAIN:
        return NGX_DONE;

    default: /* NGX_DECLINED */
        return ngx_http_convo_auth_refuse(r, ctx);
    }
}


/*
 * Enforces under "satisfy any".  Elsewhere the rewrite phase has decided
 * already, and this only makes sure that nothing comes by unseen.
 */

ngx_int_t
ngx_http_convo_auth_access_handler(ngx_http_request_t *r)
{
    ngx_http_convo_auth_ctx_t       *ctx;
    ngx_http_convo_auth_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_convo_auth_module);

    if (!conf->enable) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    switch (ngx_http_convo_auth_enforce(r, ctx)) {

    case NGX_OK:
        return NGX_OK;

    case NGX_AGAIN:
        return NGX_AGAIN;

    default: /* NGX_DECLINED */
        return ngx_http_convo_auth_refuse(r, ctx);
    }
}


const ngx_http_convo_auth_user_t *
ngx_http_convo_auth_user(ngx_http_request_t *r)
{
    ngx_http_convo_auth_ctx_t  *ctx;

    ctx = ngx_http_convo_auth_ctx(r);

    if (ctx == NULL
        || ctx->state != ngx_http_convo_auth_passed
        || !ngx_http_convo_auth_is_on(r))
    {
        return NULL;
    }

    return &ctx->user;
}


const ngx_str_t *
ngx_http_convo_auth_token(ngx_http_request_t *r)
{
    return ngx_http_convo_auth_user(r) ? &ngx_http_convo_auth_ctx(r)->token
                                       : NULL;
}


/*
 * To refresh a stale page in the background, or to fetch the next slice, NGINX
 * clones the request past the phases in which it was decided: the clone is
 * still in its parent's location and has its parent's user.  Of a clone NGINX
 * leaves no mark; any other subrequest is decided before it does a thing.
 */

ngx_http_convo_auth_ctx_t *
ngx_http_convo_auth_ctx(ngx_http_request_t *r)
{
    ngx_http_convo_auth_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);

    while (ctx == NULL && r->parent && r->loc_conf == r->parent->loc_conf) {
        r = r->parent;
        ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);
    }

    return ctx;
}


ngx_uint_t
ngx_http_convo_auth_is_on(ngx_http_request_t *r)
{
    ngx_http_convo_auth_loc_conf_t  *conf;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_convo_auth_module);

    return conf->enable ? 1 : 0;
}


ngx_uint_t
ngx_http_convo_auth_is_configured(ngx_conf_t *cf)
{
    ngx_http_convo_auth_loc_conf_t  *conf;

    conf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_convo_auth_module);

    return conf->enable == 1;
}


ngx_uint_t
ngx_http_convo_auth_takes_header_only(ngx_conf_t *cf)
{
    ngx_http_convo_auth_loc_conf_t  *conf;

    conf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_convo_auth_module);

    return conf->from_cookie.len == 0 && conf->from_query.len == 0;
}


/* a context of this very location: what another one decided is forgotten */

static ngx_http_convo_auth_ctx_t *
ngx_http_convo_auth_fresh_ctx(ngx_http_request_t *r,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    ngx_http_convo_auth_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);

    if (ctx && ctx->location == conf) {
        return ctx;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_auth_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->location = conf;
    ctx->conf = conf;

    ngx_http_set_ctx(r, ctx, ngx_http_convo_auth_module);

    return ctx;
}


/* NGINX runs no access phase for subrequests: those are never let off */

ngx_uint_t
ngx_http_convo_auth_satisfies_any(ngx_http_request_t *r)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return r == r->main && clcf->satisfy == NGX_HTTP_SATISFY_ANY;
}


/* NGX_OK passed, NGX_AGAIN suspended, NGX_DECLINED refused for ctx->fault */

static ngx_int_t
ngx_http_convo_auth_enforce(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    switch (ctx->state) {

    case ngx_http_convo_auth_undecided:
        return ngx_http_convo_auth_decide(r, ctx);

    case ngx_http_convo_auth_waiting:
        return NGX_AGAIN;

    case ngx_http_convo_auth_passed:
        return NGX_OK;

    default: /* ngx_http_convo_auth_refused */
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_http_convo_auth_decide(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    convo_fault_e                       fault;
    const convo_jwks_t                 *set;
    ngx_http_convo_auth_keys_t         *keys;
    ngx_http_convo_auth_keys_advice_e   advice;

    fault = ngx_http_convo_auth_start(r, ctx);

    if (fault == CONVO_FAULT_NONE) {
        fault = ngx_http_convo_auth_choose(r, ctx);
    }

    if (fault != CONVO_FAULT_NONE) {
        return ngx_http_convo_auth_settle(ctx, fault);
    }

    keys = ctx->conf->keys;

    if (!ctx->asked && ngx_http_convo_auth_can_ask(r)) {
        advice = ngx_http_convo_auth_keys_due(keys, ctx->waited
                                    ? ngx_current_msec - ctx->wait_began : 0);

        if (advice != ngx_http_convo_auth_keys_nothing) {
            return ngx_http_convo_auth_suspend(r, ctx, advice);
        }
    }

    set = ngx_http_convo_auth_keys_set(keys);
    if (set == NULL) {
        return ngx_http_convo_auth_settle(ctx, CONVO_FAULT_KEYS_UNAVAILABLE);
    }

    fault = ngx_http_convo_auth_verify(r, ctx, set);

    if (fault == CONVO_FAULT_UNKNOWN_KEY && !ctx->refreshed
        && ngx_http_convo_auth_can_ask(r))
    {
        advice = ngx_http_convo_auth_keys_unknown(keys, ctx->waited);

        if (advice != ngx_http_convo_auth_keys_nothing) {
            return ngx_http_convo_auth_suspend(r, ctx, advice);
        }
    }

    if (fault == CONVO_FAULT_NONE) {
        fault = ngx_http_convo_auth_check_claims(r, ctx);
    }

    if (fault == CONVO_FAULT_NONE) {
        return ngx_http_convo_auth_check_sign_in(r, ctx);
    }

    return ngx_http_convo_auth_settle(ctx, fault);
}


static ngx_int_t
ngx_http_convo_auth_suspend(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, ngx_http_convo_auth_keys_advice_e advice)
{
    ngx_int_t  rc;

    if (advice == ngx_http_convo_auth_keys_wait) {
        rc = ngx_http_convo_auth_wait(r, ctx);

    } else {
        rc = ngx_http_convo_auth_ask(r, ctx,
                                  advice == ngx_http_convo_auth_keys_refresh);
    }

    if (rc == NGX_ERROR) {
        return ngx_http_convo_auth_settle(ctx, CONVO_FAULT_INTERNAL);
    }

    return rc;
}


static ngx_int_t
ngx_http_convo_auth_settle(ngx_http_convo_auth_ctx_t *ctx,
    convo_fault_e fault)
{
    ctx->fault = fault;

    ngx_http_convo_auth_count(fault);

    if (fault == CONVO_FAULT_NONE) {
        ctx->state = ngx_http_convo_auth_passed;
        return NGX_OK;
    }

    ctx->state = ngx_http_convo_auth_refused;
    return NGX_DECLINED;
}


/* by the code that clients are told */

static void
ngx_http_convo_auth_count(convo_fault_e fault)
{
    ngx_http_convo_counter_e  counter;

    switch (fault) {

    case CONVO_FAULT_NONE:
        counter = NGX_HTTP_CONVO_AUTH_ACCEPTED;
        break;

    case CONVO_FAULT_MISSING:
        counter = NGX_HTTP_CONVO_AUTH_MISSING_TOKEN;
        break;

    case CONVO_FAULT_REVOKED:
        counter = NGX_HTTP_CONVO_AUTH_REVOKED;
        break;

    case CONVO_FAULT_EMAIL_NOT_VERIFIED:
        counter = NGX_HTTP_CONVO_AUTH_EMAIL_NOT_VERIFIED;
        break;

    case CONVO_FAULT_PROVIDER:
        counter = NGX_HTTP_CONVO_AUTH_PROVIDER_NOT_ALLOWED;
        break;

    case CONVO_FAULT_REQUIRED_CLAIM:
        counter = NGX_HTTP_CONVO_AUTH_FORBIDDEN;
        break;

    case CONVO_FAULT_KEYS_UNAVAILABLE:
        counter = NGX_HTTP_CONVO_AUTH_KEYS_UNAVAILABLE;
        break;

    case CONVO_FAULT_REVOCATIONS_UNKNOWN:
    case CONVO_FAULT_EMAIL_UNKNOWN:
        counter = NGX_HTTP_CONVO_AUTH_REDIS_UNAVAILABLE;
        break;

    case CONVO_FAULT_INTERNAL:
        counter = NGX_HTTP_CONVO_AUTH_INTERNAL_ERROR;
        break;

    default: /* a fault of the token itself */
        counter = NGX_HTTP_CONVO_AUTH_INVALID_TOKEN;
    }

    ngx_http_convo_count(counter);
}


/* finds the token and its parts, which costs nothing: rubbish asks no keys */

static convo_fault_e
ngx_http_convo_auth_start(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    if (ctx->token.len) {
        return CONVO_FAULT_NONE;
    }

    if (ngx_http_convo_auth_find_token(r, ctx->conf, &ctx->token) != NGX_OK) {
        return CONVO_FAULT_MISSING;
    }

    return convo_jws_split(&ctx->jws, (char *) ctx->token.data,
                           ctx->token.len);
}


/*
 * NGINX refuses a subrequest within one whose answer stays in memory, as
 * SSI's "set" makes: that one is decided by the keys there are.
 */

static ngx_uint_t
ngx_http_convo_auth_can_ask(ngx_http_request_t *r)
{
    return r->subrequest_in_memory ? 0 : 1;
}


static convo_fault_e
ngx_http_convo_auth_check_claims(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    convo_text_t                 sign_in;
    convo_fault_e                fault;
    convo_require_edge_t         edge;
    const convo_claims_rules_t  *rules;

    ngx_http_convo_auth_require_edge(r, &edge);

    rules = ctx->conf->asks_email
            && ngx_http_convo_auth_is_access(ctx->claims)
            ? &ctx->conf->access : &ctx->conf->rules;

    fault = convo_claims_check(ctx->claims, rules, &edge, ngx_time());
    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    ctx->user.sub.data = (u_char *) convo_claims_subject(ctx->claims);
    ctx->user.sub.len = ngx_strlen(ctx->user.sub.data);
    ctx->user.expires = (time_t) convo_claims_expires(ctx->claims);
    ctx->user.issued = (time_t) convo_claims_issued(ctx->claims);

    sign_in = convo_claims_sign_in(ctx->claims);
    ctx->user.sign_in.data = (u_char *) sign_in.data;
    ctx->user.sign_in.len = sign_in.len;

    return CONVO_FAULT_NONE;
}


/*
 * What Redis knows of the sign-in: whether it was ended, of which the process
 * may just begin to hear, and whether its user's e-mail address is verified.
 */

static ngx_int_t
ngx_http_convo_auth_check_sign_in(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    ngx_int_t      rc;
    convo_fault_e  fault;

    rc = ngx_http_convo_revocation_check(r, &ctx->user,
                                         ngx_http_convo_auth_resume);
    fault = rc == NGX_DECLINED ? CONVO_FAULT_REVOKED
                               : CONVO_FAULT_REVOCATIONS_UNKNOWN;

    if (rc == NGX_OK) {
        rc = ngx_http_convo_auth_email_check(r, ctx);
        fault = rc == NGX_DECLINED ? CONVO_FAULT_EMAIL_NOT_VERIFIED
                                   : CONVO_FAULT_EMAIL_UNKNOWN;
    }

    switch (rc) {

    case NGX_OK:
        return ngx_http_convo_auth_settle(ctx, CONVO_FAULT_NONE);

    case NGX_AGAIN:
        ctx->state = ngx_http_convo_auth_waiting;
        return NGX_AGAIN;

    default: /* NGX_DECLINED, NGX_ERROR */
        return ngx_http_convo_auth_settle(ctx, fault);
    }
}


void
ngx_http_convo_auth_resume(ngx_http_request_t *r)
{
    ngx_connection_t           *c;
    ngx_http_convo_auth_ctx_t  *ctx;

    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);

    ctx->state = ngx_http_convo_auth_undecided;

    ngx_http_core_run_phases(r);
    ngx_http_run_posted_requests(c);
}
