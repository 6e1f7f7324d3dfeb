
/*
 * The session room: join, leave, session, history and report, the conversation
 * API.
 *
 *   convo_pool VALUE                the user's pool, may hold variables
 *   convo_points N [window=TIME]    points a user has per window
 *   convo_session_max TIME          the longest session
 *   convo_join, convo_leave,
 *   convo_session, convo_history,
 *   convo_report                    endpoints, one per location
 *
 *   $convo_pool                     the pool of this request
 *
 * This file is configuration only.  What a user may do is decided by the Lua
 * scripts, never here: the room asks, and makes the answer presentable.
 */


#include "ngx_http_convo_session.h"
#include "ngx_http_convo_presence.h"


#define NGX_HTTP_CONVO_SESSION_POINTS      15
#define NGX_HTTP_CONVO_SESSION_POINTS_MAX  100000
#define NGX_HTTP_CONVO_SESSION_WINDOW      (24 * 60 * 60)
#define NGX_HTTP_CONVO_SESSION_WINDOW_MAX  (90 * 24 * 60 * 60)
#define NGX_HTTP_CONVO_SESSION_LONGEST     (15 * 60)

/* LiveKit and TURN credentials live as long as a session: not for ever */

#define NGX_HTTP_CONVO_SESSION_LONGEST_MAX (24 * 60 * 60)


static ngx_int_t ngx_http_convo_session_preconfiguration(ngx_conf_t *cf);
static void *ngx_http_convo_session_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_session_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_int_t ngx_http_convo_session_init_process(ngx_cycle_t *cycle);
static char *ngx_http_convo_session_set_pool(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_convo_session_set_points(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_convo_session_set_max(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_convo_session_check_endpoint(ngx_conf_t *cf,
    const ngx_http_convo_session_loc_conf_t *conf);
static char *ngx_http_convo_session_set_endpoint(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_convo_session_time(ngx_conf_t *cf, ngx_str_t *value,
    ngx_str_t *text, time_t max, time_t *to);


typedef struct {
    ngx_http_handler_pt  handler;
} ngx_http_convo_session_endpoint_t;


static ngx_http_convo_session_endpoint_t  ngx_http_convo_session_join_point =
    { ngx_http_convo_session_join_handler };

static ngx_http_convo_session_endpoint_t  ngx_http_convo_session_leave_point =
    { ngx_http_convo_session_leave_handler };

static ngx_http_convo_session_endpoint_t  ngx_http_convo_session_get_point =
    { ngx_http_convo_session_get_handler };

static ngx_http_convo_session_endpoint_t
    ngx_http_convo_session_history_point =
    { ngx_http_convo_session_history_handler };

static ngx_http_convo_session_endpoint_t  ngx_http_convo_session_report_point =
    { ngx_http_convo_session_report_handler };


static ngx_command_t  ngx_http_convo_session_commands[] = {

    { ngx_string("convo_pool"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_session_set_pool,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_points"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_convo_session_set_points,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_session_max"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_session_set_max,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_join"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_session_set_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_convo_session_join_point },

    { ngx_string("convo_leave"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_session_set_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_convo_session_leave_point },

    { ngx_string("convo_session"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_session_set_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_convo_session_get_point },

    { ngx_string("convo_history"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_session_set_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_convo_session_history_point },

    { ngx_string("convo_report"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_session_set_endpoint,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      &ngx_http_convo_session_report_point },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_session_module_ctx = {
    ngx_http_convo_session_preconfiguration, /* preconfiguration */
    NULL,                                    /* postconfiguration */

    NULL,                                    /* create main configuration */
    NULL,                                    /* init main configuration */

    NULL,                                    /* create server configuration */
    NULL,                                    /* merge server configuration */

    ngx_http_convo_session_create_loc_conf,  /* create location configuration */
    ngx_http_convo_session_merge_loc_conf    /* merge location configuration */
};


ngx_module_t  ngx_http_convo_session_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_session_module_ctx,      /* module context */
    ngx_http_convo_session_commands,         /* module directives */
    NGX_HTTP_MODULE,                         /* module type */
    NULL,                                    /* init master */
    NULL,                                    /* init module */
    ngx_http_convo_session_init_process,     /* init process */
    NULL,                                    /* init thread */
    NULL,                                    /* exit thread */
    NULL,                                    /* exit process */
    NULL,                                    /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_convo_session_preconfiguration(ngx_conf_t *cf)
{
    ngx_http_variable_t  *v;

    static ngx_str_t  name = ngx_string("convo_pool");

    /* not cacheable: the user it depends on is known only after sign-in */

    v = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (v == NULL) {
        return NGX_ERROR;
    }

    v->get_handler = ngx_http_convo_session_pool_variable;

    return NGX_OK;
}


static void *
ngx_http_convo_session_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_convo_session_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_session_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /* set by ngx_pcalloc(): pool and endpoint are NULL */

    conf->points = NGX_CONF_UNSET_UINT;
    conf->window = NGX_CONF_UNSET;
    conf->session_max = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_convo_session_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_convo_session_loc_conf_t *prev = parent;
    ngx_http_convo_session_loc_conf_t *conf = child;

    if (conf->pool == NULL) {
        conf->pool = prev->pool;
    }

    ngx_conf_merge_uint_value(conf->points, prev->points,
                              NGX_HTTP_CONVO_SESSION_POINTS);
    ngx_conf_merge_sec_value(conf->window, prev->window,
                             NGX_HTTP_CONVO_SESSION_WINDOW);
    ngx_conf_merge_sec_value(conf->session_max, prev->session_max,
                             NGX_HTTP_CONVO_SESSION_LONGEST);

    return conf->endpoint ? ngx_http_convo_session_check_endpoint(cf, conf)
                          : NGX_CONF_OK;
}


/* The rooms "auth" and "redis" stand before this one and are merged. */

static char *
ngx_http_convo_session_check_endpoint(ngx_conf_t *cf,
    const ngx_http_convo_session_loc_conf_t *conf)
{
    const char                *missing;
    ngx_http_core_loc_conf_t  *clcf;

    if (!ngx_http_convo_auth_is_configured(cf)) {
        missing = "convo_auth on";

    } else if (ngx_http_convo_redis_configured(cf) == NULL) {
        missing = "convo_redis";

    } else {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%V\" in location \"%V\" needs \"%s\"",
                  conf->endpoint, &clcf->name, missing);

    return NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_convo_session_init_process(ngx_cycle_t *cycle)
{
    ngx_http_convo_presence_init(cycle->log);

    return NGX_OK;
}


static char *
ngx_http_convo_session_set_pool(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_session_loc_conf_t *scf = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (scf->pool) {
        return "is duplicate";
    }

    value = cf->args->elts;

    scf->pool = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (scf->pool == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = scf->pool;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (scf->pool->lengths == NULL
        && !convo_is_pool((char *) value[1].data, value[1].len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid pool \"%V\" in \"%V\", expected 1 to %d "
                           "of a-z, 0-9 and \"-\"", &value[1], &value[0],
                           CONVO_POOL_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_session_set_points(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_session_loc_conf_t *scf = conf;

    ngx_int_t   points;
    ngx_str_t  *value, text;

    if (scf->points != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    points = ngx_atoi(value[1].data, value[1].len);

    if (points < 1 || points > NGX_HTTP_CONVO_SESSION_POINTS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number \"%V\" in \"%V\", expected 1 to "
                           "%d", &value[1], &value[0],
                           NGX_HTTP_CONVO_SESSION_POINTS_MAX);
        return NGX_CONF_ERROR;
    }

    scf->points = points;
    scf->window = NGX_HTTP_CONVO_SESSION_WINDOW;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[2].data, "window=", 7) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"%V\", expected "
                           "window=TIME", &value[2], &value[0]);
        return NGX_CONF_ERROR;
    }

    text.data = value[2].data + 7;
    text.len = value[2].len - 7;

    if (ngx_http_convo_session_time(cf, &value[2], &text,
                                    NGX_HTTP_CONVO_SESSION_WINDOW_MAX,
                                    &scf->window)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_session_set_max(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_session_loc_conf_t *scf = conf;

    ngx_str_t  *value;

    if (scf->session_max != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_http_convo_session_time(cf, &value[1], &value[1],
                                    NGX_HTTP_CONVO_SESSION_LONGEST_MAX,
                                    &scf->session_max)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* 1 s to max; value is what the message quotes. */

static ngx_int_t
ngx_http_convo_session_time(ngx_conf_t *cf, ngx_str_t *value, ngx_str_t *text,
    time_t max, time_t *to)
{
    ngx_str_t  *directive;

    *to = ngx_parse_time(text, 1);

    if (*to < 1 || *to > max) {
        directive = cf->args->elts;
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid time \"%V\" in \"%V\", expected 1s to "
                           "%Ts", value, directive, max);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static char *
ngx_http_convo_session_set_endpoint(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    const ngx_http_convo_session_endpoint_t *endpoint = cmd->post;

    return ngx_http_convo_session_mount(cf, cmd, endpoint->handler);
}


char *
ngx_http_convo_session_mount(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t           *clcf;
    ngx_http_convo_session_loc_conf_t  *scf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    scf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_convo_session_module);

    if (clcf->handler) {
        return "conflicts with another content handler of this location";
    }

    clcf->handler = handler;
    scf->endpoint = &cmd->name;

    return NGX_CONF_OK;
}
