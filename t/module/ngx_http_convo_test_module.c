/*
 * For tests only: the redis room as locations, to be asked by a test.
 *
 *   convo_test_eval SCRIPT [KEY ...] [| ARG ...]
 *       runs the script and prints its reply; 503 where the room declines,
 *       504 where no reply came, 500 on an error
 *   convo_test_subscribe CHANNEL events=N [kill]
 *       follows the channel and prints a line for each event, with the number
 *       of the subscription; ends after N events.  With "kill" the first
 *       event also ends every other subscription of the process, from within
 *       the handler.
 *   convo_test_status
 *       prints whether Redis is up, and the counters
 *
 * Values may contain variables.  It is compiled into the same shared object
 * when CONVO_TEST_MODULE=1 is set at configuration, as the functions of a
 * room are hidden from other objects, and is never part of a product.
 */

#include "ngx_http_convo.h"
#include "ngx_http_convo_redis.h"


#define NGX_HTTP_CONVO_TEST_TEXT_MAX  65536


typedef struct {
    ngx_uint_t                 script;
    ngx_array_t               *keys;       /* ngx_http_complex_value_t */
    ngx_array_t               *args;
    ngx_http_complex_value_t   channel;
    ngx_uint_t                 events;
    ngx_uint_t                 kill;
} ngx_http_convo_test_loc_conf_t;


typedef struct {
    ngx_http_request_t        *request;
    ngx_queue_t                queue;
    ngx_uint_t                 left;       /* events until the end */
    ngx_uint_t                 kill;
} ngx_http_convo_test_ctx_t;


static ngx_int_t ngx_http_convo_test_eval_handler(ngx_http_request_t *r);
static void ngx_http_convo_test_eval_reply(void *data,
    const redisReply *reply);
static u_char *ngx_http_convo_test_print(u_char *p, u_char *last,
    const redisReply *reply);
static ngx_int_t ngx_http_convo_test_subscribe_handler(ngx_http_request_t *r);
static void ngx_http_convo_test_event(void *data,
    ngx_http_convo_redis_event_e event);
static ngx_int_t ngx_http_convo_test_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_test_values(ngx_http_request_t *r,
    ngx_array_t *values, ngx_str_t **texts);
static ngx_int_t ngx_http_convo_test_send(ngx_http_request_t *r,
    ngx_uint_t status, u_char *text, size_t len);
static ngx_int_t ngx_http_convo_test_line(ngx_http_request_t *r,
    const char *line, ngx_uint_t last);
static void *ngx_http_convo_test_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_convo_test_eval(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_test_subscribe(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_convo_test_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_queue_t  ngx_http_convo_test_followers;


static ngx_command_t  ngx_http_convo_test_commands[] = {

    { ngx_string("convo_test_eval"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_convo_test_eval,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_test_subscribe"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE23,
      ngx_http_convo_test_subscribe,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("convo_test_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_convo_test_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    ngx_null_command
};


static ngx_http_module_t  ngx_http_convo_test_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_convo_test_create_loc_conf,   /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_convo_test_module = {
    NGX_MODULE_V1,
    &ngx_http_convo_test_module_ctx,       /* module context */
    ngx_http_convo_test_commands,          /* module directives */
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
ngx_http_convo_test_eval_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_str_t                       *keys, *args;
    ngx_http_convo_redis_t          *redis;
    ngx_http_convo_test_loc_conf_t  *lcf;

    redis = ngx_http_convo_redis_get(r);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_test_module);

    if (redis == NULL
        || ngx_http_convo_test_values(r, lcf->keys, &keys) != NGX_OK
        || ngx_http_convo_test_values(r, lcf->args, &args) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_convo_redis_eval(redis, r->pool, lcf->script,
                                   keys, lcf->keys->nelts,
                                   args, lcf->args->nelts,
                                   ngx_http_convo_test_eval_reply, r);
    if (rc == NGX_DECLINED) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_convo_test_eval_reply(void *data, const redisReply *reply)
{
    ngx_http_request_t *r = data;

    u_char            *text, *last;
    ngx_connection_t  *c;

    c = r->connection;

    if (reply == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_GATEWAY_TIME_OUT);
        ngx_http_run_posted_requests(c);
        return;
    }

    text = ngx_palloc(r->pool, NGX_HTTP_CONVO_TEST_TEXT_MAX);
    if (text == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    last = ngx_http_convo_test_print(text, text + NGX_HTTP_CONVO_TEST_TEXT_MAX,
                                     reply);
    last = ngx_slprintf(last, text + NGX_HTTP_CONVO_TEST_TEXT_MAX, "\n");

    ngx_http_finalize_request(r, ngx_http_convo_test_send(r, NGX_HTTP_OK, text,
                                                          last - text));
    ngx_http_run_posted_requests(c);
}


static u_char *
ngx_http_convo_test_print(u_char *p, u_char *last, const redisReply *reply)
{
    size_t  i;

    switch (reply->type) {

    case REDIS_REPLY_ARRAY:
        p = ngx_slprintf(p, last, "[");

        for (i = 0; i < reply->elements; i++) {
            p = ngx_slprintf(p, last, i ? " " : "");
            p = ngx_http_convo_test_print(p, last, reply->element[i]);
        }

        return ngx_slprintf(p, last, "]");

    case REDIS_REPLY_INTEGER:
        return ngx_slprintf(p, last, "%L", (int64_t) reply->integer);

    case REDIS_REPLY_NIL:
        return ngx_slprintf(p, last, "nil");

    case REDIS_REPLY_ERROR:
        return ngx_slprintf(p, last, "error %s", reply->str);

    default:
        return ngx_slprintf(p, last, "%*s", (size_t) reply->len, reply->str);
    }
}


static void
ngx_http_convo_test_leave(void *data)
{
    ngx_http_convo_test_ctx_t *ctx = data;

    ngx_queue_remove(&ctx->queue);
}


static ngx_int_t
ngx_http_convo_test_subscribe_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_str_t                        channel;
    ngx_pool_cleanup_t              *cln;
    ngx_http_convo_redis_t          *redis;
    ngx_http_convo_test_ctx_t       *ctx;
    ngx_http_convo_test_loc_conf_t  *lcf;

    redis = ngx_http_convo_redis_get(r);
    lcf = ngx_http_get_module_loc_conf(r, ngx_http_convo_test_module);
    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_convo_test_ctx_t));

    if (redis == NULL || cln == NULL
        || ngx_http_complex_value(r, &lcf->channel, &channel) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_convo_test_followers.next == NULL) {
        ngx_queue_init(&ngx_http_convo_test_followers);
    }

    ctx = cln->data;
    ctx->request = r;
    ctx->left = lcf->events;
    ctx->kill = lcf->kill;

    ngx_queue_insert_tail(&ngx_http_convo_test_followers, &ctx->queue);
    cln->handler = ngx_http_convo_test_leave;

    rc = ngx_http_convo_redis_subscribe(redis, r->pool, &channel,
                                        ngx_http_convo_test_event, ctx);
    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    ngx_http_clear_content_length(r);

    rc = ngx_http_send_header(r) == NGX_OK
         ? ngx_http_convo_test_line(r, rc == NGX_OK ? "at once\n" : "wait\n",
                                    0)
         : NGX_ERROR;

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_convo_test_event(void *data, ngx_http_convo_redis_event_e event)
{
    static const char  *lines[] = { "ready\n", "message\n", "lost\n" };

    ngx_http_convo_test_ctx_t *ctx = data;

    ngx_int_t                   rc;
    ngx_queue_t                *q, *next;
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_convo_test_ctx_t  *other;

    r = ctx->request;
    c = r->connection;

    if (ctx->kill) {

        for (q = ngx_queue_head(&ngx_http_convo_test_followers);
             q != ngx_queue_sentinel(&ngx_http_convo_test_followers);
             q = next)
        {
            next = ngx_queue_next(q);
            other = ngx_queue_data(q, ngx_http_convo_test_ctx_t, queue);

            if (other != ctx) {
                (void) ngx_http_convo_test_line(other->request, "killed\n", 1);
                ngx_http_finalize_request(other->request, NGX_OK);
            }
        }
    }

    ctx->left--;
    rc = ngx_http_convo_test_line(r, lines[event], ctx->left == 0);

    if (rc == NGX_ERROR || ctx->left == 0) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_convo_test_status_handler(ngx_http_request_t *r)
{
    u_char                                 *text, *last;
    ngx_http_convo_redis_t                 *redis;
    const ngx_http_convo_redis_counters_t  *counters;

    redis = ngx_http_convo_redis_get(r);
    text = ngx_palloc(r->pool, NGX_HTTP_CONVO_TEST_TEXT_MAX);

    if (redis == NULL || text == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    counters = ngx_http_convo_redis_counters(redis);

    last = ngx_slprintf(text, text + NGX_HTTP_CONVO_TEST_TEXT_MAX,
                        "%V up=%ui commands=%ui errors=%ui timeouts=%ui "
                        "lost=%ui declined=%ui reloads=%ui connects=%ui "
                        "failures=%ui messages=%ui\n",
                        ngx_http_convo_redis_name(redis),
                        ngx_http_convo_redis_is_up(redis),
                        counters->commands, counters->errors,
                        counters->timeouts, counters->lost,
                        counters->declined, counters->reloads,
                        counters->connects, counters->failures,
                        counters->messages);

    return ngx_http_convo_test_send(r, NGX_HTTP_OK, text, last - text);
}


static ngx_int_t
ngx_http_convo_test_values(ngx_http_request_t *r, ngx_array_t *values,
    ngx_str_t **texts)
{
    ngx_uint_t                 i;
    ngx_http_complex_value_t  *value;

    *texts = ngx_palloc(r->pool, (values->nelts + 1) * sizeof(ngx_str_t));
    if (*texts == NULL) {
        return NGX_ERROR;
    }

    value = values->elts;

    for (i = 0; i < values->nelts; i++) {
        if (ngx_http_complex_value(r, &value[i], &(*texts)[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_test_send(ngx_http_request_t *r, ngx_uint_t status,
    u_char *text, size_t len)
{
    ngx_buf_t    *b;
    ngx_int_t     rc;
    ngx_chain_t   out;

    r->headers_out.status = status;
    r->headers_out.content_length_n = len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text;
    b->last = text + len;
    b->memory = 1;
    b->last_buf = (r == r->main);
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_convo_test_line(ngx_http_request_t *r, const char *line,
    ngx_uint_t last)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) line;
    b->last = b->pos + ngx_strlen(line);
    b->memory = 1;
    b->flush = 1;
    b->last_buf = last;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static void *
ngx_http_convo_test_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_test_loc_conf_t));
}


static ngx_int_t
ngx_http_convo_test_compile(ngx_conf_t *cf, ngx_str_t *text,
    ngx_http_complex_value_t *value)
{
    ngx_http_compile_complex_value_t  ccv;

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = text;
    ccv.complex_value = value;

    return value ? ngx_http_compile_complex_value(&ccv) : NGX_ERROR;
}


static char *
ngx_http_convo_test_eval(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_test_loc_conf_t *lcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_array_t               *values;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    lcf->keys = ngx_array_create(cf->pool, 4,
                                 sizeof(ngx_http_complex_value_t));
    lcf->args = ngx_array_create(cf->pool, 4,
                                 sizeof(ngx_http_complex_value_t));

    if (lcf->keys == NULL || lcf->args == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < CONVO_SCRIPT_COUNT; i++) {
        if (ngx_strcmp(value[1].data, convo_scripts[i].name) == 0) {
            break;
        }
    }

    if (i == CONVO_SCRIPT_COUNT) {
        return "names no script";
    }

    lcf->script = i;
    values = lcf->keys;

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "|") == 0) {
            values = lcf->args;
            continue;
        }

        if (ngx_http_convo_test_compile(cf, &value[i], ngx_array_push(values))
            != NGX_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_convo_test_eval_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_test_subscribe(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_convo_test_loc_conf_t *lcf = conf;

    ngx_int_t                  n;
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    if (ngx_http_convo_test_compile(cf, &value[1], &lcf->channel) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    n = value[2].len > 7 ? ngx_atoi(value[2].data + 7, value[2].len - 7)
                         : NGX_ERROR;
    if (n < 1) {
        return "takes events=N";
    }

    lcf->events = n;
    lcf->kill = cf->args->nelts == 4;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_convo_test_subscribe_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_convo_test_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_convo_test_status_handler;

    return NGX_CONF_OK;
}
