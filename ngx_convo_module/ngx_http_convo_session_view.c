
/*
 * Views from Redis and documents from views; contracts are in
 * ngx_http_convo_session.h.
 *
 * How it fails: no answer (Redis went, or was too slow) and an error reply are
 * the same to who asks, no view; error replies are logged, as an operator has
 * to know of them.  A location without convo_livekit still tells a user of
 * the session, with livekit null, and logs that.
 */


#include "ngx_http_convo_session.h"
#include "ngx_http_convo_livekit.h"
#include "ngx_http_convo_turn.h"


/* of an error reply, in a log line */

#define NGX_HTTP_CONVO_SESSION_ERROR_MAX  256


static void ngx_http_convo_session_reply(void *data,
    const redisReply *reply);


ngx_int_t
ngx_http_convo_session_ask(ngx_http_convo_session_question_t *q,
    convo_script_e script, const ngx_str_t *keys, ngx_uint_t nkeys,
    const ngx_str_t *args, ngx_uint_t nargs)
{
    ngx_http_convo_caller_t  *caller;

    caller = q->caller;

    return ngx_http_convo_redis_eval(caller->redis, caller->request->pool,
                                     script, keys, nkeys, args, nargs,
                                     ngx_http_convo_session_reply, q);
}


ngx_int_t
ngx_http_convo_session_read(ngx_http_convo_session_question_t *q)
{
    u_char       points[NGX_INT_T_LEN];
    ngx_str_t    keys[3], arg;
    convo_key_t  queue, stats;

    if (ngx_http_convo_caller_key(q->caller, CONVO_KEY_QUEUE, NULL, 0, &queue)
        != NGX_OK
        || ngx_http_convo_caller_key(q->caller, CONVO_KEY_STATS, NULL, 0,
                                     &stats)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    keys[0] = q->caller->key;
    keys[1] = ngx_http_convo_session_str(&queue);
    keys[2] = ngx_http_convo_session_str(&stats);

    arg.data = points;
    arg.len = ngx_sprintf(points, "%ui", q->caller->points) - points;

    return ngx_http_convo_session_ask(q, CONVO_SCRIPT_SESSION, keys, 3, &arg,
                                      1);
}


static void
ngx_http_convo_session_reply(void *data, const redisReply *reply)
{
    ngx_http_convo_session_question_t *q = data;

    convo_user_view_t  view;

    if (convo_user_view_read(&view, reply) == 0) {
        q->handler(q->data, &view);
        return;
    }

    ngx_http_convo_session_log_reply(q->caller->request->connection->log,
                                     "view", reply);
    q->handler(q->data, NULL);
}


void
ngx_http_convo_session_log_reply(ngx_log_t *log, const char *script,
    const redisReply *reply)
{
    if (reply == NULL) {
        /* the redis room has said why */
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "convo session: %s: redis answered \"%*s\"", script,
                      ngx_min(reply->len, NGX_HTTP_CONVO_SESSION_ERROR_MAX),
                      reply->str);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, log, 0,
                  "convo session: %s: redis answered what no script of this "
                  "version answers", script);
}


json_t *
ngx_http_convo_session_document(const ngx_http_convo_caller_t *caller,
    const convo_user_view_t *view)
{
    char                 room[CONVO_ROOM_MAX + 1];
    char                 identity[CONVO_IDENTITY_LEN + 1];
    time_t               expires;
    json_t              *livekit, *ice_servers;
    ngx_http_request_t  *r;

    r = caller->request;
    livekit = NULL;
    ice_servers = NULL;

    if (convo_user_view_has_session(view)) {

        (void) convo_room(room, (char *) caller->pool.data, caller->pool.len,
                          view->sid);
        convo_identity(identity, view->sid, view->side);
        expires = convo_user_view_access_ends(view);

        livekit = ngx_http_convo_livekit_access(r, room, identity, expires);
        ice_servers = ngx_http_convo_turn_ice_servers(r, &caller->user,
                                                      expires);

        if (livekit == NULL) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "convo session: no LiveKit token could be made, "
                          "is there a \"convo_livekit\"?");
        }

        if (ice_servers == NULL) {
            json_decref(livekit);
            return NULL;
        }
    }

    return convo_user_document(view, (char *) caller->user.data,
                               caller->user.len, (char *) caller->pool.data,
                               caller->pool.len, livekit, ice_servers);
}


ngx_int_t
ngx_http_convo_session_send(const ngx_http_convo_caller_t *caller,
    const convo_user_view_t *view)
{
    return ngx_http_convo_session_send_json(caller->request,
                             ngx_http_convo_session_document(caller, view));
}


ngx_int_t
ngx_http_convo_session_send_json(ngx_http_request_t *r, json_t *json)
{
    size_t     size;
    ngx_str_t  text;

    size = json_dumpb(json, NULL, 0, JSON_COMPACT);

    text.len = 0;
    text.data = size ? ngx_pnalloc(r->pool, size) : NULL;

    if (text.data) {
        text.len = json_dumpb(json, (char *) text.data, size, JSON_COMPACT);
    }

    json_decref(json);

    if (text.len == 0 || text.len > size) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_convo_send_json(r, NGX_HTTP_OK, &text);
}


ngx_int_t
ngx_http_convo_session_unavailable(ngx_http_request_t *r)
{
    return ngx_http_convo_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "redis_unavailable",
                                  "The service is not available just now.");
}


ngx_int_t
ngx_http_convo_session_not_asked(ngx_http_request_t *r, ngx_int_t rc)
{
    return rc == NGX_DECLINED ? ngx_http_convo_session_unavailable(r)
                              : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


void
ngx_http_convo_session_finish(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


ngx_str_t
ngx_http_convo_session_str(const convo_key_t *key)
{
    ngx_str_t  str;

    str.data = (u_char *) key->name;
    str.len = key->len;

    return str;
}
