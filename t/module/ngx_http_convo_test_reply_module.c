
/*
 * For tests only: what every room shares, as locations to be asked by a test.
 *
 *   convo_test_body
 *       takes POST and PUT; prints {"body":...} of the JSON body, whose
 *       members may only be "a" and "b"
 *   convo_test_problem STATUS CODE [RETRY_AFTER]
 *       answers the problem; with RETRY_AFTER also {"extra":{"of":1}}
 *   convo_test_fetch METHOD URI [BODY]
 *       fetches from a content handler and prints "status body"
 *
 * It is compiled into the same shared object when CONVO_TEST_MODULE=1 is set
 * at configuration, and is never part of a product.
 */


#include "ngx_http_convo.h"
#include "ngx_http_convo_fetch.h"


#define NGX_HTTP_CONVO_TEST_STATUS_LEN  4   /* "200 " */


typedef struct {
    ngx_uint_t   number;     /* a status, or a method */
    ngx_str_t    first;      /* a code, or a URI */
    ngx_str_t    second;     /* a body */
    time_t       retry_after;
} ngx_http_convo_test_reply_loc_conf_t;


static ngx_int_t ngx_http_convo_test_body_handler(ngx_http_request_t *r);
static void ngx_http_convo_test_body_read(ngx_http_request_t *r,
    json_t *body);
static ngx_int_t ngx_http_convo_test_problem_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_test_fetch_handler(ngx_http_request_t *r);
static void ngx_http_convo_test_fetched(ngx_http_request_t *r, void *data,
    const ngx_http_convo_fetch_answer_t *answer);
static void *ngx_http_convo_test_reply_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_test_body(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_test_problem(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_test_fetch(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_test_reply_set_handler(ngx_conf_t *cf,
    ngx_http_handler_pt handler);


static ngx_command_t  ngx_http_convo_test_reply_commands[] = {

    { ngx_string("convo_test_body"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_test_body,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_test_problem"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_http_convo_test_problem,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_test_fetch"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_http_convo_test_fetch,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_test_reply_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_test_reply_create_loc_conf,
                                           /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_convo_test_reply_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_test_reply_module_ctx, /* module context */
    ngx_http_convo_test_reply_commands,    /* module directives */
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
ngx_http_convo_test_body_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_check_method(r, NGX_HTTP_POST|NGX_HTTP_PUT);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_convo_read_body(r, ngx_http_convo_test_body_read);
}


static void
ngx_http_convo_test_body_read(ngx_http_request_t *r, json_t *body)
{
    char       *dump;
    json_t     *json;
    ngx_int_t   rc;
    ngx_str_t   text;

    static const char *const  names[] = { "a", "b", NULL };

    if (ngx_http_convo_only_members(body, names) != NGX_OK) {
        rc = ngx_http_convo_problem(r, NGX_HTTP_BAD_REQUEST, "bad_request",
                                    "Only a and b are known.");
        ngx_http_finalize_request(r, rc);
        return;
    }

    json = json_pack("{s:O}", "body", body);
    dump = json_dumps(json, JSON_COMPACT);
    json_decref(json);

    text.len = ngx_strlen(dump);
    text.data = ngx_pnalloc(r->pool, text.len);

    if (text.data == NULL) {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else {
        ngx_memcpy(text.data, dump, text.len);
        rc = ngx_http_convo_send_json(r, NGX_HTTP_OK, &text);
    }

    free(dump);

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_convo_test_problem_handler(ngx_http_request_t *r)
{
    ngx_int_t                              rc;
    ngx_http_convo_problem_t               problem;
    ngx_http_convo_test_reply_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_test_reply_module);

    problem.status = lcf->number;
    problem.code = (char *) lcf->first.data;
    problem.detail = NULL;
    problem.retry_after = lcf->retry_after;
    problem.extra = NULL;

    if (lcf->retry_after >= 0) {
        problem.extra = json_pack("{s:{s:i}, s:s}", "extra", "of", 1,
                                  "code", "not_this");
    }

    rc = ngx_http_convo_send_problem(r, &problem);

    json_decref(problem.extra);

    return rc;
}


static ngx_int_t
ngx_http_convo_test_fetch_handler(ngx_http_request_t *r)
{
    ngx_http_convo_fetch_call_t            call;
    ngx_http_convo_test_reply_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_test_reply_module);

    ngx_memzero(&call, sizeof(ngx_http_convo_fetch_call_t));

    call.method = lcf->number;
    call.uri = lcf->first;
    call.body = lcf->second;
    call.handler = ngx_http_convo_test_fetched;
    call.data = lcf;

    if (ngx_http_convo_fetch(r, &call) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_convo_test_fetched(ngx_http_request_t *r, void *data,
    const ngx_http_convo_fetch_answer_t *answer)
{
    u_char     *p;
    ngx_str_t   text;

    text.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1 + answer->body.len);

    if (text.data == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    p = ngx_sprintf(text.data, "%ui %V", answer->status, &answer->body);
    text.len = p - text.data;

    ngx_http_finalize_request(r,
                         ngx_http_convo_send_json(r, NGX_HTTP_OK, &text));
}


static void *
ngx_http_convo_test_reply_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool,
                       sizeof(ngx_http_convo_test_reply_loc_conf_t));
}


static char *
ngx_http_convo_test_body(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_convo_test_reply_set_handler(cf,
                                          ngx_http_convo_test_body_handler);
}


static char *
ngx_http_convo_test_problem(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_test_reply_loc_conf_t  *lcf = conf;

    ngx_int_t   status;
    ngx_str_t  *value;

    value = cf->args->elts;

    status = ngx_atoi(value[1].data, value[1].len);
    if (status == NGX_ERROR) {
        return "needs a status";
    }

    lcf->number = status;
    lcf->first = value[2];
    lcf->retry_after = -1;

    if (cf->args->nelts > 3) {
        lcf->retry_after = ngx_atotm(value[3].data, value[3].len);
    }

    return ngx_http_convo_test_reply_set_handler(cf,
                                       ngx_http_convo_test_problem_handler);
}


static char *
ngx_http_convo_test_fetch(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_test_reply_loc_conf_t  *lcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    lcf->number = NGX_HTTP_GET;
    lcf->first = value[2];

    if (ngx_strcmp(value[1].data, "POST") == 0) {
        lcf->number = NGX_HTTP_POST;

    } else if (ngx_strcmp(value[1].data, "PUT") == 0) {
        lcf->number = NGX_HTTP_PUT;

    } else if (ngx_strcmp(value[1].data, "DELETE") == 0) {
        lcf->number = NGX_HTTP_DELETE;
    }

    if (cf->args->nelts > 3) {
        lcf->second = value[3];
    }

    return ngx_http_convo_test_reply_set_handler(cf,
                                         ngx_http_convo_test_fetch_handler);
}


static char *
ngx_http_convo_test_reply_set_handler(ngx_conf_t *cf,
    ngx_http_handler_pt handler)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = handler;

    return NGX_CONF_OK;
}
