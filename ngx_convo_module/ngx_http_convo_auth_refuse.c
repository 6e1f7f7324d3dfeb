
/*
 * The refusal of a request, as its client sees it: RFC 6750's challenge with
 * a problem document, or the bare status where NGINX still asks others.
 */


#include "ngx_http_convo_auth_private.h"


/*
 * Sends the refusal and ends the request: NGX_DONE, which no phase takes for
 * a pass, while the NGX_OK of a reply that was sent would be one to the
 * access phase.  Under "satisfy any" NGINX wants the bare status instead, so
 * that another access module may still let the request in.
 */

ngx_int_t
ngx_http_convo_auth_refuse(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_http_convo_problem_t    problem;
    const convo_fault_reply_t  *reply;

    reply = convo_fault_reply(ctx->fault);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "convo auth: refused, %s", reply->word);

    problem.status = reply->status;
    problem.code = reply->code;
    problem.detail = reply->detail;
    problem.retry_after = -1;
    problem.extra = NULL;

    if (ngx_http_convo_auth_satisfies_any(r)
        && problem.status < NGX_HTTP_INTERNAL_SERVER_ERROR)
    {
        if (problem.status == NGX_HTTP_UNAUTHORIZED
            && ngx_http_convo_challenge(r, &problem) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return problem.status;
    }

    rc = ngx_http_convo_send_problem(r, &problem);

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}
