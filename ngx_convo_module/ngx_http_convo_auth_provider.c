
/*
 * Several issuers: each is a convo_auth_provider block of the http level,
 * with clients and keys of its own, and a location says which of them it
 * accepts: a list, of which a token's "iss" names one, or a variable, which
 * names one whatever the token says.
 *
 * A block is read into a location configuration that belongs to no location.
 * Each location that accepts it has a copy, which inherits from the location
 * what the block does not say.  The request is then decided as if the copy
 * were its location's configuration: keys, clients, algorithms and rules are
 * those of one provider and never mixed.
 *
 * The "iss" by which a copy is found is not verified yet, and nothing else is
 * done with it: the signature must hold under that provider's keys, and
 * afterwards the claims, "iss" among them, under its rules.
 */


#include "ngx_http_convo_auth_private.h"


typedef struct {
    ngx_str_t                        name;
    ngx_http_convo_auth_loc_conf_t  *conf;
} ngx_http_convo_auth_provider_t;


static ngx_uint_t ngx_http_convo_auth_has_own(
    const ngx_http_convo_auth_loc_conf_t *conf);
static char *ngx_http_convo_auth_read_block(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *provider);
static char *ngx_http_convo_auth_check_block(ngx_conf_t *cf,
    const ngx_http_convo_auth_provider_t *provider);
static const ngx_http_convo_auth_provider_t *ngx_http_convo_auth_find_provider(
    ngx_conf_t *cf, const ngx_str_t *name);
static char *ngx_http_convo_auth_accept_one(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf,
    const ngx_http_convo_auth_provider_t *provider);
static char *ngx_http_convo_auth_check_issuers(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *conf);
static convo_fault_e ngx_http_convo_auth_choose_by_name(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);
static convo_fault_e ngx_http_convo_auth_choose_by_issuer(
    ngx_http_convo_auth_ctx_t *ctx);


static ngx_inline ngx_uint_t
ngx_http_convo_auth_is_text(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


char *
ngx_http_convo_auth_provider_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_main_conf_t  *amcf = conf;

    ngx_str_t                       *value;
    ngx_http_convo_auth_provider_t  *provider;

    value = cf->args->elts;

    if (value[1].len == 0 || ngx_strchr(value[1].data, '$')) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected a name "
                           "without variables", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_convo_auth_find_provider(cf, &value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate value \"%V\" in \"%V\", expected another "
                           "name", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (amcf->providers == NULL) {
        amcf->providers = ngx_array_create(cf->pool, 2,
                                      sizeof(ngx_http_convo_auth_provider_t));
        if (amcf->providers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    provider = ngx_array_push(amcf->providers);
    if (provider == NULL) {
        return NGX_CONF_ERROR;
    }

    provider->name = value[1];
    provider->conf = ngx_http_convo_auth_create_loc_conf(cf);

    if (provider->conf == NULL
        || ngx_http_convo_auth_read_block(cf, provider->conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_convo_auth_check_block(cf, provider);
}


char *
ngx_http_convo_auth_set_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t                         *value, *name;
    ngx_uint_t                         i;
    ngx_http_compile_complex_value_t   ccv;

    if (alcf->accepts != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    alcf->accepts = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (alcf->accepts == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len == 0
            || (cf->args->nelts > 2 && ngx_strchr(value[i].data, '$')))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"%V\", expected names "
                               "of providers, or one variable", &value[i],
                               &cmd->name);
            return NGX_CONF_ERROR;
        }

        name = ngx_array_push(alcf->accepts);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    if (ngx_strchr(value[1].data, '$') == NULL) {
        return NGX_CONF_OK;
    }

    alcf->accept_by = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (alcf->accept_by == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = alcf->accept_by;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static ngx_uint_t
ngx_http_convo_auth_has_own(const ngx_http_convo_auth_loc_conf_t *conf)
{
    return conf->issuer.data != NULL
           || conf->clients != NGX_CONF_UNSET_PTR
           || conf->keys != NULL;
}


/*
 * A location's own issuer takes the place of what it would inherit.  Clients
 * or keys without one would be nobody's.
 */

char *
ngx_http_convo_auth_inherit_accept(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *prev,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    ngx_uint_t                 is_own;
    ngx_http_core_loc_conf_t  *clcf;

    is_own = ngx_http_convo_auth_has_own(conf);

    if (conf->accepts == NGX_CONF_UNSET_PTR) {

        if (conf->issuer.data || prev->accepts == NGX_CONF_UNSET_PTR) {
            conf->accepts = NULL;

        } else {
            conf->accepts = prev->accepts;
            conf->accept_by = prev->accept_by;

            /* the http level itself is never merged */

            is_own |= ngx_http_convo_auth_is_server(cf)
                      && ngx_http_convo_auth_has_own(prev);
        }
    }

    if (conf->accepts == NULL || !is_own) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"convo_auth_accept\" in location \"%V\" does not go with "
                  "an issuer, clients or keys beside it, expected these in "
                  "\"convo_auth_provider\"", &clcf->name);

    return NGX_CONF_ERROR;
}


char *
ngx_http_convo_auth_accept(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    ngx_str_t                             *name;
    ngx_uint_t                             i, n;
    ngx_http_convo_auth_provider_t        *all;
    ngx_http_convo_auth_main_conf_t       *amcf;
    const ngx_http_convo_auth_provider_t  *provider;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_auth_module);

    all = amcf->providers ? amcf->providers->elts : NULL;
    name = conf->accepts->elts;
    n = conf->accepts->nelts;

    if (conf->accept_by) {
        n = amcf->providers ? amcf->providers->nelts : 0;
    }

    conf->accepted = ngx_array_create(cf->pool, n ? n : 1,
                                      sizeof(ngx_http_convo_auth_loc_conf_t *));
    if (conf->accepted == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {

        provider = conf->accept_by
                       ? &all[i]
                       : ngx_http_convo_auth_find_provider(cf, &name[i]);

        if (provider == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "no \"convo_auth_provider\" is called \"%V\", as "
                          "\"convo_auth_accept\" says", &name[i]);
            return NGX_CONF_ERROR;
        }

        if (ngx_http_convo_auth_accept_one(cf, conf, provider) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return conf->accept_by ? NGX_CONF_OK
                           : ngx_http_convo_auth_check_issuers(cf, conf);
}


convo_fault_e
ngx_http_convo_auth_choose(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    if (ctx->location->accepted == NULL || ctx->conf != ctx->location) {
        return CONVO_FAULT_NONE;
    }

    return ctx->location->accept_by
               ? ngx_http_convo_auth_choose_by_name(r, ctx)
               : ngx_http_convo_auth_choose_by_issuer(ctx);
}


/* the directives of the block set the provider's values, no location's */

static char *
ngx_http_convo_auth_read_block(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *provider)
{
    char                 *rv;
    ngx_uint_t            i;
    ngx_conf_t            save;
    ngx_http_conf_ctx_t  *ctx, *http_ctx;

    http_ctx = cf->ctx;

    ctx = ngx_palloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    if (ctx == NULL) {
        return NGX_CONF_ERROR;
    }

    *ctx = *http_ctx;

    ctx->loc_conf = ngx_palloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < ngx_http_max_module; i++) {
        ctx->loc_conf[i] = http_ctx->loc_conf[i];
    }

    ctx->loc_conf[ngx_http_convo_auth_module.ctx_index] = provider;

    save = *cf;

    cf->ctx = ctx;
    cf->cmd_type = NGX_HTTP_CONVO_AUTH_CONF;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    return rv;
}


static char *
ngx_http_convo_auth_check_block(ngx_conf_t *cf,
    const ngx_http_convo_auth_provider_t *provider)
{
    const char  *missing;

    missing = ngx_http_convo_auth_missing(provider->conf);

    if (missing == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"convo_auth_provider\" \"%V\" needs %s",
                       &provider->name, missing);

    return NGX_CONF_ERROR;
}


static const ngx_http_convo_auth_provider_t *
ngx_http_convo_auth_find_provider(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_uint_t                        i;
    ngx_http_convo_auth_provider_t   *provider;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_auth_module);

    if (amcf->providers == NULL) {
        return NULL;
    }

    provider = amcf->providers->elts;

    for (i = 0; i < amcf->providers->nelts; i++) {
        if (ngx_http_convo_auth_is_text(&provider[i].name, name)) {
            return &provider[i];
        }
    }

    return NULL;
}


/* what is in force here for tokens of this provider */

static char *
ngx_http_convo_auth_accept_one(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf,
    const ngx_http_convo_auth_provider_t *provider)
{
    ngx_http_convo_auth_loc_conf_t  *copy, **slot;

    copy = ngx_palloc(cf->pool, sizeof(ngx_http_convo_auth_loc_conf_t));
    slot = ngx_array_push(conf->accepted);

    if (copy == NULL || slot == NULL) {
        return NGX_CONF_ERROR;
    }

    *copy = *provider->conf;
    *slot = copy;

    copy->provider = provider->name;
    copy->enable = conf->enable;
    copy->accepts = NULL;

    return ngx_http_convo_auth_make_whole(cf, conf, copy);
}


/* by "iss" a token finds one provider, never the one it likes better */

static char *
ngx_http_convo_auth_check_issuers(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *conf)
{
    ngx_uint_t                        i, j;
    ngx_http_core_loc_conf_t         *clcf;
    ngx_http_convo_auth_loc_conf_t  **one;

    one = conf->accepted->elts;

    for (i = 1; i < conf->accepted->nelts; i++) {
        for (j = 0; j < i; j++) {

            if (!ngx_http_convo_auth_is_text(&one[i]->issuer,
                                             &one[j]->issuer))
            {
                continue;
            }

            clcf = ngx_http_conf_get_module_loc_conf(cf,
                                                     ngx_http_core_module);

            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"convo_auth_accept\" in location \"%V\" names "
                          "\"%V\" and \"%V\", which have the same issuer",
                          &clcf->name, &one[j]->provider, &one[i]->provider);

            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static convo_fault_e
ngx_http_convo_auth_choose_by_name(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    ngx_str_t                         name;
    ngx_uint_t                        i;
    ngx_http_convo_auth_loc_conf_t  **one;

    if (ngx_http_complex_value(r, ctx->location->accept_by, &name) != NGX_OK) {
        return CONVO_FAULT_INTERNAL;
    }

    one = ctx->location->accepted->elts;

    for (i = 0; i < ctx->location->accepted->nelts; i++) {
        if (ngx_http_convo_auth_is_text(&one[i]->provider, &name)) {
            ctx->conf = one[i];
            return CONVO_FAULT_NONE;
        }
    }

    if (name.len) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "convo auth: no provider is called \"%V\"", &name);
    }

    return CONVO_FAULT_ISSUER;
}


static convo_fault_e
ngx_http_convo_auth_choose_by_issuer(ngx_http_convo_auth_ctx_t *ctx)
{
    ngx_uint_t                        i;
    convo_fault_e                     fault;
    convo_claims_t                   *claims;
    const convo_value_t              *issuer;
    ngx_http_convo_auth_loc_conf_t  **one;

    fault = convo_claims_read(&ctx->jws.payload, &claims);
    if (fault != CONVO_FAULT_NONE) {
        return fault;
    }

    fault = CONVO_FAULT_ISSUER;
    issuer = convo_claims_get(claims, "iss", 3);
    one = ctx->location->accepted->elts;

    for (i = 0; i < ctx->location->accepted->nelts; i++) {
        if (convo_value_is(issuer, (char *) one[i]->issuer.data,
                           one[i]->issuer.len))
        {
            ctx->conf = one[i];
            fault = CONVO_FAULT_NONE;
        }
    }

    convo_claims_free(claims);

    return fault;
}
