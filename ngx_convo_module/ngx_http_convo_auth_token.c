
/*
 * Where a request carries its token: the Authorization header, a cookie, or
 * a query argument, in this order and as far as the location allows.
 *
 * A browser sends a cookie with whatever page asked for it, so a cookie
 * counts only when the page is of this very origin: sibling hosts are
 * same-site, and SameSite does not keep them out.
 */


#include "ngx_http_convo_auth_private.h"


static ngx_int_t ngx_http_convo_auth_token_in_header(ngx_http_request_t *r,
    ngx_str_t *token);
static ngx_int_t ngx_http_convo_auth_token_in_cookie(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *token);
static ngx_int_t ngx_http_convo_auth_cookie(const ngx_str_t *line,
    const ngx_str_t *name, ngx_str_t *token);
static ngx_uint_t ngx_http_convo_auth_is_same_origin(ngx_http_request_t *r);
static ngx_uint_t ngx_http_convo_auth_is_origin(ngx_http_request_t *r,
    const ngx_str_t *origin);


ngx_int_t
ngx_http_convo_auth_find_token(ngx_http_request_t *r,
    const ngx_http_convo_auth_loc_conf_t *conf, ngx_str_t *token)
{
    if (conf->from_header
        && ngx_http_convo_auth_token_in_header(r, token) == NGX_OK)
    {
        return NGX_OK;
    }

    if (conf->from_cookie.len
        && ngx_http_convo_auth_token_in_cookie(r, &conf->from_cookie, token)
           == NGX_OK
        && ngx_http_convo_auth_is_same_origin(r))
    {
        return NGX_OK;
    }

    if (conf->from_query.len
        && ngx_http_arg(r, conf->from_query.data, conf->from_query.len, token)
           == NGX_OK
        && token->len)
    {
        return NGX_OK;
    }

    ngx_str_null(token);

    return NGX_DECLINED;
}


/* "Bearer TOKEN" (RFC 6750, section 2.1); other schemes are not ours */

static ngx_int_t
ngx_http_convo_auth_token_in_header(ngx_http_request_t *r, ngx_str_t *token)
{
    u_char     *p, *end;
    ngx_str_t  *value;

    static const char  bearer[] = "Bearer ";

    if (r->headers_in.authorization == NULL) {
        return NGX_DECLINED;
    }

    value = &r->headers_in.authorization->value;

    if (value->len < sizeof(bearer) - 1
        || ngx_strncasecmp(value->data, (u_char *) bearer, sizeof(bearer) - 1)
           != 0)
    {
        return NGX_DECLINED;
    }

    p = value->data + sizeof(bearer) - 1;
    end = value->data + value->len;

    while (p < end && *p == ' ') {
        p++;
    }

    if (p == end) {
        return NGX_DECLINED;
    }

    token->data = p;
    token->len = end - p;

    return NGX_OK;
}


/*
 * NGINX's own look-up takes "__host-id" for "__Host-id": browsers guard the
 * prefix as it is spelt, and a sibling host could set the other one.
 */

static ngx_int_t
ngx_http_convo_auth_token_in_cookie(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *token)
{
    ngx_table_elt_t  *h;

#if (nginx_version >= 1023000)

    for (h = r->headers_in.cookie; h; h = h->next) {
        if (ngx_http_convo_auth_cookie(&h->value, name, token) == NGX_OK) {
            return NGX_OK;
        }
    }

#else

    ngx_uint_t        i;
    ngx_table_elt_t **cookies;

    cookies = r->headers_in.cookies.elts;

    for (i = 0; i < r->headers_in.cookies.nelts; i++) {
        h = cookies[i];

        if (ngx_http_convo_auth_cookie(&h->value, name, token) == NGX_OK) {
            return NGX_OK;
        }
    }

#endif

    return NGX_DECLINED;
}


/* "a=b; NAME=TOKEN; c=d" (RFC 6265, section 4.2.1); the first of the name */

static ngx_int_t
ngx_http_convo_auth_cookie(const ngx_str_t *line, const ngx_str_t *name,
    ngx_str_t *token)
{
    u_char  *p, *end, *pair;

    p = line->data;
    end = line->data + line->len;

    while (p < end) {

        while (p < end && *p == ' ') {
            p++;
        }

        for (pair = p; p < end && *p != ';'; p++) { /* void */ }

        if ((size_t) (p - pair) > name->len + 1
            && ngx_memcmp(pair, name->data, name->len) == 0
            && pair[name->len] == '=')
        {
            token->data = pair + name->len + 1;
            token->len = p - token->data;
            return NGX_OK;
        }

        p++;
    }

    return NGX_DECLINED;
}


/*
 * What the browser itself says decides: Sec-Fetch-Site where it sends it,
 * else Origin.  Neither can be set by a page.
 */

static ngx_uint_t
ngx_http_convo_auth_is_same_origin(ngx_http_request_t *r)
{
    const ngx_str_t  *value;

    value = ngx_http_convo_auth_header(r, "sec-fetch-site");

    if (value) {
        return value->len == sizeof("same-origin") - 1
               && ngx_strncmp(value->data, "same-origin", value->len) == 0;
    }

    value = ngx_http_convo_auth_header(r, "origin");

    return value && ngx_http_convo_auth_is_origin(r, value);
}


/*
 * "https://" and the Host header.  Plain http counts only on a connection
 * that is plain itself, as on a developer's machine.
 */

static ngx_uint_t
ngx_http_convo_auth_is_origin(ngx_http_request_t *r, const ngx_str_t *origin)
{
    size_t      len;
    ngx_str_t  *host;

    if (r->headers_in.host == NULL || r->headers_in.host->value.len == 0) {
        return 0;
    }

    host = &r->headers_in.host->value;

    if (origin->len > sizeof("https://") - 1
        && ngx_strncmp(origin->data, "https://", sizeof("https://") - 1) == 0)
    {
        len = sizeof("https://") - 1;

#if (NGX_HTTP_SSL)
    } else if (r->connection->ssl) {
        return 0;
#endif

    } else if (origin->len > sizeof("http://") - 1
               && ngx_strncmp(origin->data, "http://", sizeof("http://") - 1)
                  == 0)
    {
        len = sizeof("http://") - 1;

    } else {
        return 0;
    }

    return origin->len - len == host->len
           && ngx_strncasecmp(origin->data + len, host->data, host->len) == 0;
}


const ngx_str_t *
ngx_http_convo_auth_header(ngx_http_request_t *r, const char *name)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncmp(h[i].lowcase_key, name, len) == 0)
            {
                return &h[i].value;
            }
        }
    }

    return NULL;
}
