
/*
 * Claims as variables: $convo_claim_NAME, and those that convo_claim_set
 * makes for claims inside other claims.
 *
 * A variable does no I/O and decides nothing: where sign-in is off or has
 * not passed all of them are empty.  None ever carries a control character,
 * which could end a header line upstream.
 */


#include "ngx_http_convo_auth_private.h"


static ngx_int_t ngx_http_convo_auth_set_claim(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, const convo_value_t *claim);
static ngx_int_t ngx_http_convo_auth_path_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_convo_auth_claim_text(ngx_http_request_t *r,
    const convo_value_t *claim, ngx_str_t *text);


/*
 * The variable is this one alone: NGINX refuses "set" or "map" of the same
 * name after it, and here those before it are.
 */

char *
ngx_http_convo_auth_claim_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t            *value, name;
    convo_text_t         *path;
    ngx_http_variable_t  *var;

    value = cf->args->elts;

    if (value[1].len < 2 || value[1].data[0] != '$') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected the "
                           "name of a variable, as \"$country\"",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    if (value[2].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty value \"\" in \"%V\", expected the path of "
                           "a claim, as \"address.country\"", &cmd->name);
        return NGX_CONF_ERROR;
    }

    name.data = value[1].data + 1;
    name.len = value[1].len - 1;

    var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (var == NULL) {
        return NGX_CONF_ERROR;
    }

    if (var->get_handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the variable \"%V\" in \"%V\" has a value "
                           "already, expected another name",
                           &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    path = ngx_palloc(cf->pool, sizeof(convo_text_t));
    if (path == NULL) {
        return NGX_CONF_ERROR;
    }

    path->data = (char *) value[2].data;
    path->len = value[2].len;

    var->get_handler = ngx_http_convo_auth_path_variable;
    var->data = (uintptr_t) path;

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_convo_auth_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                  *name = (ngx_str_t *) data;

    size_t                      prefix;
    const convo_value_t        *claim;
    ngx_http_convo_auth_ctx_t  *ctx;

    claim = NULL;

    if (ngx_http_convo_auth_user(r)) {

        ctx = ngx_http_convo_auth_ctx(r);
        prefix = sizeof("convo_claim_") - 1;

        claim = convo_claims_by_folded_name(ctx->claims,
                                            (char *) name->data + prefix,
                                            name->len - prefix);
    }

    return ngx_http_convo_auth_set_claim(r, v, claim);
}


static ngx_int_t
ngx_http_convo_auth_path_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const convo_text_t         *path = (const convo_text_t *) data;

    const convo_value_t        *claim;
    ngx_http_convo_auth_ctx_t  *ctx;

    claim = NULL;

    if (ngx_http_convo_auth_user(r)) {
        ctx = ngx_http_convo_auth_ctx(r);
        claim = convo_claims_find(ctx->claims, path);
    }

    return ngx_http_convo_auth_set_claim(r, v, claim);
}


static ngx_int_t
ngx_http_convo_auth_set_claim(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, const convo_value_t *claim)
{
    ngx_str_t  text;

    ngx_str_null(&text);

    if (ngx_http_convo_auth_claim_text(r, claim, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_http_convo_set_variable(v, text.data ? &text : NULL);

    return NGX_OK;
}


/*
 * A string as it is, anything else as JSON.  Left alone, which is the empty
 * variable, for no claim, for null and for text with a control character.
 */

static ngx_int_t
ngx_http_convo_auth_claim_text(ngx_http_request_t *r,
    const convo_value_t *claim, ngx_str_t *text)
{
    ngx_str_t      value;
    convo_text_t   string;

    switch (convo_value_type(claim)) {

    case CONVO_VALUE_NONE:
    case CONVO_VALUE_NULL:
        return NGX_OK;

    case CONVO_VALUE_ARRAY:
    case CONVO_VALUE_OBJECT:
        value.len = convo_value_json(claim, NULL);
        value.data = ngx_pnalloc(r->pool, value.len);

        if (value.data == NULL) {
            return NGX_ERROR;
        }

        (void) convo_value_json(claim, (char *) value.data);
        break;

    default:
        string = convo_value_text(claim);
        value.data = (u_char *) string.data;
        value.len = string.len;
    }

    if (!convo_claims_has_control((char *) value.data, value.len)) {
        *text = value;
    }

    return NGX_OK;
}
