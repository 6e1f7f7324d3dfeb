
/*
 * How every room of the edge answers: JSON texts, and errors as RFC 9457
 * problem+json.  Contracts are in ngx_http_convo.h.
 *
 * Works from any phase and for subrequests.  A body that the client is still
 * sending is thrown away.  How it fails: out of memory is NGX_ERROR, which
 * closes the connection; half an answer is never sent.
 */


#include "ngx_http_convo.h"


/* the longest WWW-Authenticate value beyond the problem's own sentence */

#define NGX_HTTP_CONVO_CHALLENGE_MAX  64


typedef struct {
    ngx_uint_t   method;
    const char  *name;
} ngx_http_convo_method_t;


static ngx_int_t ngx_http_convo_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body);
static ngx_int_t ngx_http_convo_send_body(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_uint_t ngx_http_convo_has_error_page(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_int_t ngx_http_convo_add_retry_after(ngx_http_request_t *r,
    time_t seconds);
static ngx_int_t ngx_http_convo_problem_text(ngx_http_request_t *r,
    const ngx_http_convo_problem_t *problem, ngx_str_t *text);


static const ngx_http_convo_method_t  ngx_http_convo_methods[] = {
    { NGX_HTTP_GET, "GET" },
    { NGX_HTTP_HEAD, "HEAD" },
    { NGX_HTTP_POST, "POST" },
    { NGX_HTTP_PUT, "PUT" },
    { NGX_HTTP_DELETE, "DELETE" },
    { NGX_HTTP_PATCH, "PATCH" },
    { NGX_HTTP_OPTIONS, "OPTIONS" }
};


ngx_int_t
ngx_http_convo_send_problem(ngx_http_request_t *r,
    const ngx_http_convo_problem_t *problem)
{
    ngx_str_t  text;

    if (problem->status == NGX_HTTP_UNAUTHORIZED
        && ngx_http_convo_challenge(r, problem) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (problem->retry_after >= 0
        && ngx_http_convo_add_retry_after(r, problem->retry_after) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_convo_has_error_page(r, problem->status)) {
        return problem->status;
    }

    if (ngx_http_convo_problem_text(r, problem, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_convo_send(r, problem->status,
                               "application/problem+json", &text);
}


/*
 * RFC 6750, section 3: no error attribute when no token was sent at all, and
 * the one of section 3.1 for a good token that is not enough.
 */

ngx_int_t
ngx_http_convo_challenge(ngx_http_request_t *r,
    const ngx_http_convo_problem_t *problem)
{
    u_char           *p, *value;
    size_t            len;
    ngx_table_elt_t  *h;

    len = NGX_HTTP_CONVO_CHALLENGE_MAX
          + (problem->detail ? ngx_strlen(problem->detail) : 0);

    value = ngx_pnalloc(r->pool, len);
    if (value == NULL) {
        return NGX_ERROR;
    }

    p = ngx_slprintf(value, value + len, "Bearer");

    if (ngx_strcmp(problem->code, "missing_token") != 0) {
        p = ngx_slprintf(p, value + len, " error=\"%s\"",
                         problem->status == NGX_HTTP_FORBIDDEN
                         ? "insufficient_scope" : "invalid_token");

        if (problem->detail) {
            p = ngx_slprintf(p, value + len, ", error_description=\"%s\"",
                             problem->detail);
        }
    }

    if (r->headers_out.www_authenticate) {
        r->headers_out.www_authenticate->hash = 0;
    }

    h = ngx_http_convo_add_header(r, "WWW-Authenticate", value, p - value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    r->headers_out.www_authenticate = h;

    return NGX_OK;
}


ngx_int_t
ngx_http_convo_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *code, const char *detail)
{
    ngx_http_convo_problem_t  problem;

    problem.status = status;
    problem.code = code;
    problem.detail = detail;
    problem.retry_after = -1;
    problem.extra = NULL;

    return ngx_http_convo_send_problem(r, &problem);
}


ngx_int_t
ngx_http_convo_send_json(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *json)
{
    return ngx_http_convo_send(r, status, "application/json", json);
}


ngx_int_t
ngx_http_convo_send_no_content(ngx_http_request_t *r)
{
    static const char  no_store[] = "no-store";

    if (ngx_http_convo_add_header(r, "Cache-Control", (u_char *) no_store,
                                  sizeof(no_store) - 1)
        == NULL)
    {
        return NGX_ERROR;
    }

    r->headers_out.status = NGX_HTTP_NO_CONTENT;
    r->header_only = 1;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_http_convo_check_method(ngx_http_request_t *r, ngx_uint_t methods)
{
    u_char      *p, *allow;
    size_t       len;
    ngx_uint_t   i, n;

    if (r->method & methods) {
        return NGX_OK;
    }

    n = sizeof(ngx_http_convo_methods) / sizeof(ngx_http_convo_methods[0]);
    len = n * sizeof("OPTIONS, ");

    allow = ngx_pnalloc(r->pool, len);
    if (allow == NULL) {
        return NGX_ERROR;
    }

    p = allow;

    for (i = 0; i < n; i++) {
        if (methods & ngx_http_convo_methods[i].method) {
            p = ngx_slprintf(p, allow + len, "%s%s", p == allow ? "" : ", ",
                             ngx_http_convo_methods[i].name);
        }
    }

    if (ngx_http_convo_add_header(r, "Allow", allow, p - allow) == NULL) {
        return NGX_ERROR;
    }

    /* NGX_OK, which sending returns too, must mean that the method is good */

    r->main->count++;

    ngx_http_finalize_request(r,
        ngx_http_convo_problem(r, NGX_HTTP_NOT_ALLOWED, "method_not_allowed",
                               "The Allow header names the methods that this "
                               "address takes."));

    return NGX_DONE;
}


static ngx_int_t
ngx_http_convo_send(ngx_http_request_t *r, ngx_uint_t status,
    const char *type, ngx_str_t *body)
{
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    static const char  no_store[] = "no-store";

    /* as NGINX does for its own answers: nobody waits for "100 Continue" */

    r->expect_tested = 1;

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    h = ngx_http_convo_add_header(r, "Cache-Control", (u_char *) no_store,
                                  sizeof(no_store) - 1);
    if (h == NULL) {
        return NGX_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);
    ngx_http_clear_etag(r);

    r->headers_out.content_length_n = body->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_convo_send_body(r, body);
}


static ngx_int_t
ngx_http_convo_send_body(ngx_http_request_t *r, ngx_str_t *body)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = body->data + body->len;
    b->memory = body->len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;
    b->sync = (body->len == 0 && r != r->main) ? 1 : 0;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* the same condition as in NGINX's own ngx_http_special_response_handler() */

static ngx_uint_t
ngx_http_convo_has_error_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->error_page || clcf->error_pages == NULL || r->uri_changes == 0) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


ngx_table_elt_t *
ngx_http_convo_add_header(ngx_http_request_t *r, const char *name,
    u_char *value, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = value;
    h->value.len = len;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


static ngx_int_t
ngx_http_convo_add_retry_after(ngx_http_request_t *r, time_t seconds)
{
    u_char  *p, *value;

    value = ngx_pnalloc(r->pool, NGX_TIME_T_LEN);
    if (value == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(value, "%T", seconds);

    if (ngx_http_convo_add_header(r, "Retry-After", value, p - value)
        == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* {"type":"about:blank","status":429,"code":"no_points","detail":"..."} */

static ngx_int_t
ngx_http_convo_problem_text(ngx_http_request_t *r,
    const ngx_http_convo_problem_t *problem, ngx_str_t *text)
{
    char    *dump;
    json_t  *json;

    json = json_pack("{s:s, s:i, s:s, s:s*}", "type", "about:blank",
                     "status", (int) problem->status, "code", problem->code,
                     "detail", problem->detail);
    if (json == NULL) {
        return NGX_ERROR;
    }

    if (problem->extra
        && json_object_update_missing(json, problem->extra) != 0)
    {
        json_decref(json);
        return NGX_ERROR;
    }

    dump = json_dumps(json, JSON_COMPACT);
    json_decref(json);

    if (dump == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_strlen(dump);
    text->data = ngx_pnalloc(r->pool, text->len);

    if (text->data != NULL) {
        ngx_memcpy(text->data, dump, text->len);
    }

    free(dump);

    return text->data ? NGX_OK : NGX_ERROR;
}
