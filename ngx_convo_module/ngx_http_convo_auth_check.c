
/*
 * A location with sign-in on, looked at as a whole before NGINX serves.
 *
 * Nothing is guessed: it must know its issuer, its clients and its keys, no
 * claim may be required that its tokens never carry, and nothing may answer
 * before the decision.  A message names the directive and the location, and
 * says what was expected.
 */


#include "ngx_http_convo_auth_private.h"


static char *ngx_http_convo_auth_check_whole(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *conf);
static char *ngx_http_convo_auth_check_use(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf);
static char *ngx_http_convo_auth_check_email(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf);
static ngx_uint_t ngx_http_convo_auth_returns(ngx_conf_t *cf);


char *
ngx_http_convo_auth_check(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    if (ngx_http_convo_auth_check_whole(cf, conf) != NGX_CONF_OK
        || ngx_http_convo_auth_check_use(cf, conf) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    return ngx_http_convo_auth_check_place(cf);
}


const char *
ngx_http_convo_auth_missing(const ngx_http_convo_auth_loc_conf_t *conf)
{
    if (conf->issuer.len == 0) {
        return "\"convo_auth_issuer\"";
    }

    if (conf->clients == NULL || conf->clients == NGX_CONF_UNSET_PTR) {
        return "\"convo_auth_client\"";
    }

    if (conf->keys == NULL) {
        return "\"convo_auth_keys_file\" or \"convo_auth_keys_request\"";
    }

    return NULL;
}


static char *
ngx_http_convo_auth_check_whole(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *conf)
{
    const char                *missing;
    ngx_http_core_loc_conf_t  *clcf;

    missing = ngx_http_convo_auth_missing(conf);

    if (missing == NULL) {
        return NGX_CONF_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"convo_auth on\" in location \"%V\" needs %s",
                  &clcf->name, missing);

    return NGX_CONF_ERROR;
}


/*
 * An access token never says whether the e-mail address is verified: what an
 * ID token said at a convo_sign_in stands in for "email_verified=true".
 */

static char *
ngx_http_convo_auth_check_use(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    ngx_uint_t                        i;
    const convo_require_t            *require;
    ngx_http_core_loc_conf_t         *clcf;
    ngx_http_convo_auth_main_conf_t  *amcf;

    if (!(conf->uses & CONVO_CLAIMS_USE_ACCESS)) {
        return NGX_CONF_OK;
    }

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_auth_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    for (i = 0; i < conf->rules.nrequires; i++) {

        require = &conf->rules.requires[i];

        if (!convo_require_is_email(require)) {
            continue;
        }

        if (!amcf->signs_in || !convo_require_is_email_verified(require)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"convo_auth_require email_verified\" in location "
                          "\"%V\" cannot hold for access tokens, expected "
                          "\"convo_auth_token_use id\", or "
                          "\"email_verified=true\" and a \"convo_sign_in\"",
                          &clcf->name);
            return NGX_CONF_ERROR;
        }

        conf->asks_email = 1;
    }

    return conf->asks_email ? ngx_http_convo_auth_check_email(cf, conf)
                            : NGX_CONF_OK;
}


/* The rules for access tokens: all but those that Redis is asked about. */

static char *
ngx_http_convo_auth_check_email(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf)
{
    ngx_uint_t                        i, n;
    convo_require_t                  *requires;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_auth_module);

    requires = ngx_palloc(cf->pool,
                          conf->rules.nrequires * sizeof(convo_require_t));
    if (requires == NULL) {
        return NGX_CONF_ERROR;
    }

    amcf->asks_email = 1;

    for (i = 0, n = 0; i < conf->rules.nrequires; i++) {
        if (!convo_require_is_email(&conf->rules.requires[i])) {
            requires[n++] = conf->rules.requires[i];
        }
    }

    conf->access = conf->rules;
    conf->access.requires = requires;
    conf->access.nrequires = n;

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_convo_auth_is_server(ngx_conf_t *cf)
{
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_core_srv_conf_t  *cscf;

    ctx = cf->ctx;
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    return ctx->loc_conf == cscf->ctx->loc_conf;
}


/*
 * A server's own "return" or redirecting "rewrite" answers before any
 * location is looked at, and under "satisfy any" the decision comes after
 * them: what cannot be protected is refused.
 */

char *
ngx_http_convo_auth_check_place(ngx_conf_t *cf)
{
    ngx_uint_t                 is_server;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_core_srv_conf_t  *cscf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    cscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_core_module);

    is_server = ngx_http_convo_auth_is_server(cf);

    if (!is_server && clcf->satisfy != NGX_HTTP_SATISFY_ANY) {
        return NGX_CONF_OK;
    }

    if (!ngx_http_convo_auth_returns(cf)) {
        return NGX_CONF_OK;
    }

    if (is_server) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"return\" or a redirecting \"rewrite\" in server "
                      "\"%V\" answers before \"convo_auth on\" is asked, "
                      "expected it inside a location, or \"convo_auth off\" "
                      "in the server", &cscf->server_name);

    } else {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"return\" or a redirecting \"rewrite\" in location "
                      "\"%V\" answers before \"convo_auth on\" is asked, "
                      "expected \"satisfy all\"", &clcf->name);
    }

    return NGX_CONF_ERROR;
}


/*
 * The rewrite module compiles its directives to a row of structs that each
 * begin with a function.  Its configuration begins with that array, and all
 * structs are made of whole words: a word that is the address of
 * ngx_http_script_return_code() is a "return".
 */

static ngx_uint_t
ngx_http_convo_auth_returns(ngx_conf_t *cf)
{
    void                             *conf;
    uintptr_t                        *word, *end;
    ngx_uint_t                        i;
    ngx_array_t                      *codes;
    ngx_module_t                     *rewrite;
    ngx_http_conf_ctx_t              *ctx;

    rewrite = NULL;

    for (i = 0; cf->cycle->modules[i]; i++) {
        if (ngx_strcmp(cf->cycle->modules[i]->name, "ngx_http_rewrite_module")
            == 0)
        {
            rewrite = cf->cycle->modules[i];
        }
    }

    if (rewrite == NULL) {
        return 0;
    }

    ctx = cf->ctx;
    conf = ctx->loc_conf[rewrite->ctx_index];
    codes = conf ? *(ngx_array_t **) conf : NULL;

    if (codes == NULL) {
        return 0;
    }

    word = codes->elts;
    end = word + codes->nelts * codes->size / sizeof(uintptr_t);

    for ( /* void */ ; word < end; word++) {

        if (*word == (uintptr_t) ngx_http_script_return_code) {
            return 1;
        }

#if (NGX_PCRE)
        if (*word == (uintptr_t) ngx_http_script_regex_end_code
            && ((ngx_http_script_regex_end_code_t *) word)->redirect)
        {
            return 1;
        }
#endif
    }

    return 0;
}
