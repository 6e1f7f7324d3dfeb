
/*
 * POST /api/sign-in: a verified bearer token becomes a cookie, so that pages
 * and what cannot send headers are signed in as well.
 *
 * The cookie is the token itself: it ends when the token does, and the auth
 * room verifies it like any other.  "__Host-" binds it to this host, scripts
 * of a page never see it, and it counts on requests of the same origin only.
 *
 * How it fails: a token with which no browser would keep the cookie is told so.
 * Nothing is stored here, so there is nothing that a crash could lose.
 */


#include "ngx_http_convo_cookie.h"
#include "ngx_http_convo_session.h"


typedef struct {
    ngx_uint_t   enable;
} ngx_http_convo_sign_in_loc_conf_t;


static ngx_int_t ngx_http_convo_sign_in_handler(ngx_http_request_t *r);
static void ngx_http_convo_sign_in_body(ngx_http_request_t *r, json_t *body);
static ngx_int_t ngx_http_convo_sign_in_send(ngx_http_request_t *r);

static void *ngx_http_convo_sign_in_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_sign_in_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_convo_sign_in_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_convo_sign_in_commands[] = {

    { ngx_string("convo_sign_in"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_sign_in_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_sign_in_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_sign_in_create_loc_conf,  /* create location configuration */
    ngx_http_convo_sign_in_merge_loc_conf  /* merge location configuration */
};


ngx_module_t  ngx_http_convo_sign_in_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_sign_in_module_ctx,    /* module context */
    ngx_http_convo_sign_in_commands,       /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_convo_sign_in_handler(ngx_http_request_t *r)
{
    if (r->method != NGX_HTTP_POST) {
        return ngx_http_convo_check_method(r, NGX_HTTP_POST);
    }

    if (ngx_http_convo_auth_user(r) == NULL) {
        return ngx_http_convo_problem(r, NGX_HTTP_UNAUTHORIZED,
                                      "missing_token",
                                      "Sign in: this address needs a token.");
    }

    return ngx_http_convo_read_body(r, ngx_http_convo_sign_in_body);
}


static void
ngx_http_convo_sign_in_body(ngx_http_request_t *r, json_t *body)
{
    ngx_int_t  rc;

    static const char *const  none[] = { NULL };

    if (ngx_http_convo_only_members(body, none) != NGX_OK) {
        rc = ngx_http_convo_problem(r, NGX_HTTP_BAD_REQUEST, "bad_request",
                                    "The body has no members.");
    } else {
        rc = ngx_http_convo_sign_in_send(r);
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_convo_sign_in_send(ngx_http_request_t *r)
{
    const ngx_str_t                   *token;
    const ngx_http_convo_auth_user_t  *user;

    user = ngx_http_convo_auth_user(r);
    token = ngx_http_convo_auth_token(r);

    if (!ngx_http_convo_cookie_fits(token)) {
        return ngx_http_convo_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "too_large",
                                      "The token is too long for a cookie.");
    }

    if (ngx_http_convo_cookie_set(r, token, user->expires) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_convo_session_send_json(r,
               json_pack("{s:I}", "expiresAt", (json_int_t) user->expires));
}


static void *
ngx_http_convo_sign_in_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_sign_in_loc_conf_t));
}


/* it is a location's own: nothing is inherited */

static char *
ngx_http_convo_sign_in_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_convo_sign_in_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    if (!conf->enable || ngx_http_convo_auth_is_configured(cf)) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"convo_sign_in\" in location \"%V\" needs \"convo_auth "
                  "on\"", &clcf->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_convo_sign_in_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_sign_in_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another content handler of this location";
    }

    clcf->handler = ngx_http_convo_sign_in_handler;
    lcf->enable = 1;

    return NGX_CONF_OK;
}
