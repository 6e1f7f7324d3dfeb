
/*
 * The livekit room: users' tokens for a media room, and LiveKit's webhooks
 * (ngx_http_convo_livekit_webhook.c).
 *
 * The edge never talks to LiveKit: it mints tokens by the secret that both
 * know, and takes what LiveKit sends.  Secrets are read with the
 * configuration; processes have no right to read them later.
 *
 * How it fails: a bad URL, key or secret file stops the start with a message;
 * where memory is short there is no token, and the user's document says so by
 * its absence.  LiveKit itself may be down without the edge noticing.
 */


#include "ngx_http_convo_livekit_conf.h"
#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_secret.h"
#include "convo_url.h"


typedef struct {
    ngx_http_convo_livekit_t  *livekit;
    ngx_flag_t                 webhook;
} ngx_http_convo_livekit_loc_conf_t;


static char *ngx_http_convo_livekit(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_livekit_parameter(ngx_conf_t *cf,
    ngx_command_t *cmd, ngx_http_convo_livekit_t *livekit,
    ngx_str_t *parameter);
static char *ngx_http_convo_livekit_check(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_livekit_t *livekit);
static char *ngx_http_convo_livekit_webhook(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static void *ngx_http_convo_livekit_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_livekit_merge_loc_conf(ngx_conf_t *cf,
    void *parent, void *child);
static char *ngx_http_convo_livekit_merge_webhook(ngx_conf_t *cf,
    ngx_http_convo_livekit_t *livekit);


static ngx_command_t  ngx_http_convo_livekit_commands[] = {

    { ngx_string("convo_livekit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE3,
      ngx_http_convo_livekit,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_livekit_webhook"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_livekit_webhook,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_livekit_module_ctx = {
    NULL,                                    /* preconfiguration */
    NULL,                                    /* postconfiguration */

    NULL,                                    /* create main configuration */
    NULL,                                    /* init main configuration */

    NULL,                                    /* create server configuration */
    NULL,                                    /* merge server configuration */

    ngx_http_convo_livekit_create_loc_conf,  /* create location conf */
    ngx_http_convo_livekit_merge_loc_conf    /* merge location conf */
};


ngx_module_t  ngx_http_convo_livekit_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_livekit_module_ctx,      /* module context */
    ngx_http_convo_livekit_commands,         /* module directives */
    NGX_HTTP_MODULE,                         /* module type */
    NULL,                                    /* init master */
    NULL,                                    /* init module */
    NULL,                                    /* init process */
    NULL,                                    /* init thread */
    NULL,                                    /* exit thread */
    NULL,                                    /* exit process */
    NULL,                                    /* exit master */
    NGX_MODULE_V1_PADDING
};


json_t *
ngx_http_convo_livekit_access(ngx_http_request_t *r, const char *room,
    const char *identity, time_t expires)
{
    char                             token[CONVO_LIVEKIT_TOKEN_MAX + 1];
    const ngx_http_convo_livekit_t  *livekit;

    livekit = ngx_http_convo_livekit_get(r);

    if (livekit == NULL
        || convo_livekit_user_token(token, &livekit->key, room, identity,
                                    ngx_time(), expires)
           == 0)
    {
        return NULL;
    }

    ngx_http_convo_count(NGX_HTTP_CONVO_LIVEKIT_TOKEN);

    return json_pack("{s:s#, s:s}", "url", livekit->url.data,
                     (int) livekit->url.len, "token", token);
}


const ngx_http_convo_livekit_t *
ngx_http_convo_livekit_get(ngx_http_request_t *r)
{
    ngx_http_convo_livekit_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_livekit_module);

    return llcf->livekit;
}


static void *
ngx_http_convo_livekit_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_convo_livekit_loc_conf_t  *conf;

    conf = ngx_palloc(cf->pool, sizeof(ngx_http_convo_livekit_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->livekit = NGX_CONF_UNSET_PTR;
    conf->webhook = 0;     /* only an "if" inherits it */

    return conf;
}


static char *
ngx_http_convo_livekit_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child)
{
    ngx_http_convo_livekit_loc_conf_t  *prev = parent;
    ngx_http_convo_livekit_loc_conf_t  *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_ptr_value(conf->livekit, prev->livekit, NULL);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && prev->webhook) {
        /* an "if" in the webhook's location, which answers there as well */
        conf->webhook = 1;
    }

    return conf->webhook
           ? ngx_http_convo_livekit_merge_webhook(cf, conf->livekit)
           : NGX_CONF_OK;
}


/*
 * A webhook is verified over its whole body, which therefore stays in memory:
 * NGINX shall never write one to a file and never wait to read it back.  The
 * buffer has room for chunk headers, too.
 */

static char *
ngx_http_convo_livekit_merge_webhook(ngx_conf_t *cf,
    ngx_http_convo_livekit_t *livekit)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (livekit == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"convo_livekit_webhook\" in location \"%V\" needs "
                      "\"convo_livekit\" there or around it", &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (clcf->client_body_in_file_only) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"convo_livekit_webhook\" in location \"%V\" cannot "
                      "work with \"client_body_in_file_only\", expected "
                      "\"off\"", &clcf->name);
        return NGX_CONF_ERROR;
    }

    if (clcf->client_body_buffer_size < 2 * NGX_HTTP_CONVO_WEBHOOK_MAX) {
        clcf->client_body_buffer_size = 2 * NGX_HTTP_CONVO_WEBHOOK_MAX;
    }

    return NGX_CONF_OK;
}


/* convo_livekit url=URL key=KEY secret_file=PATH */

static char *
ngx_http_convo_livekit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_livekit_loc_conf_t  *llcf = conf;

    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_convo_livekit_t  *livekit;

    if (llcf->livekit != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    livekit = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_livekit_t));
    if (livekit == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_http_convo_livekit_parameter(cf, cmd, livekit, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    livekit->key.key = (char *) livekit->name.data;
    livekit->key.secrets = &livekit->secrets;

    llcf->livekit = livekit;

    return ngx_http_convo_livekit_check(cf, cmd, livekit);
}


static char *
ngx_http_convo_livekit_parameter(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_livekit_t *livekit, ngx_str_t *parameter)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_parameter(cf, cmd, parameter, "url=", &livekit->url);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_convo_parameter(cf, cmd, parameter, "key=",
                                      &livekit->name);
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_http_convo_parameter(cf, cmd, parameter, "secret_file=",
                                      &livekit->file);
    }

    if (rc == NGX_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid parameter \"%V\", expected "
                           "\"url=\", \"key=\" and \"secret_file=\"",
                           &cmd->name, parameter);
    }

    return rc == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* three parameters that differ are all there */

static char *
ngx_http_convo_livekit_check(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_convo_livekit_t *livekit)
{
    const char  *error;

    error = convo_url_error((char *) livekit->url.data, livekit->url.len,
                            "ws");
    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has the url \"%V\", expected "
                           "\"wss://HOST[:PORT]\" or \"ws://HOST[:PORT]\": "
                           "this %s",
                           &cmd->name, &livekit->url, error);
        return NGX_CONF_ERROR;
    }

    if (!convo_livekit_is_key((char *) livekit->name.data,
                              livekit->name.len))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has the key \"%V\", expected 1 to %d "
                           "letters, digits, \"_\" or \"-\"",
                           &cmd->name, &livekit->name,
                           CONVO_LIVEKIT_KEY_MAX);
        return NGX_CONF_ERROR;
    }

    return ngx_http_convo_read_secrets(cf, cmd, &livekit->file,
                                       CONVO_LIVEKIT_SECRET_MIN,
                                       &livekit->secrets);
}


static char *
ngx_http_convo_livekit_webhook(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_livekit_loc_conf_t  *llcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    if (llcf->webhook) {
        return "is duplicate";
    }

    llcf->webhook = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_convo_livekit_webhook_handler;

    return NGX_CONF_OK;
}
