
/*
 * POST /api/report: what a user says of the other of a session.
 *
 * One script, called at most twice: who the two were is kept with the session
 * alone, so the first call names the session's key only and is answered with
 * the two, and the second one names their keys.  A session's sides never
 * change, so there is no third call.
 *
 * What the caller is told never depends on who the peer is; a session that
 * never was, one of others, and one that ended too long ago are the same 404.
 *
 * How it fails: a client that goes does not take its report back, the script
 * runs all the same and repeating it has no second effect.  When Redis does
 * not answer it is 503, and the report may have been taken.
 */


#include "ngx_http_convo_session.h"
#include "convo_report.h"


typedef struct {
    ngx_http_convo_caller_t  *caller;
    ngx_str_t                 sid;
    ngx_str_t                 reason;
    unsigned                  named:1;    /* the sides' keys are */
} ngx_http_convo_session_report_t;


/* the answer to a body that is at fault, by convo_report_e */

typedef struct {
    ngx_uint_t   status;
    const char  *code;
    const char  *detail;
} ngx_http_convo_session_report_fault_t;


static const ngx_http_convo_session_report_fault_t
    ngx_http_convo_session_report_faults[] =
{
    { NGX_HTTP_OK, NULL, NULL },
    { NGX_HTTP_BAD_REQUEST, "bad_request",
      "The members are \"sessionId\" and \"reason\"." },
    { NGX_HTTP_BAD_REQUEST, "bad_request", "\"sessionId\" is a string." },
    { NGX_HTTP_NOT_FOUND, "not_found",
      "You were in no such session in the last 24 hours." },
    { NGX_HTTP_BAD_REQUEST, "bad_request",
      "\"reason\" is a string that is not empty." },
    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, "too_large",
      "\"reason\" is longer than 1000 bytes." },
    { NGX_HTTP_BAD_REQUEST, "bad_request",
      "\"reason\" has a control character that is no new line." }
};


static void ngx_http_convo_session_report_body(ngx_http_request_t *r,
    json_t *body);
static ngx_int_t ngx_http_convo_session_report_take(
    ngx_http_convo_session_report_t *report, const convo_report_t *taken);
static ngx_int_t ngx_http_convo_session_report_refuse(ngx_http_request_t *r,
    convo_report_e fault);
static ngx_int_t ngx_http_convo_session_report_ask(
    ngx_http_convo_session_report_t *report, const ngx_str_t *sides);
static void ngx_http_convo_session_report_reply(void *data,
    const redisReply *reply);
static ngx_int_t ngx_http_convo_session_report_again(
    ngx_http_convo_session_report_t *report, const redisReply *reply);
static ngx_uint_t ngx_http_convo_session_report_says(const redisReply *reply,
    const char *word);
static ngx_int_t ngx_http_convo_session_report_done(
    ngx_http_convo_session_report_t *report);


ngx_int_t
ngx_http_convo_session_report_handler(ngx_http_request_t *r)
{
    ngx_int_t                         rc;
    ngx_http_convo_caller_t          *caller;
    ngx_http_convo_session_report_t  *report;

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_convo_check_method(r, NGX_HTTP_POST);
    }

    caller = ngx_http_convo_caller_get(r, &rc);
    if (caller == NULL) {
        return rc;
    }

    report = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_session_report_t));
    if (report == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    report->caller = caller;

    ngx_http_set_ctx(r, report, ngx_http_convo_session_module);

    return ngx_http_convo_read_body(r, ngx_http_convo_session_report_body);
}


static void
ngx_http_convo_session_report_body(ngx_http_request_t *r, json_t *body)
{
    ngx_int_t                         rc;
    convo_report_t                    taken;
    convo_report_e                    fault;
    ngx_http_convo_session_report_t  *report;

    fault = convo_report_read(&taken, body);

    if (fault != CONVO_REPORT_OK) {
        ngx_http_finalize_request(r,
                              ngx_http_convo_session_report_refuse(r, fault));
        return;
    }

    report = ngx_http_get_module_ctx(r, ngx_http_convo_session_module);

    rc = ngx_http_convo_session_report_take(report, &taken);

    if (rc == NGX_OK) {
        rc = ngx_http_convo_session_report_ask(report, NULL);
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, ngx_http_convo_session_not_asked(r, rc));
        return;
    }

    ngx_http_convo_caller_watch(r);
}


/* The body is freed before the second call. */

static ngx_int_t
ngx_http_convo_session_report_take(ngx_http_convo_session_report_t *report,
    const convo_report_t *taken)
{
    u_char  *p;

    p = ngx_pnalloc(report->caller->request->pool,
                    CONVO_SID_LEN + taken->reason_len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    report->sid.data = p;
    report->sid.len = CONVO_SID_LEN;
    report->reason.data = ngx_cpymem(p, taken->sid, CONVO_SID_LEN);
    report->reason.len = taken->reason_len;

    ngx_memcpy(report->reason.data, taken->reason, taken->reason_len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_session_report_refuse(ngx_http_request_t *r,
    convo_report_e fault)
{
    const ngx_http_convo_session_report_fault_t  *answer;

    answer = &ngx_http_convo_session_report_faults[fault];

    return ngx_http_convo_problem(r, answer->status, answer->code,
                                  answer->detail);
}


/* The first call with sides NULL. */

static ngx_int_t
ngx_http_convo_session_report_ask(ngx_http_convo_session_report_t *report,
    const ngx_str_t *sides)
{
    ngx_str_t                       keys[5], args[7];
    ngx_uint_t                      i;
    convo_key_t                     names[5];
    const ngx_http_convo_caller_t  *caller;

    caller = report->caller;
    report->named = (sides != NULL);

    if (ngx_http_convo_caller_key(caller, CONVO_KEY_SESSION,
                                  (char *) report->sid.data,
                                  report->sid.len, &names[0])
        != NGX_OK
        || ngx_http_convo_caller_key(caller, CONVO_KEY_REPORTS, NULL, 0,
                                     &names[3])
           != NGX_OK
        || ngx_http_convo_caller_key(caller, CONVO_KEY_REVOKED, NULL, 0,
                                     &names[4])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < 2; i++) {
        if (ngx_http_convo_caller_key(caller,
                             sides ? CONVO_KEY_BLOCKED : CONVO_KEY_NONE,
                             sides ? (char *) sides[i].data : NULL,
                             sides ? sides[i].len : 0, &names[i + 1])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < 5; i++) {
        keys[i] = ngx_http_convo_session_str(&names[i]);
    }

    args[0] = caller->user;
    args[1] = report->sid;
    args[2] = report->reason;

    for (i = 0; i < 2; i++) {
        ngx_str_null(&args[i + 3]);

        if (sides) {
            args[i + 3] = sides[i];
        }
    }

    args[5] = caller->sign_in;
    args[6] = caller->issued;

    return ngx_http_convo_redis_eval(caller->redis, caller->request->pool,
                                     CONVO_SCRIPT_REPORT, keys, 5, args, 7,
                                     ngx_http_convo_session_report_reply,
                                     report);
}


static void
ngx_http_convo_session_report_reply(void *data, const redisReply *reply)
{
    ngx_http_convo_session_report_t *report = data;

    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = report->caller->request;

    if (ngx_http_convo_session_report_says(reply, "again")
        && !report->named)
    {
        rc = ngx_http_convo_session_report_again(report, reply);
        if (rc == NGX_OK) {
            return;
        }

        if (rc == NGX_ERROR) {
            ngx_http_convo_session_log_reply(r->connection->log, "report",
                                             reply);
        }

        rc = ngx_http_convo_session_not_asked(r, rc);

    } else if (ngx_http_convo_session_report_says(reply, "ok")
               || ngx_http_convo_session_report_says(reply, "repeated"))
    {
        rc = ngx_http_convo_session_report_done(report);

    } else if (ngx_http_convo_session_report_says(reply, "revoked")) {
        rc = ngx_http_convo_session_revoked(r);

    } else if (ngx_http_convo_session_report_says(reply, "not_found")) {
        rc = ngx_http_convo_session_report_refuse(r, CONVO_REPORT_NO_SESSION);

    } else {
        ngx_http_convo_session_log_reply(r->connection->log, "report", reply);
        rc = ngx_http_convo_session_unavailable(r);
    }

    ngx_http_convo_session_finish(r, rc);
}


/* NGX_OK when the second call is on its way. */

static ngx_int_t
ngx_http_convo_session_report_again(ngx_http_convo_session_report_t *report,
    const redisReply *reply)
{
    ngx_str_t   sides[2];
    ngx_uint_t  i;

    if (reply->elements != 3) {
        return NGX_ERROR;
    }

    for (i = 0; i < 2; i++) {
        if (reply->element[i + 1]->type != REDIS_REPLY_STRING) {
            return NGX_ERROR;
        }

        sides[i].data = (u_char *) reply->element[i + 1]->str;
        sides[i].len = reply->element[i + 1]->len;
    }

    return ngx_http_convo_session_report_ask(report, sides);
}


/* A reply is a list that begins with a word. */

static ngx_uint_t
ngx_http_convo_session_report_says(const redisReply *reply, const char *word)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_STRING)
    {
        return 0;
    }

    return ngx_strcmp(reply->element[0]->str, word) == 0;
}


static ngx_int_t
ngx_http_convo_session_report_done(ngx_http_convo_session_report_t *report)
{
    return ngx_http_convo_session_send_json(report->caller->request,
               json_pack("{s:s%, s:b}", "sessionId", report->sid.data,
                         report->sid.len, "reported", 1));
}
