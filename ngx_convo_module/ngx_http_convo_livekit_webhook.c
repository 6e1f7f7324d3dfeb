
/*
 * LiveKit's webhooks: who came to a room and who went, appended once each to
 * the Redis stream of the room's pool, from where the workers take them.
 *
 * A webhook counts only by its signature over the whole body
 * (convo_livekit_token.h); what it says is taken apart by
 * convo_livekit_event.h.  Events of rooms that are none of ours, and those that
 * nobody waits for, are answered 200 and forgotten.
 *
 * How it fails: LiveKit repeats a webhook that was answered 5xx or not at
 * all, so an event is acknowledged only when it is in Redis, and an event
 * whose id is known is acknowledged without a second entry.  While Redis is
 * down the answer is 503 at once.  LiveKit gives up after some tries; the
 * workers look for themselves now and then.  When the connection goes while
 * Redis is asked, the entry may or may not be there, and the repetition
 * finds out.
 */


#include "ngx_http_convo_livekit_conf.h"
#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_redis.h"
#include "convo_livekit_event.h"


/* clocks may differ by so much (LiveKit allows the same) */

#define NGX_HTTP_CONVO_WEBHOOK_LEEWAY    60

/* how long an event's id is remembered: longer than LiveKit repeats it */

#define NGX_HTTP_CONVO_WEBHOOK_REMEMBER  "3600"


static void ngx_http_convo_webhook_body_ready(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_webhook_take(ngx_http_request_t *r);
static ngx_int_t ngx_http_convo_webhook_body(ngx_http_request_t *r,
    ngx_str_t *body);
static ngx_int_t ngx_http_convo_webhook_too_large(ngx_http_request_t *r);
static ngx_uint_t ngx_http_convo_webhook_is_json(ngx_http_request_t *r);
static convo_livekit_verdict_e ngx_http_convo_webhook_verify(
    ngx_http_request_t *r, ngx_str_t *body);
static ngx_int_t ngx_http_convo_webhook_refuse(ngx_http_request_t *r,
    convo_livekit_verdict_e verdict);
static ngx_int_t ngx_http_convo_webhook_append(ngx_http_request_t *r,
    const convo_livekit_event_t *event);
static void ngx_http_convo_webhook_appended(void *data,
    const redisReply *reply);
static ngx_int_t ngx_http_convo_webhook_done(ngx_http_request_t *r,
    const char *result);
static ngx_int_t ngx_http_convo_webhook_failed(ngx_http_request_t *r,
    const char *why);


ngx_int_t
ngx_http_convo_livekit_webhook_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_check_method(r, NGX_HTTP_POST);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_http_convo_webhook_is_json(r)) {
        return ngx_http_convo_problem(r, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                      "unsupported_media_type",
                                      "A webhook is "
                                      "application/webhook+json.");
    }

    if (r->headers_in.authorization == NULL) {
        ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_REFUSED);
        return ngx_http_convo_problem(r, NGX_HTTP_UNAUTHORIZED,
                                      "missing_token", NULL);
    }

    if (r->headers_in.content_length_n > NGX_HTTP_CONVO_WEBHOOK_MAX) {
        return ngx_http_convo_webhook_too_large(r);
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r,
                                           ngx_http_convo_webhook_body_ready);

    return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
}


static void
ngx_http_convo_webhook_body_ready(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_webhook_take(r);

    if (rc == NGX_AGAIN) {
        r->read_event_handler = ngx_http_test_reading;
        return;
    }

    ngx_http_finalize_request(r, rc);
}


/* NGX_AGAIN when Redis was asked, else what finalizes the request */

static ngx_int_t
ngx_http_convo_webhook_take(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_str_t                body;
    convo_livekit_event_t    event;
    convo_livekit_event_e    understood;
    convo_livekit_verdict_e  verdict;

    rc = ngx_http_convo_webhook_body(r, &body);

    if (rc == NGX_DECLINED) {
        return ngx_http_convo_webhook_too_large(r);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    verdict = ngx_http_convo_webhook_verify(r, &body);
    if (verdict != CONVO_LIVEKIT_OK) {
        return ngx_http_convo_webhook_refuse(r, verdict);
    }

    understood = convo_livekit_event_read(&event, (char *) body.data,
                                          body.len);

    if (understood == CONVO_LIVEKIT_EVENT_OK) {
        rc = ngx_http_convo_webhook_append(r, &event);

    } else if (understood == CONVO_LIVEKIT_EVENT_IGNORED) {
        ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_IGNORED);
        rc = ngx_http_convo_webhook_done(r, "ignored");

    } else {
        ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_REFUSED);
        ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                      "convo livekit: webhook with a good signature is not "
                      "understood");
        rc = ngx_http_convo_problem(r, NGX_HTTP_BAD_REQUEST, "bad_request",
                                    "The body is no event of LiveKit.");
    }

    convo_livekit_event_free(&event);

    return rc;
}


/*
 * The body as one string.  NGINX has put it in one buffer, or in two where
 * the first part came with the header.  NGX_DECLINED when it is too large, as
 * is every body that went to a file: see the merge of the configuration.
 */

static ngx_int_t
ngx_http_convo_webhook_body(ngx_http_request_t *r, ngx_str_t *body)
{
    off_t         size;
    u_char       *p;
    ngx_chain_t  *cl;

    ngx_str_null(body);

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    size = 0;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        if (cl->buf->in_file) {
            return NGX_DECLINED;
        }

        size += ngx_buf_size(cl->buf);
    }

    if (size > NGX_HTTP_CONVO_WEBHOOK_MAX) {
        return NGX_DECLINED;
    }

    cl = r->request_body->bufs;

    if (cl->next == NULL) {
        body->data = cl->buf->pos;
        body->len = size;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;
    body->len = size;

    for ( /* void */ ; cl; cl = cl->next) {
        p = ngx_cpymem(p, cl->buf->pos, ngx_buf_size(cl->buf));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_webhook_too_large(ngx_http_request_t *r)
{
    ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_REFUSED);

    return ngx_http_convo_problem(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                  "too_large",
                                  "The body is longer than any webhook.");
}


/* either type, in any case, alone or with parameters */

static ngx_uint_t
ngx_http_convo_webhook_is_json(ngx_http_request_t *r)
{
    u_char      *p, *last;
    ngx_str_t   *type;
    ngx_uint_t   i;

    static ngx_str_t  types[] = {
        ngx_string("application/webhook+json"),
        ngx_string("application/json")
    };

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = &r->headers_in.content_type->value;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {

        if (type->len < types[i].len
            || ngx_strncasecmp(type->data, types[i].data, types[i].len) != 0)
        {
            continue;
        }

        p = type->data + types[i].len;
        last = type->data + type->len;

        while (p < last && (*p == ' ' || *p == '\t')) {
            p++;
        }

        return p == last || *p == ';';
    }

    return 0;
}


static convo_livekit_verdict_e
ngx_http_convo_webhook_verify(ngx_http_request_t *r, ngx_str_t *body)
{
    ngx_str_t                       *header;
    const ngx_http_convo_livekit_t  *livekit;

    livekit = ngx_http_convo_livekit_get(r);
    header = &r->headers_in.authorization->value;

    return convo_livekit_verify(&livekit->key, (char *) header->data,
                                header->len, body->data, body->len,
                                ngx_time(), NGX_HTTP_CONVO_WEBHOOK_LEEWAY);
}


static ngx_int_t
ngx_http_convo_webhook_refuse(ngx_http_request_t *r,
    convo_livekit_verdict_e verdict)
{
    ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_REFUSED);
    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "convo livekit: webhook refused: %s",
                  convo_livekit_verdict(verdict));

    if (verdict == CONVO_LIVEKIT_MEMORY) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_convo_problem(r, NGX_HTTP_UNAUTHORIZED, "invalid_token",
                                  "The token does not sign this body.");
}


static ngx_int_t
ngx_http_convo_webhook_append(ngx_http_request_t *r,
    const convo_livekit_event_t *event)
{
    u_char                   at[NGX_INT64_LEN], side;
    ngx_int_t                rc;
    ngx_str_t                keys[2], args[6];
    convo_key_t              event_key, stream_key;
    ngx_http_convo_redis_t  *redis;

    redis = ngx_http_convo_redis_get(r);
    if (redis == NULL) {
        return ngx_http_convo_webhook_failed(r, "no \"convo_redis\" here");
    }

    /* neither can fail: the room's and the event's names were checked */

    if (convo_key(&event_key, event->pool, event->pool_len, CONVO_KEY_EVENT,
                  event->id, event->id_len)
        != 0
        || convo_key(&stream_key, event->pool, event->pool_len,
                     CONVO_KEY_LIVEKIT, NULL, 0)
           != 0)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    keys[0].data = (u_char *) event_key.name;
    keys[0].len = event_key.len;
    keys[1].data = (u_char *) stream_key.name;
    keys[1].len = stream_key.len;

    side = event->side;

    ngx_str_set(&args[0], NGX_HTTP_CONVO_WEBHOOK_REMEMBER);
    args[1].data = (u_char *) event->what;
    args[1].len = ngx_strlen(event->what);
    args[2].data = (u_char *) event->sid;
    args[2].len = CONVO_SID_LEN;
    args[3].data = &side;
    args[3].len = side ? 1 : 0;
    args[4].data = (u_char *) event->psid;
    args[4].len = event->psid_len;
    args[5].data = at;
    args[5].len = ngx_sprintf(at, "%L", event->at_ms) - at;

    rc = ngx_http_convo_redis_eval(redis, r->pool,
                                   CONVO_SCRIPT_LIVEKIT_EVENT, keys, 2,
                                   args, 6, ngx_http_convo_webhook_appended,
                                   r);

    if (rc == NGX_OK) {
        return NGX_AGAIN;
    }

    return ngx_http_convo_webhook_failed(r, rc == NGX_DECLINED
                                            ? "Redis is down"
                                            : "out of memory");
}


static void
ngx_http_convo_webhook_appended(void *data, const redisReply *reply)
{
    ngx_http_request_t *r = data;

    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = r->connection;

    if (reply == NULL) {
        rc = ngx_http_convo_webhook_failed(r, "no answer");

    } else if (reply->type == REDIS_REPLY_ERROR) {
        rc = ngx_http_convo_webhook_failed(r, reply->str);

    } else if (reply->type != REDIS_REPLY_INTEGER) {
        rc = ngx_http_convo_webhook_failed(r, "unexpected answer");

    } else if (reply->integer == 0) {
        ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_REPEATED);
        rc = ngx_http_convo_webhook_done(r, "repeated");

    } else {
        ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_APPENDED);
        rc = ngx_http_convo_webhook_done(r, "appended");
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_convo_webhook_done(ngx_http_request_t *r, const char *result)
{
    ngx_str_t  text;

    text.data = ngx_pnalloc(r->pool, sizeof("{\"result\":\"appended\"}"));
    if (text.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.len = ngx_sprintf(text.data, "{\"result\":\"%s\"}", result)
               - text.data;

    return ngx_http_convo_send_json(r, NGX_HTTP_OK, &text);
}


static ngx_int_t
ngx_http_convo_webhook_failed(ngx_http_request_t *r, const char *why)
{
    ngx_http_convo_count(NGX_HTTP_CONVO_WEBHOOK_FAILED);
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "convo livekit: webhook not taken: %s", why);

    return ngx_http_convo_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "redis_unavailable",
                                  "The event could not be stored, send it "
                                  "again.");
}
