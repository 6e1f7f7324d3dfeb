
/*
 * The caller of a request; contracts are in ngx_http_convo_caller.h.
 *
 * The pool is the location's convo_pool, evaluated for this request: never a
 * client's choice unless the operator makes it one, and checked either way,
 * as it becomes part of every key.
 */


#include "ngx_http_convo_session.h"
#include "ngx_http_convo_revocation.h"


/* no request is longer, whatever its token says, s */

#define NGX_HTTP_CONVO_CALLER_LIFE_MAX  (24 * 60 * 60)

/* how much earlier than its token it ends: 1 s and up to so many ms */

#define NGX_HTTP_CONVO_CALLER_EARLY     10000


static ngx_int_t ngx_http_convo_caller_pool(ngx_http_request_t *r,
    ngx_str_t *pool);
static ngx_int_t ngx_http_convo_caller_token(ngx_http_convo_caller_t *caller,
    const ngx_http_convo_auth_user_t *user);
static ngx_int_t ngx_http_convo_caller_user_key(
    ngx_http_convo_caller_t *caller);


ngx_http_convo_caller_t *
ngx_http_convo_caller_get(ngx_http_request_t *r, ngx_int_t *rc)
{
    ngx_http_convo_caller_t            *caller;
    ngx_http_convo_session_loc_conf_t  *lcf;
    const ngx_http_convo_auth_user_t   *user;

    user = ngx_http_convo_auth_user(r);

    if (user == NULL) {
        *rc = ngx_http_convo_problem(r, NGX_HTTP_UNAUTHORIZED,
                                     "missing_token",
                                     "This address is for signed-in users.");
        return NULL;
    }

    caller = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_caller_t));
    if (caller == NULL) {
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NULL;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_session_module);

    caller->request = r;
    caller->redis = ngx_http_convo_redis_get(r);
    caller->user = user->sub;
    caller->expires = user->expires;
    caller->points = lcf->points;
    caller->window = lcf->window;
    caller->session_max = lcf->session_max;

    *rc = ngx_http_convo_caller_pool(r, &caller->pool);

    if (*rc == NGX_OK) {
        *rc = ngx_http_convo_caller_user_key(caller);
    }

    if (*rc == NGX_OK) {
        *rc = ngx_http_convo_caller_token(caller, user);
    }

    if (*rc == NGX_DECLINED) {
        *rc = ngx_http_convo_problem(r, NGX_HTTP_NOT_FOUND, "not_found",
                                     "There is no such pool.");
        return NULL;
    }

    if (*rc != NGX_OK) {
        *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
        return NULL;
    }

    if (caller->redis == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "convo session: no \"convo_redis\" in this location");
        *rc = ngx_http_convo_session_unavailable(r);
        return NULL;
    }

    return caller;
}


/* NGX_DECLINED where the value is no pool */

static ngx_int_t
ngx_http_convo_caller_pool(ngx_http_request_t *r, ngx_str_t *pool)
{
    ngx_http_convo_session_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_session_module);

    if (lcf->pool == NULL) {
        ngx_str_set(pool, NGX_HTTP_CONVO_SESSION_POOL);
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, lcf->pool, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!convo_is_pool((char *) pool->data, pool->len)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "convo session: \"convo_pool\" is no pool here");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* What scripts ask for, where revocation is on. */

static ngx_int_t
ngx_http_convo_caller_token(ngx_http_convo_caller_t *caller,
    const ngx_http_convo_auth_user_t *user)
{
    ngx_http_request_t  *r;

    r = caller->request;

    if (!ngx_http_convo_revocation_is_on(r)) {
        return NGX_OK;
    }

    caller->sign_in = user->sign_in;
    caller->issued.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);

    if (caller->issued.data == NULL) {
        return NGX_ERROR;
    }

    caller->issued.len = ngx_sprintf(caller->issued.data, "%T", user->issued)
                         - caller->issued.data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_caller_user_key(ngx_http_convo_caller_t *caller)
{
    convo_key_t  key;

    if (ngx_http_convo_caller_key(caller, CONVO_KEY_USER,
                                  (char *) caller->user.data,
                                  caller->user.len, &key)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    caller->key.len = key.len;
    caller->key.data = ngx_pnalloc(caller->request->pool, key.len);

    if (caller->key.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(caller->key.data, key.name, key.len);

    return NGX_OK;
}


ngx_int_t
ngx_http_convo_caller_key(const ngx_http_convo_caller_t *caller,
    const char *kind, const char *id, size_t len, convo_key_t *key)
{
    return convo_key(key, (char *) caller->pool.data, caller->pool.len, kind,
                     id, len) == 0
           ? NGX_OK : NGX_ERROR;
}


ngx_msec_t
ngx_http_convo_caller_life(const ngx_http_convo_caller_t *caller)
{
    time_t      left;
    ngx_msec_t  early, life;

    left = caller->expires - ngx_time();

    if (left <= 0) {
        return 0;
    }

    life = (ngx_msec_t) ngx_min(left, NGX_HTTP_CONVO_CALLER_LIFE_MAX) * 1000;

    early = ngx_min(life / 10, NGX_HTTP_CONVO_CALLER_EARLY);
    early = 1000 + (early ? (ngx_msec_t) ngx_random() % early : 0);

    return life > early ? life - early : 0;
}


void
ngx_http_convo_caller_watch(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    r->read_event_handler = ngx_http_test_reading;

    rev = r->connection->read;

    if (rev->ready) {
        /* it may have gone unnoticed while nobody looked */
        ngx_post_event(rev, &ngx_posted_events);
    }
}


ngx_int_t
ngx_http_convo_session_pool_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  pool;

    if (ngx_http_convo_caller_pool(r, &pool) != NGX_OK) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = pool.len;
    v->data = pool.data;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}
