
/*
 * The probes: is this NGINX alive, and can it serve its pools.
 *
 * Alive is whoever answers.  Ready is more: Redis answers, each pool is open
 * and has a worker, the keys that verify tokens are there, and this process
 * knows which sign-ins were ended.  The answer names each part, so that a
 * person sees which one is not.
 *
 * How it fails: what is not known is not ready.  A Redis that is down is told
 * at once, one that hangs after its timeout.
 */


#include "ngx_http_convo_metrics_conf.h"
#include "ngx_http_convo_auth.h"
#include "ngx_http_convo_revocation.h"


static ngx_int_t ngx_http_convo_health_begin(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_health_ready(ngx_http_request_t *r,
    const ngx_array_t *pools);
static json_t *ngx_http_convo_health_pools(const ngx_array_t *pools,
    ngx_uint_t *reached, ngx_uint_t *served);


ngx_int_t
ngx_http_convo_health_live_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    static ngx_str_t  text = ngx_string("{\"status\":\"ok\"}");

    rc = ngx_http_convo_health_begin(r);

    return (rc == NGX_OK) ? ngx_http_convo_send_json(r, NGX_HTTP_OK, &text)
                          : rc;
}


ngx_int_t
ngx_http_convo_health_ready_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_health_begin(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_convo_pools_ask(r, ngx_http_convo_metrics_pools(r),
                                    ngx_http_convo_health_ready);
}


static ngx_int_t
ngx_http_convo_health_begin(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_check_method(r, NGX_HTTP_GET|NGX_HTTP_HEAD);

    return (rc == NGX_OK) ? ngx_http_discard_request_body(r) : rc;
}


/*
 * {"status":"ready","redis":true,"keys":true,"revocations":true,
 *  "pools":[{"pool":"default","ready":true,"worker":true}]}
 */

static ngx_int_t
ngx_http_convo_health_ready(ngx_http_request_t *r, const ngx_array_t *pools)
{
    char        *dump;
    json_t      *json;
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_uint_t   reached, served, keys, known, ready;

    json = ngx_http_convo_health_pools(pools, &reached, &served);

    keys = ngx_http_convo_auth_has_keys(r);
    known = ngx_http_convo_revocation_is_known(r);
    ready = reached && served && keys && known;

    json = json_pack("{s:s, s:b, s:b, s:b, s:o}",
                     "status", ready ? "ready" : "not_ready",
                     "redis", (int) reached, "keys", (int) keys,
                     "revocations", (int) known, "pools", json);

    dump = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);

    if (dump == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.len = ngx_strlen(dump);
    text.data = ngx_pnalloc(r->pool, text.len);

    if (text.data == NULL) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        ngx_memcpy(text.data, dump, text.len);
        rc = ngx_http_convo_send_json(r, ready ? NGX_HTTP_OK
                                           : NGX_HTTP_SERVICE_UNAVAILABLE,
                                      &text);
    }

    free(dump);

    return rc;
}


static json_t *
ngx_http_convo_health_pools(const ngx_array_t *pools, ngx_uint_t *reached,
    ngx_uint_t *served)
{
    int                     ready, alive;
    json_t                 *list;
    ngx_uint_t              i;
    ngx_http_convo_pool_t  *pool;

    list = json_array();
    pool = pools->elts;
    *reached = 1;
    *served = 1;

    for (i = 0; i < pools->nelts; i++) {

        ready = pool[i].values[NGX_HTTP_CONVO_POOL_READY] != 0;
        alive = pool[i].values[NGX_HTTP_CONVO_POOL_ALIVE] != 0;

        if (!pool[i].known) {
            *reached = 0;
        }

        if (!ready || !alive) {
            *served = 0;
        }

        if (json_array_append_new(list,
                json_pack("{s:s%, s:b, s:b}", "pool", pool[i].name.data,
                          pool[i].name.len, "ready", ready,
                          "worker", alive))
            != 0)
        {
            json_decref(list);
            return NULL;
        }
    }

    return list;
}
