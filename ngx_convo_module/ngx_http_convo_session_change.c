
/*
 * POST /api/join and POST /api/leave: the two wishes of a user.
 *
 * Each is one script, or for leave at most a few calls of it: whoever is in a
 * session must name the session's keys and learns them from the first answer.
 * In between the session may end or another begin, hence "a few".
 *
 * How it fails: a client that goes does not take back a wish that was sent,
 * the script runs all the same and repeating it is harmless; a script that
 * Redis must be told first is not sent again for a client that has gone.  When
 * Redis does not answer it is 503, and the wish may have been granted: read
 * /api/session.
 */


#include "ngx_http_convo_session.h"


/* calls of the script "leave" for one request */

#define NGX_HTTP_CONVO_SESSION_LEAVE_MAX   4

/* Retry-After where a script has not said when the window ends, s */

#define NGX_HTTP_CONVO_SESSION_RETRY       60


typedef struct {
    ngx_http_convo_caller_t            *caller;
    ngx_http_convo_session_question_t   question;
    ngx_http_convo_session_view_pt      handler;   /* of a leave */
    void                               *data;
    ngx_uint_t                          calls;
} ngx_http_convo_session_change_t;


/* the keys of the script "leave", in its order */

typedef struct {
    const char  *kind;
    enum {
        LEAVE_OF_POOL = 0,
        LEAVE_OF_CALLER,
        LEAVE_OF_SESSION,
        LEAVE_OF_A,
        LEAVE_OF_B
    }            of;
} ngx_http_convo_session_leave_key_t;


static const ngx_http_convo_session_leave_key_t
    ngx_http_convo_session_leave_keys[] =
{
    { CONVO_KEY_USER, LEAVE_OF_CALLER },
    { CONVO_KEY_QUEUE, LEAVE_OF_POOL },
    { CONVO_KEY_STATS, LEAVE_OF_POOL },
    { CONVO_KEY_SESSION, LEAVE_OF_SESSION },
    { CONVO_KEY_USER, LEAVE_OF_A },
    { CONVO_KEY_USER, LEAVE_OF_B },
    { CONVO_KEY_SESSIONS, LEAVE_OF_POOL },
    { CONVO_KEY_CLOSING, LEAVE_OF_POOL },
    { CONVO_KEY_ENDED, LEAVE_OF_POOL },
    { CONVO_KEY_HISTORY, LEAVE_OF_A },
    { CONVO_KEY_HISTORY, LEAVE_OF_B },
    { CONVO_KEY_PROBES, LEAVE_OF_POOL },
    { CONVO_KEY_DIRTY, LEAVE_OF_POOL },
    { CONVO_KEY_READY, LEAVE_OF_POOL },
    { CONVO_KEY_SCHEMA, LEAVE_OF_POOL },
    { CONVO_KEY_REVOKED, LEAVE_OF_POOL }
};

#define LEAVE_KEYS  (sizeof(ngx_http_convo_session_leave_keys)               \
                     / sizeof(ngx_http_convo_session_leave_key_t))


static ngx_int_t ngx_http_convo_session_change(ngx_http_request_t *r,
    ngx_http_convo_body_pt handler);
static ngx_uint_t ngx_http_convo_session_body_is_empty(ngx_http_request_t *r,
    json_t *body);

static void ngx_http_convo_session_join_body(ngx_http_request_t *r,
    json_t *body);
static ngx_int_t ngx_http_convo_session_join(
    ngx_http_convo_session_change_t *change);
static void ngx_http_convo_session_joined(void *data,
    const convo_user_view_t *view);
static ngx_int_t ngx_http_convo_session_no_points(ngx_http_request_t *r,
    const convo_user_view_t *view);

static void ngx_http_convo_session_leave_body(ngx_http_request_t *r,
    json_t *body);
static ngx_int_t ngx_http_convo_session_leave_ask(
    ngx_http_convo_session_change_t *change, const convo_user_view_t *view);
static ngx_int_t ngx_http_convo_session_leave_name(
    const ngx_http_convo_caller_t *caller, const convo_user_view_t *view,
    const ngx_http_convo_session_leave_key_t *key, convo_key_t *name);
static void ngx_http_convo_session_leave_view(void *data,
    const convo_user_view_t *view);
static void ngx_http_convo_session_left(void *data,
    const convo_user_view_t *view);


ngx_int_t
ngx_http_convo_session_join_handler(ngx_http_request_t *r)
{
    return ngx_http_convo_session_change(r, ngx_http_convo_session_join_body);
}


ngx_int_t
ngx_http_convo_session_leave_handler(ngx_http_request_t *r)
{
    return ngx_http_convo_session_change(r,
                                         ngx_http_convo_session_leave_body);
}


static ngx_int_t
ngx_http_convo_session_change(ngx_http_request_t *r,
    ngx_http_convo_body_pt handler)
{
    ngx_int_t                         rc;
    ngx_http_convo_caller_t          *caller;
    ngx_http_convo_session_change_t  *change;

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_convo_check_method(r, NGX_HTTP_POST);
    }

    caller = ngx_http_convo_caller_get(r, &rc);
    if (caller == NULL) {
        return rc;
    }

    change = ngx_pcalloc(r->pool, sizeof(ngx_http_convo_session_change_t));
    if (change == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    change->caller = caller;
    change->question.caller = caller;
    change->question.data = change;

    ngx_http_set_ctx(r, change, ngx_http_convo_session_module);

    return ngx_http_convo_read_body(r, handler);
}


/* Neither wish has members; 0 where the 400 was sent. */

static ngx_uint_t
ngx_http_convo_session_body_is_empty(ngx_http_request_t *r, json_t *body)
{
    static const char *const  none[] = { NULL };

    if (ngx_http_convo_only_members(body, none) == NGX_OK) {
        return 1;
    }

    ngx_http_finalize_request(r,
        ngx_http_convo_problem(r, NGX_HTTP_BAD_REQUEST, "bad_request",
                               "This endpoint takes no members."));
    return 0;
}


static void
ngx_http_convo_session_join_body(ngx_http_request_t *r, json_t *body)
{
    ngx_int_t                         rc;
    ngx_http_convo_session_change_t  *change;

    if (!ngx_http_convo_session_body_is_empty(r, body)) {
        return;
    }

    change = ngx_http_get_module_ctx(r, ngx_http_convo_session_module);
    change->question.handler = ngx_http_convo_session_joined;

    rc = ngx_http_convo_session_join(change);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, ngx_http_convo_session_not_asked(r, rc));
        return;
    }

    ngx_http_convo_caller_watch(r);
}


static ngx_int_t
ngx_http_convo_session_join(ngx_http_convo_session_change_t *change)
{
    ngx_http_convo_session_join_t  join;

    if (ngx_http_convo_session_prepare_join(change->caller, &join) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_convo_session_ask(&change->question, CONVO_SCRIPT_JOIN,
                                      join.keys,
                                      NGX_HTTP_CONVO_SESSION_JOIN_KEYS,
                                      join.args,
                                      NGX_HTTP_CONVO_SESSION_JOIN_ARGS);
}


ngx_int_t
ngx_http_convo_session_prepare_join(const ngx_http_convo_caller_t *caller,
    ngx_http_convo_session_join_t *join)
{
    u_char      *p;
    ngx_uint_t   i;

    static const char *const  kinds[] = {
        CONVO_KEY_QUEUE, CONVO_KEY_ORDER, CONVO_KEY_READY, CONVO_KEY_SCHEMA,
        CONVO_KEY_STATS, CONVO_KEY_DIRTY, CONVO_KEY_REVOKED
    };

    join->keys[0] = caller->key;

    for (i = 1; i < NGX_HTTP_CONVO_SESSION_JOIN_KEYS; i++) {
        if (ngx_http_convo_caller_key(caller, kinds[i - 1], NULL, 0,
                                      &join->names[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        join->keys[i] = ngx_http_convo_session_str(&join->names[i]);
    }

    join->args[0] = caller->user;

    p = join->numbers;

    join->args[1].data = p;
    p = ngx_sprintf(p, "%ui", caller->points);
    join->args[1].len = p - join->args[1].data;

    join->args[2].data = p;
    p = ngx_sprintf(p, "%L", (int64_t) caller->window * 1000);
    join->args[2].len = p - join->args[2].data;

    join->args[3].data = p;
    p = ngx_sprintf(p, "%T", caller->session_max);
    join->args[3].len = p - join->args[3].data;

    join->args[4] = caller->sign_in;
    join->args[5] = caller->issued;

    return NGX_OK;
}


static void
ngx_http_convo_session_joined(void *data, const convo_user_view_t *view)
{
    ngx_http_convo_session_change_t *change = data;

    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = change->caller->request;

    if (view == NULL) {
        rc = ngx_http_convo_session_unavailable(r);

    } else if (view->status == CONVO_VIEW_REVOKED) {
        rc = ngx_http_convo_session_revoked(r);

    } else if (view->status == CONVO_VIEW_NO_POINTS) {
        rc = ngx_http_convo_session_no_points(r, view);

    } else if (view->status == CONVO_VIEW_BANNED) {
        rc = ngx_http_convo_session_banned(r, view);

    } else if (view->status == CONVO_VIEW_RESTORING) {
        rc = ngx_http_convo_session_restoring(r);

    } else {
        rc = ngx_http_convo_session_send(change->caller, view);
    }

    ngx_http_convo_session_finish(r, rc);
}


static ngx_int_t
ngx_http_convo_session_no_points(ngx_http_request_t *r,
    const convo_user_view_t *view)
{
    int64_t                   left_ms;
    ngx_int_t                 rc;
    ngx_http_convo_problem_t  problem;

    problem.status = NGX_HTTP_TOO_MANY_REQUESTS;
    problem.code = "no_points";
    problem.detail = "All points of this window are spent.";
    problem.retry_after = NGX_HTTP_CONVO_SESSION_RETRY;
    problem.extra = NULL;

    if (view->window_end_ms != CONVO_VIEW_NONE) {
        left_ms = view->window_end_ms - view->now_ms;
        problem.retry_after = ngx_max(1, (left_ms + 999) / 1000);
        problem.extra = json_pack("{s:I}", "pointsResetAt",
                            (json_int_t) (view->window_end_ms + 999) / 1000);
    }

    rc = ngx_http_convo_send_problem(r, &problem);

    json_decref(problem.extra);

    return rc;
}


ngx_int_t
ngx_http_convo_session_banned(ngx_http_request_t *r,
    const convo_user_view_t *view)
{
    ngx_int_t                 rc;
    ngx_http_convo_problem_t  problem;

    problem.status = NGX_HTTP_FORBIDDEN;
    problem.code = "banned";
    problem.detail = "You are excluded from conversations.";
    problem.retry_after = -1;
    problem.extra = json_pack("{s:o}", "bannedUntil",
                              convo_user_banned_until(view));

    rc = ngx_http_convo_send_problem(r, &problem);

    json_decref(problem.extra);

    return rc;
}


ngx_int_t
ngx_http_convo_session_revoked(ngx_http_request_t *r)
{
    return ngx_http_convo_problem(r, NGX_HTTP_UNAUTHORIZED, "revoked",
                                  "This sign-in has been ended.");
}


ngx_int_t
ngx_http_convo_session_restoring(ngx_http_request_t *r)
{
    return ngx_http_convo_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "restoring",
                                  "The service is being restored.");
}


static void
ngx_http_convo_session_leave_body(ngx_http_request_t *r, json_t *body)
{
    ngx_int_t                         rc;
    ngx_http_convo_session_change_t  *change;

    if (!ngx_http_convo_session_body_is_empty(r, body)) {
        return;
    }

    change = ngx_http_get_module_ctx(r, ngx_http_convo_session_module);

    rc = ngx_http_convo_session_leave(change->caller,
                                      ngx_http_convo_session_left,
                                      change->caller);

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, ngx_http_convo_session_not_asked(r, rc));
        return;
    }

    ngx_http_convo_caller_watch(r);
}


ngx_int_t
ngx_http_convo_session_leave(ngx_http_convo_caller_t *caller,
    ngx_http_convo_session_view_pt handler, void *data)
{
    ngx_http_convo_session_change_t  *change;

    change = ngx_pcalloc(caller->request->pool,
                         sizeof(ngx_http_convo_session_change_t));
    if (change == NULL) {
        return NGX_ERROR;
    }

    change->caller = caller;
    change->handler = handler;
    change->data = data;
    change->question.caller = caller;
    change->question.handler = ngx_http_convo_session_leave_view;
    change->question.data = change;

    return ngx_http_convo_session_leave_ask(change, NULL);
}


/* The first call with view NULL, the next ones with what was answered. */

static ngx_int_t
ngx_http_convo_session_leave_ask(ngx_http_convo_session_change_t *change,
    const convo_user_view_t *view)
{
    char                            room[CONVO_ROOM_MAX + 1];
    u_char                          points[NGX_INT_T_LEN];
    ngx_str_t                       keys[LEAVE_KEYS], args[5];
    ngx_uint_t                      i;
    convo_key_t                     names[LEAVE_KEYS];
    const ngx_http_convo_caller_t  *caller;

    caller = change->caller;
    change->calls++;

    for (i = 0; i < LEAVE_KEYS; i++) {
        if (ngx_http_convo_session_leave_name(caller, view,
                                 &ngx_http_convo_session_leave_keys[i],
                                 &names[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        keys[i] = ngx_http_convo_session_str(&names[i]);
    }

    args[0].data = points;
    args[0].len = ngx_sprintf(points, "%ui", caller->points) - points;

    ngx_str_null(&args[1]);
    ngx_str_null(&args[2]);

    args[3] = caller->sign_in;
    args[4] = caller->issued;

    if (view) {
        args[1].data = (u_char *) view->sid;
        args[1].len = CONVO_SID_LEN;
        args[2].data = (u_char *) room;
        args[2].len = convo_room(room, (char *) caller->pool.data,
                                 caller->pool.len, view->sid);
    }

    return ngx_http_convo_session_ask(&change->question, CONVO_SCRIPT_LEAVE,
                                      keys, LEAVE_KEYS, args, 5);
}


static ngx_int_t
ngx_http_convo_session_leave_name(const ngx_http_convo_caller_t *caller,
    const convo_user_view_t *view,
    const ngx_http_convo_session_leave_key_t *key, convo_key_t *name)
{
    const char  *id, *user;
    size_t       len;

    user = (char *) caller->user.data;

    if (key->of == LEAVE_OF_POOL) {
        return ngx_http_convo_caller_key(caller, key->kind, NULL, 0, name);
    }

    if (key->of == LEAVE_OF_CALLER) {
        return ngx_http_convo_caller_key(caller, key->kind, user,
                                         caller->user.len, name);
    }

    if (view == NULL) {
        return ngx_http_convo_caller_key(caller, CONVO_KEY_NONE, NULL, 0,
                                         name);
    }

    if (key->of == LEAVE_OF_SESSION) {
        return ngx_http_convo_caller_key(caller, key->kind, view->sid,
                                         CONVO_SID_LEN, name);
    }

    if ((key->of == LEAVE_OF_A) == (view->side == 'a')) {
        id = user;
        len = caller->user.len;

    } else {
        id = view->peer;
        len = view->peer_len;
    }

    return ngx_http_convo_caller_key(caller, key->kind, id, len, name);
}


static void
ngx_http_convo_session_leave_view(void *data, const convo_user_view_t *view)
{
    ngx_http_convo_session_change_t *change = data;

    if (view && view->status == CONVO_VIEW_AGAIN
        && convo_user_view_has_session(view)
        && change->calls < NGX_HTTP_CONVO_SESSION_LEAVE_MAX)
    {
        if (ngx_http_convo_session_leave_ask(change, view) == NGX_OK) {
            return;
        }

        view = NULL;
    }

    change->handler(change->data, view);
}


static void
ngx_http_convo_session_left(void *data, const convo_user_view_t *view)
{
    ngx_http_convo_caller_t *caller = data;

    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = caller->request;

    if (view == NULL) {
        rc = ngx_http_convo_session_unavailable(r);

    } else if (view->status == CONVO_VIEW_REVOKED) {
        rc = ngx_http_convo_session_revoked(r);

    } else if (view->status == CONVO_VIEW_AGAIN) {
        rc = ngx_http_convo_session_busy(r);

    } else if (view->status == CONVO_VIEW_RESTORING) {
        rc = ngx_http_convo_session_restoring(r);

    } else {
        rc = ngx_http_convo_session_send(caller, view);
    }

    ngx_http_convo_session_finish(r, rc);
}


ngx_int_t
ngx_http_convo_session_busy(ngx_http_request_t *r)
{
    return ngx_http_convo_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE, "busy",
                                  "The session changes too fast, repeat.");
}
