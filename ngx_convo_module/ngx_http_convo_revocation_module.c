
/*
 * The directive of the revocation room:
 *
 *   convo_auth_revocation on|off [lifetime=TIME]
 *
 * valid in http, server and location, inherited as a whole.  Locations that
 * ask one Redis share a feed, with the longest of their lifetimes: nothing is
 * forgotten while one of them may still be shown a token of it.
 *
 * Stands after the rooms "auth" and "redis", which are merged before it.
 */


#include "ngx_http_convo_revocation_feed.h"


#define NGX_HTTP_CONVO_REVOCATION_LIFETIME      (30 * 24 * 60 * 60)

/* Cognito's longest lifetime of a refresh token */

#define NGX_HTTP_CONVO_REVOCATION_LIFETIME_MAX  (3650 * 24 * 60 * 60)
#define NGX_HTTP_CONVO_REVOCATION_LIFETIME_MIN  60


typedef struct {
    ngx_array_t                        feeds;     /* feed_t * */
} ngx_http_convo_revocation_main_conf_t;


typedef struct {
    ngx_flag_t                         enable;
    time_t                             lifetime;  /* s */
    ngx_http_convo_revocation_feed_t  *feed;
    unsigned                           exempt:1;  /* not inherited */
} ngx_http_convo_revocation_loc_conf_t;


static void *ngx_http_convo_revocation_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_convo_revocation_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_revocation_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static ngx_http_convo_revocation_feed_t *ngx_http_convo_revocation_bind(
    ngx_conf_t *cf, ngx_http_convo_redis_t *redis, time_t lifetime);
static char *ngx_http_convo_revocation_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_convo_revocation_init_process(ngx_cycle_t *cycle);
static void ngx_http_convo_revocation_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_convo_revocation_commands[] = {

    { ngx_string("convo_auth_revocation"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_convo_revocation_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_revocation_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    ngx_http_convo_revocation_create_main_conf,
                                           /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_revocation_create_loc_conf,
                                           /* create location configuration */
    ngx_http_convo_revocation_merge_loc_conf
                                           /* merge location configuration */
};


ngx_module_t  ngx_http_convo_revocation_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_revocation_module_ctx, /* module context */
    ngx_http_convo_revocation_commands,    /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_convo_revocation_init_process, /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_convo_revocation_exit_process, /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_int_t
ngx_http_convo_revocation_check(ngx_http_request_t *r,
    const ngx_http_convo_auth_user_t *user,
    ngx_http_convo_revocation_resume_pt resume)
{
    ngx_msec_t                             patience;
    ngx_http_convo_revocation_feed_t      *feed;
    ngx_http_convo_revocation_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_revocation_module);

    if (!lcf->enable || lcf->exempt) {
        return NGX_OK;
    }

    feed = ngx_http_convo_revocation_feed(r);

    if (feed == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_convo_revocation_feed_is_known(feed)) {
        return ngx_http_convo_revocation_feed_has(feed, user) ? NGX_DECLINED
                                                              : NGX_OK;
    }

    patience = ngx_http_convo_revocation_feed_patience(feed);

    if (patience == 0) {
        return NGX_ERROR;
    }

    return ngx_http_convo_revocation_wait(r, feed, patience, resume);
}


ngx_uint_t
ngx_http_convo_revocation_is_on(ngx_http_request_t *r)
{
    ngx_http_convo_revocation_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_revocation_module);

    return lcf->enable ? 1 : 0;
}


int64_t
ngx_http_convo_revocation_lifetime(ngx_http_request_t *r)
{
    ngx_http_convo_revocation_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_revocation_module);

    return lcf->feed ? lcf->feed->lifetime : 0;
}


void
ngx_http_convo_revocation_exempt(ngx_conf_t *cf)
{
    ngx_http_convo_revocation_loc_conf_t  *lcf;

    lcf = ngx_http_conf_get_module_loc_conf(cf,
                                            ngx_http_convo_revocation_module);
    lcf->exempt = 1;
}


ngx_uint_t
ngx_http_convo_revocation_is_known(ngx_http_request_t *r)
{
    ngx_uint_t                               i;
    ngx_http_convo_revocation_feed_t       **feed;
    ngx_http_convo_revocation_main_conf_t   *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_convo_revocation_module);
    feed = mcf->feeds.elts;

    for (i = 0; i < mcf->feeds.nelts; i++) {
        if (!ngx_http_convo_revocation_feed_is_known(feed[i])) {
            return 0;
        }
    }

    return 1;
}


ngx_http_convo_revocation_feed_t *
ngx_http_convo_revocation_feed(ngx_http_request_t *r)
{
    ngx_http_convo_revocation_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_revocation_module);

    if (!lcf->enable || lcf->feed == NULL
        || ngx_http_convo_revocation_feed_start(lcf->feed) != NGX_OK)
    {
        return NULL;
    }

    return lcf->feed;
}


/* Every process follows from its beginning: requests need not wait long. */

static ngx_int_t
ngx_http_convo_revocation_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                               i;
    ngx_http_convo_revocation_feed_t       **feed;
    ngx_http_convo_revocation_main_conf_t   *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                            ngx_http_convo_revocation_module);

    if (mcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    feed = mcf->feeds.elts;

    for (i = 0; i < mcf->feeds.nelts; i++) {
        if (ngx_http_convo_revocation_feed_start(feed[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_convo_revocation_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                               i;
    ngx_http_convo_revocation_feed_t       **feed;
    ngx_http_convo_revocation_main_conf_t   *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                            ngx_http_convo_revocation_module);

    if (mcf == NULL) {
        return;
    }

    feed = mcf->feeds.elts;

    for (i = 0; i < mcf->feeds.nelts; i++) {
        ngx_http_convo_revocation_feed_stop(feed[i]);
    }
}


static void *
ngx_http_convo_revocation_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_convo_revocation_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool,
                      sizeof(ngx_http_convo_revocation_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->feeds, cf->pool, 2,
                       sizeof(ngx_http_convo_revocation_feed_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return mcf;
}


static void *
ngx_http_convo_revocation_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_convo_revocation_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_revocation_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->enable = NGX_CONF_UNSET;
    lcf->lifetime = NGX_CONF_UNSET;

    return lcf;
}


static char *
ngx_http_convo_revocation_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_convo_revocation_loc_conf_t *prev = parent;
    ngx_http_convo_revocation_loc_conf_t *conf = child;

    ngx_http_convo_redis_t    *redis;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_value(conf->enable, prev->enable, 0);
    ngx_conf_merge_sec_value(conf->lifetime, prev->lifetime,
                             NGX_HTTP_CONVO_REVOCATION_LIFETIME);

    if (!conf->enable || !ngx_http_convo_auth_is_configured(cf)) {
        return NGX_CONF_OK;
    }

    redis = ngx_http_convo_redis_configured(cf);

    if (redis == NULL) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"convo_auth_revocation on\" in location \"%V\" needs "
                      "\"convo_redis\"", &clcf->name);
        return NGX_CONF_ERROR;
    }

    conf->feed = ngx_http_convo_revocation_bind(cf, redis, conf->lifetime);

    return conf->feed ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_http_convo_revocation_feed_t *
ngx_http_convo_revocation_bind(ngx_conf_t *cf, ngx_http_convo_redis_t *redis,
    time_t lifetime)
{
    int64_t                                  lifetime_ms;
    ngx_uint_t                               i;
    ngx_http_convo_revocation_feed_t       **feed;
    ngx_http_convo_revocation_main_conf_t   *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf,
                                            ngx_http_convo_revocation_module);
    lifetime_ms = (int64_t) lifetime * 1000;
    feed = mcf->feeds.elts;

    for (i = 0; i < mcf->feeds.nelts; i++) {
        if (feed[i]->redis == redis) {
            feed[i]->lifetime = ngx_max(feed[i]->lifetime, lifetime_ms);
            return feed[i];
        }
    }

    feed = ngx_array_push(&mcf->feeds);
    if (feed == NULL) {
        return NULL;
    }

    *feed = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_revocation_feed_t));
    if (*feed == NULL) {
        return NULL;
    }

    (*feed)->redis = redis;
    (*feed)->lifetime = lifetime_ms;
    (*feed)->pool = cf->pool;

    return *feed;
}


static char *
ngx_http_convo_revocation_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_revocation_loc_conf_t *lcf = conf;

    ngx_str_t  *value, text;

    if (lcf->enable != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        lcf->enable = 1;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->enable = 0;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected \"on\" "
                           "or \"off\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    lcf->lifetime = NGX_HTTP_CONVO_REVOCATION_LIFETIME;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    lcf->lifetime = (time_t) NGX_ERROR;

    if (ngx_strncmp(value[2].data, "lifetime=", 9) == 0) {
        text.data = value[2].data + 9;
        text.len = value[2].len - 9;
        lcf->lifetime = ngx_parse_time(&text, 1);
    }

    if (lcf->lifetime < NGX_HTTP_CONVO_REVOCATION_LIFETIME_MIN
        || lcf->lifetime > NGX_HTTP_CONVO_REVOCATION_LIFETIME_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\" in \"%V\", expected "
                           "\"lifetime=TIME\" of 1m to 3650d", &value[2],
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
