
/*
 * Claims as variables: $convo_claim_NAME.
 *
 * A variable does no I/O and decides nothing: where sign-in is off or has
 * not passed all of them are empty.  None ever carries a control character,
 * which could end a header line upstream.
 */


#include "ngx_http_convo_auth_private.h"


static ngx_int_t ngx_http_convo_auth_set_claim(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, const convo_value_t *claim);
static ngx_int_t ngx_http_convo_auth_claim_text(ngx_http_request_t *r,
    const convo_value_t *claim, ngx_str_t *text);


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
