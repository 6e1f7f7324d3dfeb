
/*
 * The turn room: time-limited credentials for relays, as part of the user's
 * document and as an endpoint of their own.  This file is the directives;
 * credentials are made in ngx_http_convo_turn_credentials.c.
 *
 * How it fails: bad addresses, times and secret files stop the start with a
 * message, and so does an endpoint without convo_auth: nobody who has not
 * signed in gets credentials.  A relay that runs outlives its credentials:
 * ending it is the business of coturn's own limits.
 */


#include "ngx_http_convo_auth.h"
#include "ngx_http_convo_secret.h"
#include "ngx_http_convo_turn_conf.h"
#include "convo_turn.h"


#define NGX_HTTP_CONVO_TURN_TTL      600           /* seconds */
#define NGX_HTTP_CONVO_TURN_TTL_MIN  30
#define NGX_HTTP_CONVO_TURN_TTL_MAX  (7 * 24 * 60 * 60)


static char *ngx_http_convo_turn(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_turn_parameter(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_convo_turn_t *turn, ngx_str_t *parameter);
static char *ngx_http_convo_turn_add_urls(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_turn_t *turn);
static char *ngx_http_convo_turn_add_url(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_turn_t *turn, ngx_str_t *url);
static char *ngx_http_convo_turn_check(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_turn_t *turn);
static char *ngx_http_convo_turn_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *value, time_t *ttl);
static char *ngx_http_convo_turn_credentials(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static void *ngx_http_convo_turn_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_turn_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


static ngx_command_t  ngx_http_convo_turn_commands[] = {

    { ngx_string("convo_turn"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_convo_turn,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_turn_credentials"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE12,
      ngx_http_convo_turn_credentials,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_turn_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_turn_create_loc_conf,   /* create location configuration */
    ngx_http_convo_turn_merge_loc_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_convo_turn_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_turn_module_ctx,       /* module context */
    ngx_http_convo_turn_commands,          /* module directives */
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


static void *
ngx_http_convo_turn_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_convo_turn_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_turn_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc(), as only an "if" inherits them:
     *
     *     conf->endpoint = 0;
     *     conf->bare = 0;
     *     conf->ttl = 0;
     */

    conf->turn = NGX_CONF_UNSET_PTR;

    return conf;
}


static char *
ngx_http_convo_turn_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_convo_turn_loc_conf_t  *prev = parent;
    ngx_http_convo_turn_loc_conf_t  *conf = child;

    const char                *missing;
    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->turn, prev->turn, NULL);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && !conf->endpoint) {

        /* an "if" in the endpoint's location, which answers there as well */

        conf->endpoint = prev->endpoint;
        conf->bare = prev->bare;
        conf->ttl = prev->ttl;
    }

    if (!conf->endpoint) {
        return NGX_CONF_OK;
    }

    missing = (conf->turn == NULL) ? "convo_turn"
              : !ngx_http_convo_auth_is_configured(cf) ? "convo_auth on"
              : NULL;

    if (missing) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"convo_turn_credentials\" in location \"%V\" needs "
                      "\"%s\" there or around it", &clcf->name, missing);
        return NGX_CONF_ERROR;
    }

    if (conf->ttl == 0) {
        conf->ttl = conf->turn->ttl;
    }

    return NGX_CONF_OK;
}


/* convo_turn coturn urls=URL,... secret_file=PATH [ttl=TIME] */

static char *
ngx_http_convo_turn(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_turn_loc_conf_t  *tlcf = conf;

    char                   *rv;
    ngx_str_t              *value;
    ngx_uint_t              i;
    ngx_http_convo_turn_t  *turn;

    if (tlcf->turn != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "coturn") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" does not know the provider \"%V\", "
                           "expected \"coturn\"", &cmd->name, &value[1]);
        return NGX_CONF_ERROR;
    }

    turn = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_turn_t));
    if (turn == NULL
        || ngx_array_init(&turn->stuns, cf->pool, 1, sizeof(ngx_str_t))
           != NGX_OK
        || ngx_array_init(&turn->turns, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_http_convo_turn_parameter(cf, cmd, turn, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    tlcf->turn = turn;

    return ngx_http_convo_turn_check(cf, cmd, turn);
}


static char *
ngx_http_convo_turn_parameter(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_turn_t *turn, ngx_str_t *parameter)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_parameter(cf, cmd, parameter, "secret_file=",
                                  &turn->file);
    if (rc == NGX_OK) {
        return NGX_CONF_OK;
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_http_convo_parameter(cf, cmd, parameter, "urls=",
                                      &turn->urls);
        if (rc == NGX_OK) {
            return ngx_http_convo_turn_add_urls(cf, cmd, turn);
        }
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_http_convo_parameter(cf, cmd, parameter, "ttl=",
                                      &turn->life);
        if (rc == NGX_OK) {
            return ngx_http_convo_turn_ttl(cf, cmd, parameter, &turn->ttl);
        }
    }

    if (rc == NGX_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid parameter \"%V\", expected "
                           "\"urls=\", \"secret_file=\" and \"ttl=\"",
                           &cmd->name, parameter);
    }

    return NGX_CONF_ERROR;
}


static char *
ngx_http_convo_turn_add_urls(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_turn_t *turn)
{
    char       *rv;
    u_char     *p, *last, *comma;
    ngx_str_t   url;

    last = turn->urls.data + turn->urls.len;

    for (p = turn->urls.data; p <= last; p = comma + 1) {

        comma = ngx_strlchr(p, last, ',');
        if (comma == NULL) {
            comma = last;
        }

        url.data = p;
        url.len = comma - p;

        rv = ngx_http_convo_turn_add_url(cf, cmd, turn, &url);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_turn_add_url(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_turn_t *turn, ngx_str_t *url)
{
    ngx_str_t   *to;
    const char  *error;

    error = convo_turn_url_error((char *) url->data, url->len);

    if (error != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has the url \"%V\", which %s; expected "
                           "for example "
                           "\"turn:turn.example.com:3478?transport=udp\"",
                           &cmd->name, url, error);
        return NGX_CONF_ERROR;
    }

    to = ngx_array_push(convo_turn_url_is_relay((char *) url->data, url->len)
                        ? &turn->turns : &turn->stuns);
    if (to == NULL) {
        return NGX_CONF_ERROR;
    }

    *to = *url;

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_turn_check(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_turn_t *turn)
{
    if (turn->turns.nelts == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has no relay, expected \"urls=\" with at "
                           "least one \"turn:\" or \"turns:\" address",
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (turn->ttl == 0) {
        turn->ttl = NGX_HTTP_CONVO_TURN_TTL;
    }

    return ngx_http_convo_read_secrets(cf, cmd, &turn->file,
                                       CONVO_TURN_SECRET_MIN, &turn->secrets);
}


/* "ttl=TIME" */

static char *
ngx_http_convo_turn_ttl(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_str_t *parameter, time_t *ttl)
{
    ngx_str_t  time;

    time.data = parameter->data + sizeof("ttl=") - 1;
    time.len = parameter->len - (sizeof("ttl=") - 1);

    *ttl = ngx_parse_time(&time, 1);

    if (*ttl < NGX_HTTP_CONVO_TURN_TTL_MIN
        || *ttl > NGX_HTTP_CONVO_TURN_TTL_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid \"%V\", expected a time "
                           "from 30s to 7d", &cmd->name, parameter);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* convo_turn_credentials [format=ice-server] [ttl=TIME] */

static char *
ngx_http_convo_turn_credentials(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_turn_loc_conf_t  *tlcf = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_core_loc_conf_t  *clcf;

    if (tlcf->endpoint) {
        return "is duplicate";
    }

    tlcf->endpoint = 1;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "format=ice-server") == 0
            && !tlcf->bare)
        {
            tlcf->bare = 1;
            continue;
        }

        if (ngx_strncmp(value[i].data, "ttl=", 4) == 0 && tlcf->ttl == 0) {

            rv = ngx_http_convo_turn_ttl(cf, cmd, &value[i], &tlcf->ttl);
            if (rv != NGX_CONF_OK) {
                return rv;
            }

            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid parameter \"%V\", expected "
                           "\"format=ice-server\" or \"ttl=TIME\", once each",
                           &cmd->name, &value[i]);
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_convo_turn_handler;

    return NGX_CONF_OK;
}
