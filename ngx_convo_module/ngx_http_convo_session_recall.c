
/*
 * Recalling: what the edge does about data that Redis has lost.
 *
 * A version never falls.  Where Redis says one below what a client was told,
 * or another state of the same version, its last moments have gone: a failover
 * to a replica that lagged, a restore, a Redis that came back empty.  What was
 * told is then all that is left, and the script "recall" takes it: who was
 * told to wait waits again since the same moment; whatever else was told, the
 * version rises above it, as clients take no document below theirs.  A user
 * whom the store did not know to be idle is told "failed" by a version above
 * the store's, and their view says which that was ("lost"): who told them
 * "waiting" by that one or a later one recalls them all the same.
 *
 * A version that only the client names (a long poll's, a Last-Event-ID) says
 * nothing of a state: it just raises the version, which costs nobody else
 * anything, and not beyond what Redis may have given.
 *
 * How it fails: while the pool is being restored nothing is recalled, and the
 * stream or poll asks again, each at a time of its own.  Any number of them,
 * of any process, may recall one user.
 */


#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_session.h"


/* a clock of Redis may have been ahead of the one that follows, ms */

#define NGX_HTTP_CONVO_SESSION_AHEAD      60000

/* between attempts while a pool is restored, ms: from half of it on */

#define NGX_HTTP_CONVO_SESSION_RESTORING  2000


void
ngx_http_convo_session_tell(ngx_http_convo_session_told_t *told,
    const convo_user_view_t *view)
{
    told->version = view->version;
    told->waiting_since_ms = view->waiting_since_ms;
    told->state = view->state;
    told->by_us = 1;
}


ngx_uint_t
ngx_http_convo_session_is_lost(const ngx_http_convo_session_told_t *told,
    const convo_user_view_t *view)
{
    if (told->by_us) {
        if (told->state == CONVO_USER_WAITING && view->lost >= 0
            && told->version >= view->lost)
        {
            return 1;
        }

        return view->version < told->version
               || (view->version == told->version
                   && view->state != told->state);
    }

    return view->version < told->version
           && told->version <= view->now_ms + NGX_HTTP_CONVO_SESSION_AHEAD;
}


ngx_int_t
ngx_http_convo_session_recall(ngx_http_convo_session_question_t *q,
    const ngx_http_convo_session_told_t *told)
{
    u_char                         *p, numbers[2 * NGX_INT64_LEN];
    ngx_str_t                       args[9];
    convo_user_state_e              state;
    ngx_http_convo_session_join_t   join;

    if (ngx_http_convo_session_prepare_join(q->caller, &join) != NGX_OK) {
        return NGX_ERROR;
    }

    state = told->by_us ? told->state : CONVO_USER_IDLE;

    args[0] = join.args[0];

    p = numbers;

    args[1].data = p;
    p = ngx_sprintf(p, "%L", told->version);
    args[1].len = p - args[1].data;

    args[2].data = (u_char *) convo_user_state_name(state);
    args[2].len = ngx_strlen(args[2].data);

    args[3].data = p;
    p = ngx_sprintf(p, "%L", state == CONVO_USER_WAITING
                             ? told->waiting_since_ms : (int64_t) 0);
    args[3].len = p - args[3].data;

    args[4] = join.args[1];
    args[5] = join.args[2];
    args[6] = join.args[3];
    args[7] = join.args[4];
    args[8] = join.args[5];

    ngx_http_convo_count(NGX_HTTP_CONVO_RECALL);

    ngx_log_error(NGX_LOG_NOTICE, q->caller->request->connection->log, 0,
                  "convo session: redis has lost what was told, version %L",
                  told->version);

    return ngx_http_convo_session_ask(q, CONVO_SCRIPT_RECALL, join.keys,
                                      NGX_HTTP_CONVO_SESSION_JOIN_KEYS, args,
                                      9);
}


ngx_msec_t
ngx_http_convo_session_recall_pause(void)
{
    return NGX_HTTP_CONVO_SESSION_RESTORING / 2
           + ngx_random() % (NGX_HTTP_CONVO_SESSION_RESTORING / 2);
}
