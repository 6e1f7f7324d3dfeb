
/*
 * The sign-in cookie; contracts are in ngx_http_convo_cookie.h.
 */


#include "ngx_http_convo_cookie.h"


/* name and value together (RFC 6265, section 6.1); longer ones are dropped */

#define NGX_HTTP_CONVO_COOKIE_MAX  4096


ngx_uint_t
ngx_http_convo_cookie_fits(const ngx_str_t *token)
{
    return sizeof(NGX_HTTP_CONVO_COOKIE) - 1 + token->len
           <= NGX_HTTP_CONVO_COOKIE_MAX;
}


ngx_int_t
ngx_http_convo_cookie_set(ngx_http_request_t *r, const ngx_str_t *token,
    time_t expires)
{
    time_t            age;
    ngx_str_t         value;
    ngx_table_elt_t  *header;

    static ngx_str_t   none = ngx_null_string;
    static const char  guards[] = "; Path=/; Secure; HttpOnly; "
                                  "SameSite=Strict; Max-Age=";

    if (token == NULL) {
        token = &none;
        expires = 0;
    }

    age = ngx_max(expires - ngx_time(), 0);

    value.data = ngx_pnalloc(r->pool, sizeof(NGX_HTTP_CONVO_COOKIE "=")
                             + token->len + sizeof(guards) + NGX_TIME_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    header = ngx_list_push(&r->headers_out.headers);
    if (header == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, NGX_HTTP_CONVO_COOKIE "=%V%s%T",
                            token, guards, age)
                - value.data;

    header->hash = 1;
    ngx_str_set(&header->key, "Set-Cookie");
    header->value = value;
#if (nginx_version >= 1023000)
    header->next = NULL;
#endif

    return NGX_OK;
}
