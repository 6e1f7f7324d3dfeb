
/*
 * The fetch room: in-memory subrequests for the rooms that talk to outside
 * systems, and the variables by which the operator's location sees them.
 * Contracts are in ngx_http_convo_fetch.h.  It has no directives.
 *
 * A fetch belongs to its request and lives in the request's pool; nothing
 * outside points to it.  When NGINX finalizes the subrequest, the answer is
 * noted and the parent is woken by NGINX itself; the caller's handler runs
 * then, in the parent's own turn.
 *
 * How it fails: a client that goes takes the pool along, and with it
 * everything that could be called.  An upstream that lies (too long, cut
 * off, empty) is status 0.  NGINX takes an over-long body for an error of
 * the client's connection; that mark is removed, so that the client gets an
 * answer.
 */


#include "ngx_http_convo_fetch.h"


typedef struct {
    ngx_http_convo_fetch_call_t     call;
    ngx_http_convo_fetch_answer_t   answer;
    ngx_http_event_handler_pt       resume;
    ngx_uint_t                      done;
} ngx_http_convo_fetch_t;


/* one call waits for each request at most: the parent finds it by this */

typedef struct {
    ngx_http_convo_fetch_t         *waiting;
} ngx_http_convo_fetch_ctx_t;


static ngx_http_convo_fetch_ctx_t *ngx_http_convo_fetch_ctx(
    ngx_http_request_t *r);
static void ngx_http_convo_fetch_prepare(ngx_http_request_t *sr,
    const ngx_http_convo_fetch_call_t *call, const ngx_list_t *headers,
    ngx_http_request_body_t *rb);
static ngx_http_request_body_t *ngx_http_convo_fetch_request_body(
    ngx_http_request_t *r, const ngx_http_convo_fetch_call_t *call);
static void ngx_http_convo_fetch_set_method(ngx_http_request_t *sr,
    ngx_uint_t method);
static ngx_int_t ngx_http_convo_fetch_done(ngx_http_request_t *sr, void *data,
    ngx_int_t rc);
static ngx_uint_t ngx_http_convo_fetch_is_client_gone(ngx_http_request_t *sr,
    ngx_int_t rc);
static ngx_uint_t ngx_http_convo_fetch_is_whole(ngx_http_request_t *sr);
static void ngx_http_convo_fetch_read_answer(ngx_http_request_t *sr,
    ngx_http_convo_fetch_answer_t *answer);
static void ngx_http_convo_fetch_resume(ngx_http_request_t *r);

static ngx_int_t ngx_http_convo_fetch_method_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_convo_fetch_body_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_convo_fetch_refresh_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_convo_fetch_add_variables(ngx_conf_t *cf);


static ngx_http_variable_t  ngx_http_convo_fetch_variables[] = {

    { ngx_string("convo_method"), NULL,
      ngx_http_convo_fetch_method_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("convo_body"), NULL,
      ngx_http_convo_fetch_body_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("convo_keys_refresh"), NULL,
      ngx_http_convo_fetch_refresh_variable, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


static ngx_http_module_t  ngx_http_convo_fetch_module_ctx = {
    ngx_http_convo_fetch_add_variables,    /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_convo_fetch_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_fetch_module_ctx,      /* module context */
    NULL,                                  /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_int_t
ngx_http_convo_fetch(ngx_http_request_t *r,
    const ngx_http_convo_fetch_call_t *call)
{
    ngx_str_t                    uri, args;
    ngx_list_t                   headers;
    ngx_uint_t                   flags;
    ngx_http_request_t          *sr;
    ngx_http_request_body_t     *rb;
    ngx_http_convo_fetch_t      *fetch;
    ngx_http_convo_fetch_ctx_t  *ctx;
    ngx_http_post_subrequest_t  *ps;

    ctx = ngx_http_convo_fetch_ctx(r);
    fetch = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_fetch_t));
    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    rb = ngx_http_convo_fetch_request_body(r, call);

    if (ctx == NULL || fetch == NULL || ps == NULL || rb == NULL
        || ngx_list_init(&headers, r->pool, 2, sizeof(ngx_table_elt_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    fetch->call = *call;

    ps->handler = ngx_http_convo_fetch_done;
    ps->data = fetch;

    uri = call->uri;
    flags = 0;
    ngx_str_null(&args);

    if (ngx_http_parse_unsafe_uri(r, &uri, &args, &flags) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_subrequest(r, &uri, &args, &sr, ps,
                            NGX_HTTP_SUBREQUEST_IN_MEMORY
                            |NGX_HTTP_SUBREQUEST_WAITED)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_convo_fetch_prepare(sr, call, &headers, rb);

    ctx->waiting = fetch;

    return NGX_OK;
}


const ngx_http_convo_fetch_call_t *
ngx_http_convo_fetch_call(ngx_http_request_t *r)
{
    ngx_http_convo_fetch_t  *fetch;

    if (r->post_subrequest == NULL
        || r->post_subrequest->handler != ngx_http_convo_fetch_done)
    {
        return NULL;
    }

    fetch = r->post_subrequest->data;

    return &fetch->call;
}


static ngx_http_convo_fetch_ctx_t *
ngx_http_convo_fetch_ctx(ngx_http_request_t *r)
{
    ngx_http_convo_fetch_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_fetch_module);

    if (ctx == NULL) {
        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_fetch_ctx_t));
        if (ctx != NULL) {
            ngx_http_set_ctx(r, ctx, ngx_http_convo_fetch_module);
        }
    }

    return ctx;
}


/* takes everything of the user's request away from the subrequest */

static void
ngx_http_convo_fetch_prepare(ngx_http_request_t *sr,
    const ngx_http_convo_fetch_call_t *call, const ngx_list_t *headers,
    ngx_http_request_body_t *rb)
{
    ngx_str_t  server;

    server = sr->headers_in.server;

    ngx_memzero(&sr->headers_in, sizeof(ngx_http_headers_in_t));

    sr->headers_in.server = server;
    sr->headers_in.keep_alive_n = -1;
    sr->headers_in.content_length_n = call->body.len ? (off_t) call->body.len
                                                     : -1;

    /* an empty list, whose last part is the one inside its own struct */

    sr->headers_in.headers = *headers;
    sr->headers_in.headers.last = &sr->headers_in.headers.part;

    sr->request_body = rb;

    ngx_http_convo_fetch_set_method(sr, call->method);

    /* the parent may answer HEAD, this one must have its body */

    sr->header_only = 0;
}


/* right as well where the location has no proxy_set_body */

static ngx_http_request_body_t *
ngx_http_convo_fetch_request_body(ngx_http_request_t *r,
    const ngx_http_convo_fetch_call_t *call)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));

    if (rb == NULL || call->body.len == 0) {
        return rb;
    }

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    b->memory = 1;
    b->pos = call->body.data;
    b->last = call->body.data + call->body.len;
    b->start = b->pos;
    b->end = b->last;
    b->last_buf = 1;

    cl->buf = b;
    cl->next = NULL;

    rb->bufs = cl;
    rb->buf = b;

    return rb;
}


static void
ngx_http_convo_fetch_set_method(ngx_http_request_t *sr, ngx_uint_t method)
{
    switch (method) {

    case NGX_HTTP_POST:
        ngx_str_set(&sr->method_name, "POST");
        break;

    case NGX_HTTP_PUT:
        ngx_str_set(&sr->method_name, "PUT");
        break;

    case NGX_HTTP_DELETE:
        ngx_str_set(&sr->method_name, "DELETE");
        break;

    default:
        method = NGX_HTTP_GET;
        ngx_str_set(&sr->method_name, "GET");
    }

    sr->method = method;
}


/*
 * Called by NGINX whenever the subrequest is finalized, which may be more
 * than once: first with the status of a page that NGINX still has to find or
 * make (then the page is the answer), or again after a sibling's turn.
 */

static ngx_int_t
ngx_http_convo_fetch_done(ngx_http_request_t *sr, void *data, ngx_int_t rc)
{
    ngx_http_convo_fetch_t      *fetch = data;
    ngx_http_convo_fetch_ctx_t  *ctx;

    if (fetch->done || ngx_http_convo_fetch_is_client_gone(sr, rc)) {
        return rc;
    }

    if (rc > NGX_OK && !sr->header_sent) {
        return rc;
    }

    fetch->done = 1;

    if (rc == NGX_OK && !sr->connection->error) {
        ngx_http_convo_fetch_read_answer(sr, &fetch->answer);

    } else {

        /*
         * An over-long body marks the client's connection as broken.  It is
         * not, and the client shall have its answer; should it really be
         * gone, the next write finds out.
         */

        ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0,
                      "convo fetch: no whole answer from \"%V\"", &sr->uri);

        sr->connection->error = 0;
        rc = NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(sr->parent, ngx_http_convo_fetch_module);

    if (ctx && ctx->waiting == fetch) {
        fetch->resume = sr->parent->write_event_handler;
        sr->parent->write_event_handler = ngx_http_convo_fetch_resume;
    }

    return rc;
}


static void
ngx_http_convo_fetch_read_answer(ngx_http_request_t *sr,
    ngx_http_convo_fetch_answer_t *answer)
{
    ngx_buf_t  *b;

    if (!ngx_http_convo_fetch_is_whole(sr)) {
        ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0,
                      "convo fetch: the answer of \"%V\" was cut off",
                      &sr->uri);
        return;
    }

    answer->status = sr->headers_out.status;

    if (sr->out && sr->out->buf) {
        b = sr->out->buf;
        answer->body.data = b->pos;
        answer->body.len = b->last - b->pos;
    }

    if (answer->status == NGX_HTTP_OK && answer->body.len == 0) {
        ngx_log_error(NGX_LOG_ERR, sr->connection->log, 0,
                      "convo fetch: \"%V\" answered 200 without a body",
                      &sr->uri);
        answer->status = 0;
    }
}


/*
 * A client that went while the answer is for a cache as well: the fetch comes
 * to its end, with the mark of a broken connection.  An over-long body leaves
 * the same mark, but also one in the pipe that it came through.
 */

static ngx_uint_t
ngx_http_convo_fetch_is_client_gone(ngx_http_request_t *sr, ngx_int_t rc)
{
    ngx_event_pipe_t  *pipe;

    if (rc == NGX_HTTP_CLIENT_CLOSED_REQUEST) {
        return 1;
    }

    pipe = sr->upstream ? sr->upstream->pipe : NULL;

    return rc == NGX_OK && sr->connection->error
           && !(pipe && pipe->downstream_error);
}


/* an upstream that closes too early is no error to NGINX once it has sent */

static ngx_uint_t
ngx_http_convo_fetch_is_whole(ngx_http_request_t *sr)
{
    off_t                 len;
    ngx_event_pipe_t     *pipe;
    ngx_http_upstream_t  *u;

    u = sr->upstream;
    len = sr->headers_out.content_length_n;

    if (len > 0
        && (sr->out == NULL || sr->out->buf->last - sr->out->buf->pos < len))
    {
        return 0;
    }

    pipe = u ? u->pipe : NULL;

    if (pipe == NULL) {
        return 1;
    }

    return !(pipe->upstream_error
             || (pipe->upstream_eof && pipe->length > 0));
}


static void
ngx_http_convo_fetch_resume(ngx_http_request_t *r)
{
    ngx_http_convo_fetch_t      *fetch;
    ngx_http_convo_fetch_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_convo_fetch_module);
    fetch = ctx->waiting;
    ctx->waiting = NULL;

    r->write_event_handler = fetch->resume;

    fetch->call.handler(r, fetch->call.data, &fetch->answer);
}


static ngx_int_t
ngx_http_convo_fetch_method_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_convo_set_variable(v, ngx_http_convo_fetch_call(r)
                                   ? &r->method_name : NULL);

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_fetch_body_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const ngx_http_convo_fetch_call_t  *call;

    call = ngx_http_convo_fetch_call(r);

    ngx_http_convo_set_variable(v, call ? &call->body : NULL);

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_fetch_refresh_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    const ngx_http_convo_fetch_call_t  *call;

    static const ngx_str_t  yes = ngx_string("1");

    call = ngx_http_convo_fetch_call(r);

    ngx_http_convo_set_variable(v, call && call->refresh ? &yes : NULL);

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_fetch_add_variables(ngx_conf_t *cf)
{
    return ngx_http_convo_add_variables(cf, ngx_http_convo_fetch_variables);
}
