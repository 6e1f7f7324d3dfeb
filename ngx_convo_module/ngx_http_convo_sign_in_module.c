
/*
 * POST /api/sign-in: a verified bearer token becomes a cookie, so that pages
 * and what cannot send headers are signed in as well.
 *
 * The cookie is the token itself: it ends when the token does, and the auth
 * room verifies it like any other.  "__Host-" binds it to this host, scripts
 * of a page never see it, and it counts on requests of the same origin only.
 *
 * Where a location asks access tokens for a verified e-mail address, which
 * they never carry, what an ID token says here is remembered in Redis by its
 * user, until another one says otherwise or the time is over.
 *
 * How it fails: a token with which no browser would keep the cookie is told so.
 * When Redis does not answer there is no cookie: it is 503, and to be repeated.
 * A client that goes may be remembered all the same, which is the truth.  Where
 * nobody asks for an address, Redis is not needed.
 */


#include "ngx_http_convo_cookie.h"
#include "ngx_http_convo_session.h"


/* how long an ID token's word counts, s: as long as Cognito's refresh tokens */

#define NGX_HTTP_CONVO_SIGN_IN_REMEMBER      (30 * 24 * 60 * 60)
#define NGX_HTTP_CONVO_SIGN_IN_REMEMBER_MAX  (3650 * 24 * 60 * 60)


typedef struct {
    ngx_uint_t   enable;
    time_t       remember;    /* s */
} ngx_http_convo_sign_in_loc_conf_t;


static ngx_int_t ngx_http_convo_sign_in_handler(ngx_http_request_t *r);
static void ngx_http_convo_sign_in_body(ngx_http_request_t *r, json_t *body);
static ngx_int_t ngx_http_convo_sign_in(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_sign_in_remember(ngx_http_request_t *r,
    ngx_uint_t verified);
static void ngx_http_convo_sign_in_remembered(void *data,
    const redisReply *reply);
static ngx_int_t ngx_http_convo_sign_in_send(ngx_http_request_t *r);

static void *ngx_http_convo_sign_in_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_sign_in_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_convo_sign_in_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_convo_sign_in_commands[] = {

    { ngx_string("convo_sign_in"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
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
        rc = ngx_http_convo_sign_in(r);
    }

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/* NGX_DONE when Redis is asked, else what the request is finalized with. */

static ngx_int_t
ngx_http_convo_sign_in(ngx_http_request_t *r)
{
    ngx_uint_t  verified;

    if (!ngx_http_convo_cookie_fits(ngx_http_convo_auth_token(r))) {
        return ngx_http_convo_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "too_large",
                                      "The token is too long for a cookie.");
    }

    if (ngx_http_convo_auth_tells_email(r, &verified)) {
        return ngx_http_convo_sign_in_remember(r, verified);
    }

    return ngx_http_convo_sign_in_send(r);
}


static ngx_int_t
ngx_http_convo_sign_in_remember(ngx_http_request_t *r, ngx_uint_t verified)
{
    u_char                              kept_ms[NGX_TIME_T_LEN + 3];
    u_char                              issued_s[NGX_TIME_T_LEN];
    ngx_int_t                           rc;
    ngx_str_t                           key, args[3];
    convo_key_t                         name;
    ngx_http_convo_redis_t             *redis;
    ngx_http_convo_sign_in_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_sign_in_module);
    redis = ngx_http_convo_redis_get(r);

    if (redis == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "convo sign-in: no \"convo_redis\" in this location");
        return ngx_http_convo_session_unavailable(r);
    }

    if (ngx_http_convo_auth_email_key(r, &name) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    key = ngx_http_convo_session_str(&name);

    ngx_str_set(&args[0], "0");
    if (verified) {
        ngx_str_set(&args[0], "1");
    }

    args[1].data = issued_s;
    args[1].len = ngx_sprintf(issued_s, "%T",
                              ngx_http_convo_auth_user(r)->issued)
                  - issued_s;
    args[2].data = kept_ms;
    args[2].len = ngx_sprintf(kept_ms, "%T000", lcf->remember) - kept_ms;

    rc = ngx_http_convo_redis_eval(redis, r->pool,
                                   CONVO_SCRIPT_REMEMBER_EMAIL, &key, 1,
                                   args, 3,
                                   ngx_http_convo_sign_in_remembered, r);
    if (rc != NGX_OK) {
        return ngx_http_convo_session_not_asked(r, rc);
    }

    ngx_http_convo_caller_watch(r);

    return NGX_DONE;
}


static void
ngx_http_convo_sign_in_remembered(void *data, const redisReply *reply)
{
    ngx_http_request_t *r = data;

    ngx_int_t  rc;

    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        rc = ngx_http_convo_sign_in_send(r);

    } else {
        ngx_http_convo_session_log_reply(r->connection->log, "remember_email",
                                         reply);
        rc = ngx_http_convo_session_unavailable(r);
    }

    ngx_http_convo_session_finish(r, rc);
}


static ngx_int_t
ngx_http_convo_sign_in_send(ngx_http_request_t *r)
{
    const ngx_str_t                   *token;
    const ngx_http_convo_auth_user_t  *user;

    user = ngx_http_convo_auth_user(r);
    token = ngx_http_convo_auth_token(r);

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


/*
 * The directive is a location's own, nothing is inherited.  As this room is
 * merged after "auth" and "redis", it is here that a location which asks for
 * what is remembered is seen to have a Redis.
 */

static char *
ngx_http_convo_sign_in_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_convo_sign_in_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->enable && !ngx_http_convo_auth_is_configured(cf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"convo_sign_in\" in location \"%V\" needs "
                      "\"convo_auth on\"", &clcf->name);
        return NGX_CONF_ERROR;
    }

    /* what a page of another site can make a browser send signs nobody in */

    if (conf->enable && !ngx_http_convo_auth_takes_header_only(cf)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"convo_sign_in\" in location \"%V\" takes the token "
                      "from the header alone, expected \"convo_auth_token "
                      "header\"", &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_convo_auth_asks_email(cf)
        && !ngx_http_convo_redis_configured(cf))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"convo_auth_require email_verified=true\" of access "
                      "tokens in location \"%V\" needs \"convo_redis\"",
                      &clcf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_sign_in_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_sign_in_loc_conf_t *lcf = conf;

    ngx_str_t                 *value, remember;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another content handler of this location";
    }

    clcf->handler = ngx_http_convo_sign_in_handler;
    lcf->enable = 1;
    lcf->remember = NGX_HTTP_CONVO_SIGN_IN_REMEMBER;

    ngx_http_convo_auth_expect_sign_in(cf);

    if (cf->args->nelts == 1) {
        return NGX_CONF_OK;
    }

    value = cf->args->elts;
    ngx_str_null(&remember);
    lcf->remember = 0;

    if (ngx_http_convo_parameter(cf, cmd, &value[1], "remember=", &remember)
        == NGX_OK)
    {
        lcf->remember = ngx_parse_time(&remember, 1);
    }

    if (lcf->remember < 1
        || lcf->remember > NGX_HTTP_CONVO_SIGN_IN_REMEMBER_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"%V\", expected "
                           "\"remember=TIME\" of 1s to 3650d", &value[1],
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
