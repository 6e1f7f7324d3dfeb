
/*
 * The auth room: a verified token for every request of a location, and from
 * it the user.  This file holds its directives, contexts and variables; how
 * a request is decided is in ngx_http_convo_auth_decide.c, and the map of
 * all files in ngx_http_convo_auth_private.h.
 *
 * A variable does no I/O and decides nothing: before the decision, and where
 * sign-in is off, all of them are empty.
 */


#include "ngx_http_convo_auth_private.h"


static ngx_int_t ngx_http_convo_auth_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_convo_auth_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_convo_auth_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);

static ngx_int_t ngx_http_convo_auth_add_variables(ngx_conf_t *cf);
static void *ngx_http_convo_auth_create_main_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_convo_auth_init(ngx_conf_t *cf);
static ngx_int_t ngx_http_convo_auth_init_process(ngx_cycle_t *cycle);
static void ngx_http_convo_auth_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_convo_auth_commands[] = {

    { ngx_string("convo_auth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_convo_auth_loc_conf_t, enable),
      NULL },

    { ngx_string("convo_auth_issuer"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_auth_set_issuer,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_client"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_1MORE,
      ngx_http_convo_auth_set_client,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_provider"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_convo_auth_provider_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_accept"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_convo_auth_set_accept,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_token_use"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_auth_set_token_use,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_keys_file"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_auth_set_keys_file,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_keys_request"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_TAKE12,
      ngx_http_convo_auth_set_keys_request,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_algorithms"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_1MORE,
      ngx_http_convo_auth_set_algorithms,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_token"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_convo_auth_set_token,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_require"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_1MORE,
      ngx_http_convo_auth_set_require,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_max_lifetime"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_auth_set_lifetime,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_claim_set"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_http_convo_auth_claim_set,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_identity_provider"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_1MORE,
      ngx_http_convo_auth_set_provider,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_leeway"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF
        |NGX_HTTP_CONVO_AUTH_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_auth_set_leeway,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_redirect"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_convo_auth_set_redirect,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_auth_cache"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_convo_auth_set_cache,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_auth_module_ctx = {
    ngx_http_convo_auth_add_variables,     /* preconfiguration */
    ngx_http_convo_auth_init,              /* postconfiguration */

    ngx_http_convo_auth_create_main_conf,  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_auth_create_loc_conf,   /* create location configuration */
    ngx_http_convo_auth_merge_loc_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_convo_auth_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_auth_module_ctx,       /* module context */
    ngx_http_convo_auth_commands,          /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_convo_auth_init_process,      /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_convo_auth_exit_process,      /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* "$convo_claim_" matches by prefix */

static ngx_http_variable_t  ngx_http_convo_auth_variables[] = {

    { ngx_string("convo_user"), NULL,
      ngx_http_convo_auth_user_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("convo_auth_error"), NULL,
      ngx_http_convo_auth_error_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("convo_return_uri"), NULL,
      ngx_http_convo_auth_return_uri_variable, 0, 0, 0 },

    { ngx_string("convo_auth_cache"), NULL,
      ngx_http_convo_auth_cache_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("convo_claim_"), NULL,
      ngx_http_convo_auth_claim_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


static ngx_int_t
ngx_http_convo_auth_user_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const ngx_http_convo_auth_user_t  *user;

    user = ngx_http_convo_auth_user(r);

    ngx_http_convo_set_variable(v, user ? &user->sub : NULL);

    return NGX_OK;
}


/* why the request was refused, in one word */

static ngx_int_t
ngx_http_convo_auth_error_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                   word;
    ngx_http_convo_auth_ctx_t  *ctx;

    ctx = ngx_http_convo_auth_ctx(r);

    if (ctx == NULL || ctx->state != ngx_http_convo_auth_refused) {
        ngx_http_convo_set_variable(v, NULL);
        return NGX_OK;
    }

    word.data = (u_char *) convo_fault_reply(ctx->fault)->word;
    word.len = ngx_strlen(word.data);

    ngx_http_convo_set_variable(v, &word);

    return NGX_OK;
}


/* how the token's signature was known; also where its claims were no good */

static ngx_int_t
ngx_http_convo_auth_cache_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_convo_auth_ctx_t  *ctx;

    static const ngx_str_t  words[] = {
        ngx_null_string,                   /* nobody asked */
        ngx_string("off"),
        ngx_string("miss"),
        ngx_string("hit"),
        ngx_string("front")
    };

    ctx = ngx_http_convo_auth_ctx(r);

    ngx_http_convo_set_variable(v, ctx && ctx->seen ? &words[ctx->seen]
                                                    : NULL);
    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_auth_add_variables(ngx_conf_t *cf)
{
    return ngx_http_convo_add_variables(cf, ngx_http_convo_auth_variables);
}


static void *
ngx_http_convo_auth_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_auth_main_conf_t));
    if (amcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&amcf->keys, cf->pool, 2,
                       sizeof(ngx_http_convo_auth_keys_t *))
        != NGX_OK
)
    {
        return NULL;
    }

    return amcf;
}


static ngx_int_t
ngx_http_convo_auth_init(ngx_conf_t *cf)
{
    ngx_array_t                *access;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    access = &cmcf->phases[NGX_HTTP_ACCESS_PHASE].handlers;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_convo_auth_rewrite_handler;

    h = ngx_array_push_n(access, 2);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /* NGINX asks the last of the array first */

    ngx_memmove((ngx_http_handler_pt *) access->elts + 1, access->elts,
                (access->nelts - 2) * sizeof(ngx_http_handler_pt));

    h = access->elts;
    h[0] = ngx_http_convo_auth_redirect_handler;
    h[access->nelts - 1] = ngx_http_convo_auth_access_handler;

    return NGX_OK;
}


/* jansson's hash seed, taken here and not within the first request */

static ngx_int_t
ngx_http_convo_auth_init_process(ngx_cycle_t *cycle)
{
    json_object_seed(0);

    return NGX_OK;
}


/* before the metrics room clears what the process has counted */

static void
ngx_http_convo_auth_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_cycle_get_module_main_conf(cycle,
                                               ngx_http_convo_auth_module);

    if (amcf && amcf->front) {
        ngx_http_convo_auth_front_empty(amcf->front);
    }
}
