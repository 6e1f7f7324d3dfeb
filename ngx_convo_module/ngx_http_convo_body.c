
/*
 * How every room of the edge reads a JSON body: NGINX collects the bytes,
 * libconvo parses them within limits.  Contracts are in ngx_http_convo.h.
 *
 * How it fails: a client that goes in the middle never reaches the handler;
 * too much is 413, another type 415, anything but one JSON object 400.
 */


#include "ngx_http_convo.h"
#include "convo_json.h"


/* more members and elements than any endpoint has a use for */

#define NGX_HTTP_CONVO_BODY_COUNT  256


typedef struct {
    ngx_http_convo_body_pt  handler;
} ngx_http_convo_body_call_t;


static ngx_http_convo_body_call_t *ngx_http_convo_body_call(
    ngx_http_request_t *r);
static void ngx_http_convo_body_forget(void *data);
static void ngx_http_convo_body_ready(ngx_http_request_t *r);
static off_t ngx_http_convo_body_size(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_body_collect(ngx_http_request_t *r,
    u_char *to, size_t len);
static ngx_uint_t ngx_http_convo_body_is_json(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_body_too_large(ngx_http_request_t *r);
static void ngx_http_convo_body_parse(ngx_http_request_t *r, size_t len,
    ngx_http_convo_body_pt handler);


ngx_int_t
ngx_http_convo_read_body(ngx_http_request_t *r,
    ngx_http_convo_body_pt handler)
{
    ngx_int_t                    rc;
    ngx_pool_cleanup_t          *cln;
    ngx_http_convo_body_call_t  *call;

    if (r->headers_in.content_length_n > NGX_HTTP_CONVO_BODY_MAX) {
        return ngx_http_convo_body_too_large(r);
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_convo_body_call_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_convo_body_forget;

    call = cln->data;
    call->handler = handler;

    rc = ngx_http_read_client_request_body(r, ngx_http_convo_body_ready);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


ngx_int_t
ngx_http_convo_only_members(json_t *object, const char *const *names)
{
    void               *iter;
    const char         *key;
    const char *const  *name;

    for (iter = json_object_iter(object);
         iter;
         iter = json_object_iter_next(object, iter))
    {
        key = json_object_iter_key(iter);

        for (name = names; *name; name++) {
            if (ngx_strcmp(*name, key) == 0) {
                break;
            }
        }

        if (*name == NULL) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/*
 * NGINX passes nothing to the function it calls when the body is there, and
 * this file is no module with a context of its own: the handler waits in the
 * pool's cleanup list, the newest entry first.
 */

static ngx_http_convo_body_call_t *
ngx_http_convo_body_call(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_convo_body_forget) {
            return cln->data;
        }
    }

    return NULL;
}


static void
ngx_http_convo_body_forget(void *data)
{
    ngx_http_convo_body_call_t  *call = data;

    call->handler = NULL;
}


static void
ngx_http_convo_body_ready(ngx_http_request_t *r)
{
    off_t                        size;
    ngx_int_t                    rc;
    ngx_http_convo_body_call_t  *call;

    call = ngx_http_convo_body_call(r);
    size = ngx_http_convo_body_size(r);

    if (call == NULL) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (size > NGX_HTTP_CONVO_BODY_MAX) {
        rc = ngx_http_convo_body_too_large(r);

    } else if (size > 0 && !ngx_http_convo_body_is_json(r)) {
        rc = ngx_http_convo_problem(r, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                    "unsupported_media_type",
                                    "A body must be application/json.");

    } else {
        ngx_http_convo_body_parse(r, (size_t) size, call->handler);
        return;
    }

    ngx_http_finalize_request(r, rc);
}


static void
ngx_http_convo_body_parse(ngx_http_request_t *r, size_t len,
    ngx_http_convo_body_pt handler)
{
    u_char  *text;
    json_t  *json;

    static const convo_json_limits_t  limits = {
        .depth = NGX_HTTP_CONVO_BODY_DEPTH,
        .count = NGX_HTTP_CONVO_BODY_COUNT
    };

    if (len == 0) {
        json = json_object();

    } else {
        text = ngx_pnalloc(r->pool, len);

        if (text == NULL
            || ngx_http_convo_body_collect(r, text, len) != NGX_OK)
        {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }

        json = convo_json_load_object((char *) text, len, &limits);
    }

    if (json == NULL) {
        ngx_http_finalize_request(r,
            ngx_http_convo_problem(r, NGX_HTTP_BAD_REQUEST, "bad_request",
                                   "The body is not an acceptable JSON "
                                   "object."));
        return;
    }

    handler(r, json);

    json_decref(json);
}


static off_t
ngx_http_convo_body_size(ngx_http_request_t *r)
{
    off_t         size;
    ngx_chain_t  *cl;

    size = 0;

    if (r->request_body == NULL) {
        return 0;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    return size;
}


/* the bytes may have gone to a temporary file (client_body_buffer_size) */

static ngx_int_t
ngx_http_convo_body_collect(ngx_http_request_t *r, u_char *to, size_t len)
{
    off_t         size;
    u_char       *last;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    last = to + len;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {

        b = cl->buf;
        size = ngx_buf_size(b);

        if (size > last - to) {
            return NGX_ERROR;
        }

        if (ngx_buf_in_memory(b)) {
            to = ngx_cpymem(to, b->pos, size);
            continue;
        }

        if (size > 0
            && ngx_read_file(b->file, to, size, b->file_pos) != size)
        {
            return NGX_ERROR;
        }

        to += size;
    }

    return (to == last) ? NGX_OK : NGX_ERROR;
}


/* "application/json", in any case, alone or with parameters */

static ngx_uint_t
ngx_http_convo_body_is_json(ngx_http_request_t *r)
{
    u_char     *p, *end;
    ngx_str_t  *type;

    static const char  json[] = "application/json";

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = &r->headers_in.content_type->value;

    if (type->len < sizeof(json) - 1
        || ngx_strncasecmp(type->data, (u_char *) json, sizeof(json) - 1)
           != 0)
    {
        return 0;
    }

    p = type->data + sizeof(json) - 1;
    end = type->data + type->len;

    while (p < end && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p == end || *p == ';';
}


static ngx_int_t
ngx_http_convo_body_too_large(ngx_http_request_t *r)
{
    return ngx_http_convo_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                  "too_large",
                                  "The body is longer than any endpoint "
                                  "takes.");
}
