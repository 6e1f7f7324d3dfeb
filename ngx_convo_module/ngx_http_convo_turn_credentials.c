
/*
 * Credentials for relays, for the user's document and for an endpoint.
 *
 * coturn and the edge share a secret, so credentials are computed here and
 * nothing is asked.  coturn counts and limits by the user in the name.
 *
 * How it fails: only when memory is short, which is a 500.
 */


#include "ngx_http_convo_auth.h"
#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_turn_conf.h"
#include "convo_turn.h"


static json_t *ngx_http_convo_turn_document(const ngx_http_convo_turn_t *turn,
    const ngx_str_t *user, time_t ttl, ngx_uint_t bare);
static json_t *ngx_http_convo_turn_servers(const ngx_http_convo_turn_t *turn,
    const ngx_str_t *user, time_t expires);
static json_t *ngx_http_convo_turn_server(const ngx_http_convo_turn_t *turn,
    const ngx_str_t *user, time_t expires, json_t *urls);
static json_t *ngx_http_convo_turn_urls(const ngx_array_t *list,
    json_t *urls);
static ngx_int_t ngx_http_convo_turn_send(ngx_http_request_t *r,
    json_t *json);


json_t *
ngx_http_convo_turn_ice_servers(ngx_http_request_t *r, const ngx_str_t *user,
    time_t expires)
{
    const ngx_http_convo_turn_t     *turn;
    ngx_http_convo_turn_loc_conf_t  *tlcf;

    tlcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_turn_module);
    turn = tlcf->turn;

    if (turn == NULL) {
        return json_array();
    }

    return ngx_http_convo_turn_servers(turn, user,
                                       expires ? expires
                                               : ngx_time() + turn->ttl);
}


ngx_int_t
ngx_http_convo_turn_handler(ngx_http_request_t *r)
{
    json_t                            *json;
    ngx_int_t                          rc;
    ngx_http_convo_turn_loc_conf_t    *tlcf;
    const ngx_http_convo_auth_user_t  *user;

    rc = ngx_http_convo_check_method(r, NGX_HTTP_GET|NGX_HTTP_HEAD);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    user = ngx_http_convo_auth_user(r);

    if (user == NULL) {
        return ngx_http_convo_problem(r, NGX_HTTP_UNAUTHORIZED,
                                      "missing_token", NULL);
    }

    tlcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_turn_module);

    json = ngx_http_convo_turn_document(tlcf->turn, &user->sub, tlcf->ttl,
                                        tlcf->bare);
    rc = ngx_http_convo_turn_send(r, json);
    json_decref(json);

    return rc;
}


/*
 * {"iceServers":[{"urls":[...],"username":"...","credential":"..."}],
 *  "ttl":600}, or the one server alone, with every address in it.
 */

static json_t *
ngx_http_convo_turn_document(const ngx_http_convo_turn_t *turn,
    const ngx_str_t *user, time_t ttl, ngx_uint_t bare)
{
    json_t  *urls, *servers;
    time_t   expires;

    expires = ngx_time() + ttl;

    if (bare) {
        urls = ngx_http_convo_turn_urls(&turn->stuns, json_array());
        urls = ngx_http_convo_turn_urls(&turn->turns, urls);

        return ngx_http_convo_turn_server(turn, user, expires, urls);
    }

    servers = ngx_http_convo_turn_servers(turn, user, expires);
    if (servers == NULL) {
        return NULL;
    }

    return json_pack("{s:o, s:I}", "iceServers", servers,
                     "ttl", (json_int_t) ttl);
}


/* STUN servers need no credentials and are an element of their own */

static json_t *
ngx_http_convo_turn_servers(const ngx_http_convo_turn_t *turn,
    const ngx_str_t *user, time_t expires)
{
    int      error;
    json_t  *servers;

    servers = json_array();
    error = 0;

    if (turn->stuns.nelts > 0) {
        error |= json_array_append_new(servers,
                     json_pack("{s:o}", "urls",
                               ngx_http_convo_turn_urls(&turn->stuns,
                                                        json_array())));
    }

    error |= json_array_append_new(servers,
                 ngx_http_convo_turn_server(turn, user, expires,
                     ngx_http_convo_turn_urls(&turn->turns, json_array())));

    if (error) {
        json_decref(servers);
        return NULL;
    }

    return servers;
}


/* takes over the reference of urls, which may be NULL */

static json_t *
ngx_http_convo_turn_server(const ngx_http_convo_turn_t *turn,
    const ngx_str_t *user, time_t expires, json_t *urls)
{
    convo_turn_credentials_t  credentials;

    if (urls == NULL
        || convo_turn_credentials(&credentials, &turn->secrets.secret[0],
                                  (char *) user->data, user->len, expires)
           != 0)
    {
        json_decref(urls);
        return NULL;
    }

    ngx_http_convo_count(NGX_HTTP_CONVO_TURN_CREDENTIALS);

    return json_pack("{s:o, s:s, s:s}", "urls", urls,
                     "username", credentials.username,
                     "credential", credentials.credential);
}


/* adds the list to urls and returns it, or releases it and returns NULL */

static json_t *
ngx_http_convo_turn_urls(const ngx_array_t *list, json_t *urls)
{
    ngx_str_t   *url;
    ngx_uint_t   i;

    url = list->elts;

    for (i = 0; i < list->nelts; i++) {
        if (json_array_append_new(urls, json_stringn((char *) url[i].data,
                                                     url[i].len))
            != 0)
        {
            json_decref(urls);
            return NULL;
        }
    }

    return urls;
}


static ngx_int_t
ngx_http_convo_turn_send(ngx_http_request_t *r, json_t *json)
{
    char       *dump;
    ngx_str_t   text;

    dump = json ? json_dumps(json, JSON_COMPACT) : NULL;
    if (dump == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.len = ngx_strlen(dump);
    text.data = ngx_pnalloc(r->pool, text.len);

    if (text.data != NULL) {
        ngx_memcpy(text.data, dump, text.len);
    }

    free(dump);

    return text.data ? ngx_http_convo_send_json(r, NGX_HTTP_OK, &text)
                     : NGX_HTTP_INTERNAL_SERVER_ERROR;
}
