
/*
 * GET /api/session and GET /api/history: reading, at once.  With "version"
 * and "wait" the first becomes a long poll (ngx_http_convo_session_poll.c).
 *
 * How it fails: a client that goes is noticed and the answer dropped; no
 * answer from Redis is 503.
 */


#include "ngx_http_convo_session.h"
#include "convo_history.h"


/* the longest wait of a long poll, s: below CloudFront's 30 s */

#define NGX_HTTP_CONVO_SESSION_WAIT_MAX     25

/* a version has 13 digits until the year 2286 */

#define NGX_HTTP_CONVO_SESSION_VERSION_MAX  999999999999999


static ngx_int_t ngx_http_convo_session_arg(ngx_http_request_t *r,
    const char *name, int64_t min, int64_t max, int64_t *value);
static ngx_int_t ngx_http_convo_session_bad_arg(ngx_http_request_t *r,
    const char *detail);
static void ngx_http_convo_session_got(void *data,
    const convo_user_view_t *view);
static void ngx_http_convo_session_history_reply(void *data,
    const redisReply *reply);


ngx_int_t
ngx_http_convo_session_get_handler(ngx_http_request_t *r)
{
    int64_t                             version, wait;
    ngx_int_t                           rc;
    ngx_http_convo_caller_t            *caller;
    ngx_http_convo_session_question_t  *question;

    if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) {
        return ngx_http_convo_check_method(r, NGX_HTTP_GET | NGX_HTTP_HEAD);
    }

    version = -1;
    wait = 0;

    if (ngx_http_convo_session_arg(r, "version", 0,
                                   NGX_HTTP_CONVO_SESSION_VERSION_MAX,
                                   &version)
        != NGX_OK)
    {
        return ngx_http_convo_session_bad_arg(r,
                                         "\"version\" is a version number.");
    }

    if (ngx_http_convo_session_arg(r, "wait", 0,
                                   NGX_HTTP_CONVO_SESSION_WAIT_MAX, &wait)
        != NGX_OK)
    {
        return ngx_http_convo_session_bad_arg(r,
                                         "\"wait\" is 0 to 25 seconds.");
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    caller = ngx_http_convo_caller_get(r, &rc);
    if (caller == NULL) {
        return rc;
    }

    if (version >= 0 && wait > 0 && r == r->main) {
        return ngx_http_convo_session_poll(caller, version, wait);
    }

    question = ngx_pcalloc(r->pool,
                           sizeof(ngx_http_convo_session_question_t));
    if (question == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    question->caller = caller;
    question->handler = ngx_http_convo_session_got;
    question->data = caller;

    rc = ngx_http_convo_session_read(question);
    if (rc != NGX_OK) {
        return ngx_http_convo_session_not_asked(r, rc);
    }

    r->main->count++;
    ngx_http_convo_caller_watch(r);

    return NGX_DONE;
}


/* The argument's value, or left as it is where there is none. */

static ngx_int_t
ngx_http_convo_session_arg(ngx_http_request_t *r, const char *name,
    int64_t min, int64_t max, int64_t *value)
{
    off_t      n;
    ngx_str_t  text;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &text) != NGX_OK) {
        return NGX_OK;
    }

    n = ngx_atoof(text.data, text.len);

    if (n == NGX_ERROR || n < min || n > max) {
        return NGX_DECLINED;
    }

    *value = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_session_bad_arg(ngx_http_request_t *r, const char *detail)
{
    return ngx_http_convo_problem(r, NGX_HTTP_BAD_REQUEST, "bad_request",
                                  detail);
}


static void
ngx_http_convo_session_got(void *data, const convo_user_view_t *view)
{
    ngx_http_convo_caller_t *caller = data;

    ngx_http_convo_session_finish(caller->request,
        view ? ngx_http_convo_session_send(caller, view)
             : ngx_http_convo_session_unavailable(caller->request));
}


ngx_int_t
ngx_http_convo_session_history_handler(ngx_http_request_t *r)
{
    u_char                    number[NGX_INT64_LEN];
    int64_t                   limit;
    ngx_int_t                 rc;
    ngx_str_t                 key, arg;
    convo_key_t               name;
    ngx_http_convo_caller_t  *caller;

    if (!(r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD))) {
        return ngx_http_convo_check_method(r, NGX_HTTP_GET | NGX_HTTP_HEAD);
    }

    limit = CONVO_HISTORY_MAX;

    if (ngx_http_convo_session_arg(r, "limit", 1, CONVO_HISTORY_MAX, &limit)
        != NGX_OK)
    {
        return ngx_http_convo_session_bad_arg(r, "\"limit\" is 1 to 50.");
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    caller = ngx_http_convo_caller_get(r, &rc);
    if (caller == NULL) {
        return rc;
    }

    if (ngx_http_convo_caller_key(caller, CONVO_KEY_HISTORY,
                                  (char *) caller->user.data,
                                  caller->user.len, &name)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    key = ngx_http_convo_session_str(&name);

    arg.data = number;
    arg.len = ngx_sprintf(number, "%L", limit) - number;

    rc = ngx_http_convo_redis_eval(caller->redis, r->pool,
                                   CONVO_SCRIPT_HISTORY, &key, 1, &arg, 1,
                                   ngx_http_convo_session_history_reply, r);
    if (rc != NGX_OK) {
        return ngx_http_convo_session_not_asked(r, rc);
    }

    r->main->count++;
    ngx_http_convo_caller_watch(r);

    return NGX_DONE;
}


static void
ngx_http_convo_session_history_reply(void *data, const redisReply *reply)
{
    ngx_http_request_t *r = data;

    ngx_int_t  rc;

    if (reply && reply->type == REDIS_REPLY_ARRAY) {
        rc = ngx_http_convo_session_send_json(r,
                                              convo_history_document(reply));

    } else {
        ngx_http_convo_session_log_reply(r->connection->log, "history",
                                         reply);
        rc = ngx_http_convo_session_unavailable(r);
    }

    ngx_http_convo_session_finish(r, rc);
}
