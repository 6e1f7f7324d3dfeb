
/*
 * The events room: convo_events, the user document as server-sent events
 * whenever it changes (WHATWG HTML, section 9.2).
 *
 * This file is the directive and the response's headers; the life of a stream
 * is ngx_http_convo_events_stream.c, who is connected to this process is
 * ngx_http_convo_presence.c.
 */


#include "ngx_http_convo_events.h"


static ngx_int_t ngx_http_convo_events_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_events_add_header(ngx_http_request_t *r,
    const char *name, const char *value);
static char *ngx_http_convo_events(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_http_convo_events_commands[] = {

    { ngx_string("convo_events"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_events,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_events_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_convo_events_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_events_module_ctx,     /* module context */
    ngx_http_convo_events_commands,        /* module directives */
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


static ngx_int_t
ngx_http_convo_events_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_convo_caller_t  *caller;

    if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) {
        return ngx_http_convo_check_method(r, NGX_HTTP_GET | NGX_HTTP_HEAD);
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    caller = ngx_http_convo_caller_get(r, &rc);
    if (caller == NULL) {
        return rc;
    }

    if (r->method == NGX_HTTP_HEAD) {
        return ngx_http_convo_events_send_header(r);
    }

    if (r != r->main) {
        return ngx_http_convo_problem(r, NGX_HTTP_NOT_FOUND, "not_found",
                                      "A stream cannot be included.");
    }

    return ngx_http_convo_events_stream(caller);
}


int64_t
ngx_http_convo_events_last_id(ngx_http_request_t *r)
{
    off_t             id;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *header;

    static ngx_str_t  name = ngx_string("last-event-id");

    for (part = &r->headers_in.headers.part; part; part = part->next) {

        header = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (header[i].key.len == name.len
                && ngx_strncmp(header[i].lowcase_key, name.data, name.len)
                   == 0)
            {
                id = ngx_atoof(header[i].value.data, header[i].value.len);
                return (id == NGX_ERROR) ? -1 : id;
            }
        }
    }

    return -1;
}


ngx_int_t
ngx_http_convo_events_send_header(ngx_http_request_t *r)
{
    r->headers_out.status = NGX_HTTP_OK;

    ngx_str_set(&r->headers_out.content_type, "text/event-stream");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);
    ngx_http_clear_last_modified(r);

    if (ngx_http_convo_events_add_header(r, "Cache-Control", "no-store")
        != NGX_OK
        || ngx_http_convo_events_add_header(r, "X-Accel-Buffering", "no")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_send_header(r);
}


static ngx_int_t
ngx_http_convo_events_add_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = (u_char *) value;
    h->value.len = ngx_strlen(value);

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


static char *
ngx_http_convo_events(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_convo_session_mount(cf, cmd,
                                        ngx_http_convo_events_handler);
}
