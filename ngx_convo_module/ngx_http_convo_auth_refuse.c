
/*
 * The refusal of a request, as its client sees it: RFC 6750's challenge with
 * a problem document, the way to the sign-in page for who would read a page,
 * or the bare status where NGINX still asks others.
 */


#include "ngx_http_convo_auth_private.h"


static ngx_int_t ngx_http_convo_auth_reply(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const ngx_http_convo_problem_t *problem);
static ngx_uint_t ngx_http_convo_auth_challenges(ngx_uint_t status);


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
        if (ngx_http_convo_auth_challenges(problem.status)
            && ngx_http_convo_challenge(r, &problem) != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return problem.status;
    }

    ngx_http_finalize_request(r, ngx_http_convo_auth_reply(r, ctx, &problem));

    return NGX_DONE;
}


/*
 * Within an error_page NGINX would go on saying the status that brought the
 * request here, be it "=200"; the refusal says its own, as NGINX's do.
 */

static ngx_int_t
ngx_http_convo_auth_reply(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const ngx_http_convo_problem_t *problem)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_auth_redirect(r, ctx);

    if (rc != NGX_DECLINED) {
        return rc;
    }

    if (ngx_http_convo_auth_challenges(problem->status)
        && ngx_http_convo_challenge(r, problem) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->err_status = 0;

    return ngx_http_convo_send_problem(r, problem);
}


/* RFC 6750, section 3: whenever the token does not let in */

static ngx_uint_t
ngx_http_convo_auth_challenges(ngx_uint_t status)
{
    return status == NGX_HTTP_UNAUTHORIZED || status == NGX_HTTP_FORBIDDEN;
}
