
/*
 * The way to the sign-in page: convo_auth_redirect, for those who would read
 * a page and have no valid token.
 *
 * Only a browser that navigates is sent there.  A script gets its 401, which
 * it can act on, and so does a subrequest; 403 and 503 are for everyone.
 *
 * The origin that a redirect leads to is written in the configuration: no
 * variable has a part in it, so that no link can lead users elsewhere.
 *
 * How it fails: a redirect that would lead to the page which was asked for,
 * and thus in circles, is not made; the client gets the 401.
 */


#include "ngx_http_convo_auth_private.h"


static ngx_uint_t ngx_http_convo_auth_is_fixed(const ngx_str_t *uri);
static ngx_uint_t ngx_http_convo_auth_is_page(ngx_http_request_t *r);
static ngx_uint_t ngx_http_convo_auth_accepts(const ngx_str_t *accept,
    const char *type);
static ngx_uint_t ngx_http_convo_auth_is_circle(ngx_http_request_t *r,
    const ngx_str_t *uri);
static ngx_int_t ngx_http_convo_auth_clean(ngx_http_request_t *r,
    ngx_str_t *uri);


char *
ngx_http_convo_auth_set_redirect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_convo_auth_loc_conf_t  *alcf = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (alcf->redirect != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        alcf->redirect = NULL;
        return NGX_CONF_OK;
    }

    if (!ngx_http_convo_auth_is_fixed(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"%V\", expected \"off\", "
                           "a path as \"/sign-in?to=$convo_return_uri\", or a "
                           "URL whose host is written out and followed by "
                           "\"/\"", &value[1], &cmd->name);
        return NGX_CONF_ERROR;
    }

    alcf->redirect = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (alcf->redirect == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = alcf->redirect;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_convo_auth_redirect(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    ngx_str_t         uri;
    ngx_table_elt_t  *h;

    if (ctx->conf->redirect == NULL
        || convo_fault_reply(ctx->fault)->status != NGX_HTTP_UNAUTHORIZED
        || !ngx_http_convo_auth_is_page(r))
    {
        return NGX_DECLINED;
    }

    if (ngx_http_complex_value(r, ctx->conf->redirect, &uri) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_convo_auth_is_circle(r, &uri)) {
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "convo auth: \"convo_auth_redirect\" leads in circles, "
                      "its page needs \"convo_auth off\"");
        return NGX_DECLINED;
    }

    if (ngx_http_convo_auth_clean(r, &uri) != NGX_OK
        || ngx_http_convo_add_header(r, "Cache-Control",
                                     (u_char *) "no-store",
                                     sizeof("no-store") - 1)
           == NULL)
    {
        return NGX_ERROR;
    }

    ngx_http_clear_location(r);

    h = ngx_http_convo_add_header(r, "Location", uri.data, uri.len);
    if (h == NULL) {
        return NGX_ERROR;
    }

    r->headers_out.location = h;

    return NGX_HTTP_MOVED_TEMPORARILY;
}


/*
 * The last of the access phase.  Under "satisfy any" a refusal is final only
 * when every other access module has been asked as well.
 */

ngx_int_t
ngx_http_convo_auth_redirect_handler(ngx_http_request_t *r)
{
    ngx_http_convo_auth_ctx_t  *ctx;

    if (!ngx_http_convo_auth_is_on(r)
        || !ngx_http_convo_auth_satisfies_any(r))
    {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_auth_module);

    if (ctx == NULL || ctx->state != ngx_http_convo_auth_refused) {
        return NGX_DECLINED;
    }

    return ngx_http_convo_auth_redirect(r, ctx);
}


/*
 * What was asked for, to come back to, as one query argument.  Any slashes
 * that it begins with become one: "//host" would be another origin to the
 * page that sends the user back.
 */

ngx_int_t
ngx_http_convo_auth_return_uri_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char     *p, *end;
    size_t      len;
    ngx_str_t   text;

    p = r->unparsed_uri.data;
    end = p + r->unparsed_uri.len;

    while (p < end && (*p == '/' || *p == '\\')) {
        p++;
    }

    len = end - p + 2 * ngx_escape_uri(NULL, p, end - p,
                                       NGX_ESCAPE_URI_COMPONENT);

    text.data = ngx_pnalloc(r->pool, sizeof("%2F") - 1 + len);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    text.len = sizeof("%2F") - 1 + len;

    ngx_memcpy(text.data, "%2F", sizeof("%2F") - 1);
    ngx_escape_uri(text.data + sizeof("%2F") - 1, p, end - p,
                   NGX_ESCAPE_URI_COMPONENT);

    ngx_http_convo_set_variable(v, &text);

    return NGX_OK;
}


/* whether the text before the first variable says the whole origin */

static ngx_uint_t
ngx_http_convo_auth_is_fixed(const ngx_str_t *uri)
{
    u_char  *p, *end;
    size_t   len;

    p = uri->data;
    end = p + uri->len;

    if (p < end && *p == '/') {
        return p + 1 == end
               || (p[1] > ' ' && ngx_strchr("/\\$", p[1]) == NULL);
    }

    if (ngx_strncmp(p, "https://", sizeof("https://") - 1) == 0) {
        p += sizeof("https://") - 1;

    } else if (ngx_strncmp(p, "http://", sizeof("http://") - 1) == 0) {
        p += sizeof("http://") - 1;

    } else {
        return 0;
    }

    len = strspn((char *) p, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]");
    p += len;

    return len && (p == end || *p == '/');
}


/*
 * Whether a browser asks for a document to show.  New ones say so in
 * Sec-Fetch-Mode; those that do not are known by taking HTML, which neither
 * curl nor fetch() does of itself.
 */

static ngx_uint_t
ngx_http_convo_auth_is_page(ngx_http_request_t *r)
{
    const ngx_str_t  *mode, *accept;

    if (r != r->main || r->error_page
        || !(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)))
    {
        return 0;
    }

    mode = ngx_http_convo_auth_header(r, "sec-fetch-mode");

    if (mode
        && (mode->len != sizeof("navigate") - 1
            || ngx_strncmp(mode->data, "navigate", mode->len) != 0))
    {
        return 0;
    }

    if (ngx_http_convo_auth_header(r, "x-requested-with")) {
        return 0;
    }

    accept = ngx_http_convo_auth_header(r, "accept");

    return accept && ngx_http_convo_auth_accepts(accept, "text/html")
           && !ngx_http_convo_auth_accepts(accept, "application/json");
}


static ngx_uint_t
ngx_http_convo_auth_accepts(const ngx_str_t *accept, const char *type)
{
    return ngx_strlcasestrn(accept->data, accept->data + accept->len,
                            (u_char *) type, ngx_strlen(type) - 1)
           != NULL;
}


/* the path of this very location, which refuses whoever comes back */

static ngx_uint_t
ngx_http_convo_auth_is_circle(ngx_http_request_t *r, const ngx_str_t *uri)
{
    size_t  len;

    for (len = 0; len < uri->len; len++) {
        if (uri->data[len] == '?' || uri->data[len] == '#') {
            break;
        }
    }

    return len == r->uri.len && ngx_strncmp(uri->data, r->uri.data, len) == 0;
}


/* escapes what no URI has; a variable may bring any byte, also CR and LF */

static ngx_int_t
ngx_http_convo_auth_clean(ngx_http_request_t *r, ngx_str_t *uri)
{
    u_char      *p, *clean;
    ngx_uint_t   i;

    clean = ngx_pnalloc(r->pool, 3 * uri->len + 1);
    if (clean == NULL) {
        return NGX_ERROR;
    }

    p = clean;

    for (i = 0; i < uri->len; i++) {

        if (uri->data[i] <= ' ' || uri->data[i] >= 0x7f
            || ngx_strchr("\"<>\\^`{|}", uri->data[i]) != NULL)
        {
            p = ngx_sprintf(p, "%%%02Xui", (ngx_uint_t) uri->data[i]);

        } else {
            *p++ = uri->data[i];
        }
    }

    uri->data = clean;
    uri->len = p - clean;

    return NGX_OK;
}
