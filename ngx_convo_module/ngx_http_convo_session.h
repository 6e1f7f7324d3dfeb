
/*
 * Inside the session room: what its files know of each other, and what the
 * events room takes from it (the view and the document).
 */

#ifndef _NGX_HTTP_CONVO_SESSION_H_INCLUDED_
#define _NGX_HTTP_CONVO_SESSION_H_INCLUDED_


#include "ngx_http_convo_caller.h"
#include "convo_user_view.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* the pool where convo_pool says nothing */

#define NGX_HTTP_CONVO_SESSION_POOL  "default"

/* a claim passes over users silent for so long; silent_after of worker.conf */

#define NGX_HTTP_CONVO_SESSION_SILENT_MS  "15000"


typedef struct {
    ngx_http_complex_value_t  *pool;         /* NULL: the default */
    ngx_uint_t                 points;
    time_t                     window;       /* s */
    time_t                     session_max;  /* s */
    ngx_str_t                 *endpoint;     /* its directive, or NULL */
} ngx_http_convo_session_loc_conf_t;


/*
 * One question to Redis whose answer is a view.  Embedded in what asks; used
 * again for the next question once the handler was called.
 *
 *   handler   called once with the view, valid during the call; or with NULL
 *             where no view came, which was then logged
 */

typedef void (*ngx_http_convo_session_view_pt)(void *data,
    const convo_user_view_t *view);

typedef struct {
    ngx_http_convo_caller_t         *caller;
    ngx_http_convo_session_view_pt   handler;
    void                            *data;
} ngx_http_convo_session_question_t;


/* what the script "join" takes, and others that put a user into the queue */

#define NGX_HTTP_CONVO_SESSION_JOIN_KEYS  8
#define NGX_HTTP_CONVO_SESSION_JOIN_ARGS  6

typedef struct {
    ngx_str_t     keys[NGX_HTTP_CONVO_SESSION_JOIN_KEYS];
    ngx_str_t     args[NGX_HTTP_CONVO_SESSION_JOIN_ARGS];
    convo_key_t   names[NGX_HTTP_CONVO_SESSION_JOIN_KEYS];
    u_char        numbers[3 * NGX_INT64_LEN];
} ngx_http_convo_session_join_t;

/* The caller's; they point into it.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_http_convo_session_prepare_join(
    const ngx_http_convo_caller_t *caller,
    ngx_http_convo_session_join_t *join);


/*
 * Runs a script that replies with a view.  Returns what
 * ngx_http_convo_redis_eval() returns; the handler is called after NGX_OK
 * only, never from within, and never once the request's pool has gone.
 */
ngx_int_t ngx_http_convo_session_ask(ngx_http_convo_session_question_t *q,
    convo_script_e script, const ngx_str_t *keys, ngx_uint_t nkeys,
    const ngx_str_t *args, ngx_uint_t nargs);

/*
 * The caller leaves the queue or ends the session (script "leave", a few calls
 * of it).  As ngx_http_convo_session_ask(); the view's status is CONVO_VIEW_OK,
 * _REVOKED, or _AGAIN where the session changed each time.
 */
ngx_int_t ngx_http_convo_session_leave(ngx_http_convo_caller_t *caller,
    ngx_http_convo_session_view_pt handler, void *data);

/* Asks for the caller's document as it is (script "session"). */
ngx_int_t ngx_http_convo_session_read(ngx_http_convo_session_question_t *q);


/* what a client has been told last, by which lost data is known */

typedef struct {
    int64_t              version;           /* -1: nothing */
    int64_t              waiting_since_ms;  /* where state is waiting */
    convo_user_state_e   state;
    unsigned             by_us:1;           /* else only a version, and the
                                               client says so itself */
} ngx_http_convo_session_told_t;

/* The view is what the client has been told now. */
void ngx_http_convo_session_tell(ngx_http_convo_session_told_t *told,
    const convo_user_view_t *view);

/* 1 when Redis has lost what was told: the view is older than that. */
ngx_uint_t ngx_http_convo_session_is_lost(
    const ngx_http_convo_session_told_t *told, const convo_user_view_t *view);

/*
 * Gives Redis back what was told (script "recall"); as
 * ngx_http_convo_session_ask().  The view's status is CONVO_VIEW_OK, or
 * CONVO_VIEW_RESTORING where this is to be repeated after a pause.
 */
ngx_int_t ngx_http_convo_session_recall(ngx_http_convo_session_question_t *q,
    const ngx_http_convo_session_told_t *told);

/* How long that pause is, ms; another time for each. */
ngx_msec_t ngx_http_convo_session_recall_pause(void);

/*
 * The user's document with fresh credentials, where the view has a session.
 * A new reference; NULL when memory is short.
 */
json_t *ngx_http_convo_session_document(
    const ngx_http_convo_caller_t *caller, const convo_user_view_t *view);

/* 200 with the document of the view; what a content handler returns. */
ngx_int_t ngx_http_convo_session_send(const ngx_http_convo_caller_t *caller,
    const convo_user_view_t *view);

/* 200 with the JSON, whose reference is taken over (NULL: no memory). */
ngx_int_t ngx_http_convo_session_send_json(ngx_http_request_t *r,
    json_t *json);

/* 403 banned, until when the view says; what a content handler returns. */
ngx_int_t ngx_http_convo_session_banned(ngx_http_request_t *r,
    const convo_user_view_t *view);

/* 503 busy; what a content handler returns. */
ngx_int_t ngx_http_convo_session_busy(ngx_http_request_t *r);

/* 401 revoked; what a content handler returns. */
ngx_int_t ngx_http_convo_session_revoked(ngx_http_request_t *r);

/* 503 restoring; what a content handler returns. */
ngx_int_t ngx_http_convo_session_restoring(ngx_http_request_t *r);

/* 503 redis_unavailable; what a content handler returns. */
ngx_int_t ngx_http_convo_session_unavailable(ngx_http_request_t *r);

/*
 * What a content handler returns where a question was not taken: 503 for
 * NGX_DECLINED, 500 for NGX_ERROR.
 */
ngx_int_t ngx_http_convo_session_not_asked(ngx_http_request_t *r,
    ngx_int_t rc);

/* Finalizes the request from outside of its connection's events. */
void ngx_http_convo_session_finish(ngx_http_request_t *r, ngx_int_t rc);

/* A key as NGINX has its strings; as long as the key. */
ngx_str_t ngx_http_convo_session_str(const convo_key_t *key);

/* Logs a reply that is an error or not what was asked for. */
void ngx_http_convo_session_log_reply(ngx_log_t *log, const char *script,
    const redisReply *reply);


/*
 * Makes the handler the content handler of the location that is being read,
 * on behalf of the directive; what a directive's setter returns.  That users
 * sign in there and that there is a Redis is checked when all was read.
 */
char *ngx_http_convo_session_mount(ngx_conf_t *cf, ngx_command_t *cmd,
    ngx_http_handler_pt handler);


/* the endpoints */

ngx_int_t ngx_http_convo_session_join_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_convo_session_leave_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_convo_session_get_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_convo_session_history_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_convo_session_report_handler(ngx_http_request_t *r);

/*
 * Holds the request until the caller's version is another one, or wait (s) is
 * over; what a content handler returns.
 */
ngx_int_t ngx_http_convo_session_poll(ngx_http_convo_caller_t *caller,
    int64_t version, time_t wait);

/* $convo_pool */
ngx_int_t ngx_http_convo_session_pool_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


extern ngx_module_t  ngx_http_convo_session_module;


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_SESSION_H_INCLUDED_ */
