
/*
 * The claims that a location requires: convo_auth_require.  What holds is
 * decided in libconvo (convo_require.h); here is what only NGINX can tell,
 * which is regular expressions and the values of variables.
 *
 * How it fails: closed.  An expression that gives up does not match, and a
 * value that no memory was left for refuses the request.
 */


#include "ngx_http_convo_auth_private.h"


static ngx_int_t ngx_http_convo_auth_add_require(ngx_conf_t *cf,
    ngx_str_t *value, convo_require_t *require);
static ngx_int_t ngx_http_convo_auth_compile_value(ngx_conf_t *cf,
    convo_require_t *require);
static ngx_int_t ngx_http_convo_auth_compile_regex(ngx_conf_t *cf,
    convo_require_t *require);
static bool ngx_http_convo_auth_require_value(void *request,
    const convo_require_t *require, convo_text_t *value);
static bool ngx_http_convo_auth_require_matches(void *request,
    const convo_require_t *require, const convo_text_t *text);


char *
ngx_http_convo_auth_set_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t        *value;
    ngx_uint_t        i;
    convo_require_t  *require;

    if (alcf->requires == NGX_CONF_UNSET_PTR) {
        alcf->requires = ngx_array_create(cf->pool, 2,
                                          sizeof(convo_require_t));
        if (alcf->requires == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        require = ngx_array_push(alcf->requires);
        if (require == NULL) {
            return NGX_CONF_ERROR;
        }

        if (ngx_http_convo_auth_add_require(cf, &value[i], require)
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_convo_auth_add_require(ngx_conf_t *cf, ngx_str_t *value,
    convo_require_t *require)
{
    convo_text_t  text;

    text.data = (char *) value->data;
    text.len = value->len;

    if (!convo_require_parse(require, &text)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"convo_auth_require\", "
                           "expected \"CLAIM=VALUE\", \"CLAIM!=VALUE\" or "
                           "\"CLAIM~REGEX\"", value);
        return NGX_ERROR;
    }

    if (require->if_there && convo_require_is_email(require)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"convo_auth_require\": "
                           "an address of which nothing is said is not "
                           "verified, expected \"email_verified=true\"",
                           value);
        return NGX_ERROR;
    }

    if (require->op == CONVO_REQUIRE_MATCH) {
        return ngx_http_convo_auth_compile_regex(cf, require);
    }

    return ngx_http_convo_auth_compile_value(cf, require);
}


/* in quotation marks the value of variables is a string, else any type */

static ngx_int_t
ngx_http_convo_auth_compile_value(ngx_conf_t *cf, convo_require_t *require)
{
    ngx_str_t                          value;
    ngx_http_complex_value_t          *complex;
    ngx_http_compile_complex_value_t   ccv;

    value.data = (u_char *) require->value.data;
    value.len = require->value.len;

    if (ngx_http_script_variables_count(&value) == 0) {
        return NGX_OK;
    }

    complex = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (complex == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value;
    ccv.complex_value = complex;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!require->is_quoted) {
        require->type = CONVO_REQUIRE_TEXT;
    }

    require->edge = complex;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_auth_compile_regex(ngx_conf_t *cf, convo_require_t *require)
{
#if (NGX_PCRE)
    u_char               errstr[NGX_MAX_CONF_ERRSTR];
    ngx_regex_compile_t  rc;

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern.data = (u_char *) require->value.data;
    rc.pattern.len = require->value.len;
    rc.options = require->caseless ? NGX_REGEX_CASELESS : 0;
    rc.pool = cf->pool;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"convo_auth_require\": %V",
                           &rc.err);
        return NGX_ERROR;
    }

    require->edge = rc.regex;

    return NGX_OK;

#else
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"convo_auth_require\" with \"~%*s\" needs the PCRE "
                       "library, which this NGINX was built without",
                       require->value.len, require->value.data);
    return NGX_ERROR;
#endif
}


void
ngx_http_convo_auth_require_edge(ngx_http_request_t *r,
    convo_require_edge_t *edge)
{
    edge->value = ngx_http_convo_auth_require_value;
    edge->matches = ngx_http_convo_auth_require_matches;
    edge->request = r;
}


static bool
ngx_http_convo_auth_require_value(void *request,
    const convo_require_t *require, convo_text_t *value)
{
    ngx_str_t                  text;
    ngx_http_complex_value_t  *complex;

    complex = (ngx_http_complex_value_t *) require->edge;

    if (ngx_http_complex_value(request, complex, &text) != NGX_OK) {
        return false;
    }

    value->data = (char *) text.data;
    value->len = text.len;

    return true;
}


static bool
ngx_http_convo_auth_require_matches(void *request,
    const convo_require_t *require, const convo_text_t *text)
{
#if (NGX_PCRE)
    ngx_int_t            rc;
    ngx_str_t            subject;
    ngx_http_request_t  *r = request;

    subject.data = (u_char *) text->data;
    subject.len = text->len;

    rc = ngx_regex_exec((ngx_regex_t *) require->edge, &subject, NULL, 0);

    if (rc < NGX_REGEX_NO_MATCHED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "convo auth: the expression of \"%*s\" gave up, %i",
                      require->path.len, require->path.data, rc);
    }

    return rc >= 0;
#else
    return false;
#endif
}
