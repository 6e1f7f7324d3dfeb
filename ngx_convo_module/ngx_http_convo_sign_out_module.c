
/*
 * POST /api/sign-out: the caller's sign-in ends, here and wherever else its
 * tokens are; with {"everywhere":true} all of the user's that began until now.
 *
 * Signing out is leaving: who waits or is in a session leaves it.  Then the
 * pool's scripts are told of the revocation, and last the feed of all
 * processes, which ends the streams; each step is one script and may be
 * repeated.  Whom a pool that is being restored does not know yet leaves
 * nothing: their sign-in ends all the same, and puts nobody back.  The
 * location asks no feed, so that a repetition is no 401.
 *
 * How it fails: the cookie goes with every answer, also with a 503, as who
 * signs out at somebody else's machine must be out there.  When Redis does not
 * answer it is 503, and the tokens may count still: repeat it with the token.
 * A client that goes, or a process that dies, leaves the steps that were not
 * taken, and the repetition takes them.  A token that is revoked already
 * changes nothing: who has stolen one keeps its owner out of nothing.
 */


#include "ngx_http_convo_cookie.h"
#include "ngx_http_convo_revocation.h"
#include "ngx_http_convo_session.h"


typedef struct {
    ngx_uint_t                 enable;
} ngx_http_convo_sign_out_loc_conf_t;


typedef struct {
    ngx_http_convo_caller_t   *caller;
    ngx_str_t                  member;      /* of the set of revocations */
    ngx_uint_t                 everywhere;
    ngx_uint_t                 pool_knows;  /* the feed is next, or done */
} ngx_http_convo_sign_out_t;


static ngx_int_t ngx_http_convo_sign_out_handler(ngx_http_request_t *r);
static void ngx_http_convo_sign_out_body(ngx_http_request_t *r, json_t *body);
static ngx_int_t ngx_http_convo_sign_out_begin(ngx_http_request_t *r,
    ngx_uint_t everywhere);
static ngx_int_t ngx_http_convo_sign_out_member(ngx_http_request_t *r,
    ngx_http_convo_sign_out_t *out);
static void ngx_http_convo_sign_out_left(void *data,
    const convo_user_view_t *view);
static ngx_int_t ngx_http_convo_sign_out_revoke(
    ngx_http_convo_sign_out_t *out);
static void ngx_http_convo_sign_out_revoked(void *data,
    const redisReply *reply);

static void *ngx_http_convo_sign_out_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_sign_out_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_convo_sign_out_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_convo_sign_out_commands[] = {

    { ngx_string("convo_sign_out"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_sign_out_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_sign_out_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_sign_out_create_loc_conf,
                                           /* create location configuration */
    ngx_http_convo_sign_out_merge_loc_conf /* merge location configuration */
};


ngx_module_t  ngx_http_convo_sign_out_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_sign_out_module_ctx,   /* module context */
    ngx_http_convo_sign_out_commands,      /* module directives */
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
ngx_http_convo_sign_out_handler(ngx_http_request_t *r)
{
    if (r->method != NGX_HTTP_POST) {
        return ngx_http_convo_check_method(r, NGX_HTTP_POST);
    }

    if (ngx_http_convo_auth_user(r) == NULL) {
        return ngx_http_convo_problem(r, NGX_HTTP_UNAUTHORIZED,
                                      "missing_token",
                                      "This address is for signed-in users.");
    }

    return ngx_http_convo_read_body(r, ngx_http_convo_sign_out_body);
}


static void
ngx_http_convo_sign_out_body(ngx_http_request_t *r, json_t *body)
{
    json_t     *everywhere;
    ngx_int_t   rc;

    static const char *const  members[] = { "everywhere", NULL };

    everywhere = json_object_get(body, "everywhere");

    if (ngx_http_convo_only_members(body, members) != NGX_OK
        || (everywhere && !json_is_boolean(everywhere)))
    {
        rc = ngx_http_convo_problem(r, NGX_HTTP_BAD_REQUEST, "bad_request",
                                    "The one member is \"everywhere\", true "
                                    "or false.");
    } else {
        rc = ngx_http_convo_sign_out_begin(r, json_is_true(everywhere));
    }

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


/* NGX_DONE when Redis is asked, else what the request is finalized with. */

static ngx_int_t
ngx_http_convo_sign_out_begin(ngx_http_request_t *r, ngx_uint_t everywhere)
{
    ngx_int_t                   rc;
    ngx_http_convo_sign_out_t  *out;

    if (ngx_http_convo_cookie_set(r, NULL, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_http_convo_revocation_is_on(r)) {
        return ngx_http_convo_send_no_content(r);
    }

    out = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_sign_out_t));
    if (out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    out->everywhere = everywhere;
    out->caller = ngx_http_convo_caller_get(r, &rc);

    if (out->caller == NULL) {
        return rc;
    }

    if (ngx_http_convo_sign_out_member(r, out) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_convo_session_leave(out->caller,
                                      ngx_http_convo_sign_out_left, out);
    if (rc != NGX_OK) {
        return ngx_http_convo_session_not_asked(r, rc);
    }

    ngx_http_convo_caller_watch(r);

    return NGX_DONE;
}


/* A token that names no sign-in ends with all of its user's. */

static ngx_int_t
ngx_http_convo_sign_out_member(ngx_http_request_t *r,
    ngx_http_convo_sign_out_t *out)
{
    u_char     *p;
    ngx_str_t  *id;

    id = (out->everywhere || out->caller->sign_in.len == 0)
         ? &out->caller->user : &out->caller->sign_in;

    out->member.len = sizeof("j:") - 1 + id->len;
    out->member.data = ngx_pnalloc(r->pool, out->member.len);

    if (out->member.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(out->member.data, id == &out->caller->user ? "s:" : "j:",
                   2);
    ngx_memcpy(p, id->data, id->len);

    return NGX_OK;
}


static void
ngx_http_convo_sign_out_left(void *data, const convo_user_view_t *view)
{
    ngx_http_convo_sign_out_t *out = data;

    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = out->caller->request;

    if (view == NULL) {
        rc = ngx_http_convo_session_unavailable(r);

    } else if (view->status == CONVO_VIEW_AGAIN) {
        rc = ngx_http_convo_session_busy(r);

    } else {
        rc = ngx_http_convo_sign_out_revoke(out);
        if (rc == NGX_OK) {
            return;
        }

        rc = ngx_http_convo_session_not_asked(r, rc);
    }

    ngx_http_convo_session_finish(r, rc);
}


/* In the caller's pool, and then in the feed. */

static ngx_int_t
ngx_http_convo_sign_out_revoke(ngx_http_convo_sign_out_t *out)
{
    u_char                    lifetime[NGX_INT64_LEN];
    ngx_str_t                 key, args[5];
    convo_key_t               name;
    ngx_http_convo_caller_t  *caller;

    static ngx_str_t  feed = ngx_string(CONVO_POOL_NONE);

    caller = out->caller;
    key = out->pool_knows ? feed : caller->pool;

    if (convo_key(&name, (char *) key.data, key.len, CONVO_KEY_REVOKED, NULL,
                  0)
        != 0)
    {
        return NGX_ERROR;
    }

    key = ngx_http_convo_session_str(&name);

    args[0] = out->member;
    args[1].data = lifetime;
    args[1].len = ngx_sprintf(lifetime, "%L",
                      ngx_http_convo_revocation_lifetime(caller->request))
                  - lifetime;
    args[2] = caller->user;
    args[3] = caller->sign_in;
    args[4] = caller->issued;

    return ngx_http_convo_redis_eval(caller->redis, caller->request->pool,
                                     CONVO_SCRIPT_REVOKE, &key, 1, args, 5,
                                     ngx_http_convo_sign_out_revoked, out);
}


/* That it was revoked already is as good. */

static void
ngx_http_convo_sign_out_revoked(void *data, const redisReply *reply)
{
    ngx_http_convo_sign_out_t *out = data;

    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = out->caller->request;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        ngx_http_convo_session_log_reply(r->connection->log, "revoke", reply);
        rc = ngx_http_convo_session_unavailable(r);

    } else if (out->pool_knows) {
        rc = ngx_http_convo_send_no_content(r);

    } else {
        out->pool_knows = 1;

        rc = ngx_http_convo_sign_out_revoke(out);
        if (rc == NGX_OK) {
            return;
        }

        rc = ngx_http_convo_session_not_asked(r, rc);
    }

    ngx_http_convo_session_finish(r, rc);
}


static void *
ngx_http_convo_sign_out_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_sign_out_loc_conf_t));
}


/*
 * It is a location's own: nothing is inherited.  That there is a Redis where
 * revocation is on is seen to by that room.
 */

static char *
ngx_http_convo_sign_out_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_convo_sign_out_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    if (!conf->enable || ngx_http_convo_auth_is_configured(cf)) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"convo_sign_out\" in location \"%V\" needs \"convo_auth "
                  "on\"", &clcf->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_convo_sign_out_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_sign_out_loc_conf_t *lcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another content handler of this location";
    }

    clcf->handler = ngx_http_convo_sign_out_handler;
    lcf->enable = 1;

    ngx_http_convo_revocation_exempt(cf);

    return NGX_CONF_OK;
}
