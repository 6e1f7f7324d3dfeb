
/*
 * /metrics: the edge's counters and what Redis knows of the pools, in
 * Prometheus' text format (prometheus.io, "Exposition formats", 0.0.4).
 *
 * How it fails: while Redis is down the edge's own numbers are told all the
 * same, and convo_redis_up is 0.
 */


#include "ngx_http_convo_metrics_conf.h"
#include "ngx_http_convo_auth.h"


/* the longest sample, or HELP and TYPE of a family together */

#define NGX_HTTP_CONVO_METRICS_LINE  320


/* an edge's sample; a family's help stands at its first one */

typedef struct {
    ngx_http_convo_counter_e      counter;
    const char                   *name;
    const char                   *label;    /* name="value", or NULL */
    const char                   *help;
} ngx_http_convo_metrics_counter_t;


typedef struct {
    ngx_http_convo_gauge_e        gauge;
    const char                   *name;
    const char                   *help;
} ngx_http_convo_metrics_gauge_t;


/* a pool's family */

typedef struct {
    ngx_http_convo_pool_value_e   value;
    const char                   *name;
    const char                   *type;
    const char                   *help;
} ngx_http_convo_metrics_pool_t;


static ngx_int_t ngx_http_convo_metrics_send(ngx_http_request_t *r,
    const ngx_array_t *pools);
static u_char *ngx_http_convo_metrics_head(u_char *p, u_char *last,
    const char *name, const char *type, const char *help);
static u_char *ngx_http_convo_metrics_edge(u_char *p, u_char *last);
static u_char *ngx_http_convo_metrics_cache(u_char *p, u_char *last,
    ngx_http_request_t *r);
static u_char *ngx_http_convo_metrics_redis(u_char *p, u_char *last,
    const ngx_array_t *pools);
static u_char *ngx_http_convo_metrics_family(u_char *p, u_char *last,
    const ngx_http_convo_metrics_pool_t *family, const ngx_array_t *pools);


static const ngx_http_convo_metrics_counter_t
    ngx_http_convo_metrics_counters[] =
{
    { NGX_HTTP_CONVO_AUTH_ACCEPTED, "convo_auth_accepted_total", NULL,
      "Requests whose token was verified." },

    { NGX_HTTP_CONVO_AUTH_MISSING_TOKEN, "convo_auth_refused_total",
      "code=\"missing_token\"", "Requests refused by convo_auth." },
    { NGX_HTTP_CONVO_AUTH_INVALID_TOKEN, "convo_auth_refused_total",
      "code=\"invalid_token\"", NULL },
    { NGX_HTTP_CONVO_AUTH_REVOKED, "convo_auth_refused_total",
      "code=\"revoked\"", NULL },
    { NGX_HTTP_CONVO_AUTH_EMAIL_NOT_VERIFIED, "convo_auth_refused_total",
      "code=\"email_not_verified\"", NULL },
    { NGX_HTTP_CONVO_AUTH_PROVIDER_NOT_ALLOWED, "convo_auth_refused_total",
      "code=\"provider_not_allowed\"", NULL },
    { NGX_HTTP_CONVO_AUTH_FORBIDDEN, "convo_auth_refused_total",
      "code=\"forbidden\"", NULL },
    { NGX_HTTP_CONVO_AUTH_KEYS_UNAVAILABLE, "convo_auth_refused_total",
      "code=\"keys_unavailable\"", NULL },
    { NGX_HTTP_CONVO_AUTH_REDIS_UNAVAILABLE, "convo_auth_refused_total",
      "code=\"redis_unavailable\"", NULL },
    { NGX_HTTP_CONVO_AUTH_INTERNAL_ERROR, "convo_auth_refused_total",
      "code=\"internal_error\"", NULL },

    { NGX_HTTP_CONVO_AUTH_FRONT_HIT, "convo_auth_cache_total",
      "result=\"front\"", "Look-ups of verified tokens." },
    { NGX_HTTP_CONVO_AUTH_CACHE_HIT, "convo_auth_cache_total",
      "result=\"hit\"", NULL },
    { NGX_HTTP_CONVO_AUTH_CACHE_MISS, "convo_auth_cache_total",
      "result=\"miss\"", NULL },

    { NGX_HTTP_CONVO_AUTH_FRONT_EVICTED, "convo_auth_cache_evicted_total",
      "from=\"front\"", "Verified tokens that made room for others." },
    { NGX_HTTP_CONVO_AUTH_CACHE_EVICTED, "convo_auth_cache_evicted_total",
      "from=\"zone\"", NULL },

    { NGX_HTTP_CONVO_KEYS_FETCHED, "convo_keys_fetches_total",
      "result=\"ok\"", "Fetches of key sets." },
    { NGX_HTTP_CONVO_KEYS_FAILED, "convo_keys_fetches_total",
      "result=\"failed\"", NULL },

    { NGX_HTTP_CONVO_REDIS_COMMAND, "convo_redis_commands_total", NULL,
      "Scripts that Redis was asked to run." },
    { NGX_HTTP_CONVO_REDIS_ERROR, "convo_redis_failures_total",
      "kind=\"error\"", "Scripts that gave no good reply." },
    { NGX_HTTP_CONVO_REDIS_TIMEOUT, "convo_redis_failures_total",
      "kind=\"timeout\"", NULL },
    { NGX_HTTP_CONVO_REDIS_COMMAND_LOST, "convo_redis_failures_total",
      "kind=\"lost\"", NULL },
    { NGX_HTTP_CONVO_REDIS_DECLINED, "convo_redis_failures_total",
      "kind=\"declined\"", NULL },
    { NGX_HTTP_CONVO_REDIS_RELOADED, "convo_redis_scripts_reloaded_total",
      NULL, "Scripts sent again because Redis had lost them." },
    { NGX_HTTP_CONVO_REDIS_CONNECTED, "convo_redis_connects_total", NULL,
      "Connections to Redis that were signed in." },
    { NGX_HTTP_CONVO_REDIS_LINK_FAILED, "convo_redis_link_failures_total",
      NULL, "Connections to Redis that failed or were lost." },
    { NGX_HTTP_CONVO_REDIS_MESSAGES, "convo_redis_messages_total", NULL,
      "Messages of subscriptions." },

    { NGX_HTTP_CONVO_STREAM_OPENED, "convo_streams_opened_total", NULL,
      "Event streams that were opened." },
    { NGX_HTTP_CONVO_POLL_HELD, "convo_polls_held_total", NULL,
      "Long polls that had to wait." },
    { NGX_HTTP_CONVO_RECALL, "convo_recalls_total", NULL,
      "Times that Redis was given back what it had lost." },

    { NGX_HTTP_CONVO_WEBHOOK_APPENDED, "convo_livekit_webhooks_total",
      "result=\"appended\"", "Webhooks of LiveKit." },
    { NGX_HTTP_CONVO_WEBHOOK_REPEATED, "convo_livekit_webhooks_total",
      "result=\"repeated\"", NULL },
    { NGX_HTTP_CONVO_WEBHOOK_IGNORED, "convo_livekit_webhooks_total",
      "result=\"ignored\"", NULL },
    { NGX_HTTP_CONVO_WEBHOOK_REFUSED, "convo_livekit_webhooks_total",
      "result=\"refused\"", NULL },
    { NGX_HTTP_CONVO_WEBHOOK_FAILED, "convo_livekit_webhooks_total",
      "result=\"failed\"", NULL },

    { NGX_HTTP_CONVO_LIVEKIT_TOKEN, "convo_livekit_tokens_total", NULL,
      "Tokens made for users." },
    { NGX_HTTP_CONVO_TURN_CREDENTIALS, "convo_turn_credentials_total", NULL,
      "Credentials made for relays." }
};


static const ngx_http_convo_metrics_gauge_t
    ngx_http_convo_metrics_gauges[] =
{
    { NGX_HTTP_CONVO_STREAMS_OPEN, "convo_streams_open",
      "Event streams that are open." },
    { NGX_HTTP_CONVO_POLLS_OPEN, "convo_polls_open",
      "Long polls that wait." },
    { NGX_HTTP_CONVO_AUTH_FRONT_TOKENS, "convo_auth_front_tokens",
      "Verified tokens in the processes' own memory." },
    { NGX_HTTP_CONVO_AUTH_FRONT_BYTES, "convo_auth_front_bytes",
      "The memory that these take." },
    { NGX_HTTP_CONVO_REVOCATIONS, "convo_revocations",
      "Revocations that processes know, all of them together." },
    { NGX_HTTP_CONVO_REVOCATION_FEEDS, "convo_revocation_feeds",
      "Feeds of revocations that processes follow." },
    { NGX_HTTP_CONVO_REVOCATION_FEEDS_CURRENT,
      "convo_revocation_feeds_current",
      "Those of them that know every revocation." }
};


static const ngx_http_convo_metrics_pool_t
    ngx_http_convo_metrics_families[] =
{
    { NGX_HTTP_CONVO_POOL_READY, "convo_pool_ready", "gauge",
      "1 when the pool is served." },
    { NGX_HTTP_CONVO_POOL_ALIVE, "convo_pool_worker_alive", "gauge",
      "1 when a worker told of itself in the last 15 seconds." },
    { NGX_HTTP_CONVO_POOL_RESTORING, "convo_pool_restoring", "gauge",
      "1 while a worker restores the pool from the store." },
    { NGX_HTTP_CONVO_POOL_WAITING, "convo_pool_queue_length", "gauge",
      "Tickets in the queue, void ones among them." },
    { NGX_HTTP_CONVO_POOL_CLAIMS, "convo_pool_claims", "gauge",
      "Batches of tickets that workers are pairing." },
    { NGX_HTTP_CONVO_POOL_SESSIONS, "convo_pool_sessions", "gauge",
      "Sessions that have not ended." },
    { NGX_HTTP_CONVO_POOL_PROBES, "convo_pool_probes", "gauge",
      "Sessions that LiveKit is asked about." },
    { NGX_HTTP_CONVO_POOL_CLOSING, "convo_pool_rooms_closing", "gauge",
      "Rooms of LiveKit that are to be deleted." },
    { NGX_HTTP_CONVO_POOL_ENDED, "convo_pool_sessions_unstored", "gauge",
      "Ended sessions that wait for the store." },
    { NGX_HTTP_CONVO_POOL_REPORTS, "convo_pool_reports_unstored", "gauge",
      "Reports that wait for the store." },
    { NGX_HTTP_CONVO_POOL_DIRTY, "convo_pool_users_unstored", "gauge",
      "Users whose record the store does not have yet." },
    { NGX_HTTP_CONVO_POOL_EVENTS, "convo_pool_livekit_events", "gauge",
      "Events of LiveKit that wait for a worker." },
    { NGX_HTTP_CONVO_POOL_DEAD, "convo_pool_dead_letters", "gauge",
      "Dead letters that are kept." },
    { NGX_HTTP_CONVO_POOL_BURIED, "convo_pool_dead_letters_total", "counter",
      "Dead letters, since the pool's beginning." },
    { NGX_HTTP_CONVO_POOL_MATCHES, "convo_pool_matches_total", "counter",
      "Pairs that were matched." },
    { NGX_HTTP_CONVO_POOL_WAIT_MS, "convo_pool_wait_milliseconds", "gauge",
      "Moving average of the time from join to match." }
};


#define ngx_http_convo_metrics_n(table)  (sizeof(table) / sizeof(table[0]))


ngx_int_t
ngx_http_convo_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_convo_check_method(r, NGX_HTTP_GET|NGX_HTTP_HEAD);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_convo_pools_ask(r, ngx_http_convo_metrics_pools(r),
                                    ngx_http_convo_metrics_send);
}


static ngx_int_t
ngx_http_convo_metrics_send(ngx_http_request_t *r, const ngx_array_t *pools)
{
    size_t        size;
    u_char       *p, *last;
    ngx_buf_t    *b;
    ngx_int_t     rc;
    ngx_uint_t    i;
    ngx_chain_t   out;

    /* each sample may begin a family of its own; one for Redis and cache */

    size = 2 * NGX_HTTP_CONVO_METRICS_LINE
           * (ngx_http_convo_metrics_n(ngx_http_convo_metrics_counters)
              + ngx_http_convo_metrics_n(ngx_http_convo_metrics_gauges)
              + ngx_http_convo_metrics_n(ngx_http_convo_metrics_families)
                * (1 + pools->nelts) + 2);

    b = ngx_create_temp_buf(r->pool, size);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = b->end;
    p = ngx_http_convo_metrics_edge(b->pos, last);
    p = ngx_http_convo_metrics_cache(p, last, r);
    p = ngx_http_convo_metrics_redis(p, last, pools);

    for (i = 0;
         i < ngx_http_convo_metrics_n(ngx_http_convo_metrics_families);
         i++)
    {
        p = ngx_http_convo_metrics_family(p, last,
                                          &ngx_http_convo_metrics_families[i],
                                          pools);
    }

    b->last = p;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type,
                "text/plain; version=0.0.4; charset=utf-8");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static u_char *
ngx_http_convo_metrics_head(u_char *p, u_char *last, const char *name,
    const char *type, const char *help)
{
    return ngx_slprintf(p, last, "# HELP %s %s\n# TYPE %s %s\n", name, help,
                        name, type);
}


static u_char *
ngx_http_convo_metrics_edge(u_char *p, u_char *last)
{
    ngx_uint_t                               i;
    const ngx_http_convo_metrics_gauge_t    *gauge;
    const ngx_http_convo_metrics_counter_t  *counter;

    for (i = 0;
         i < ngx_http_convo_metrics_n(ngx_http_convo_metrics_counters);
         i++)
    {
        counter = &ngx_http_convo_metrics_counters[i];

        if (counter->help) {
            p = ngx_http_convo_metrics_head(p, last, counter->name, "counter",
                                            counter->help);
        }

        p = ngx_slprintf(p, last, counter->label ? "%s{%s} %uA\n"
                                                 : "%s%s %uA\n",
                         counter->name, counter->label ? counter->label : "",
                         ngx_http_convo_metrics_counter(counter->counter));
    }

    for (i = 0;
         i < ngx_http_convo_metrics_n(ngx_http_convo_metrics_gauges);
         i++)
    {
        gauge = &ngx_http_convo_metrics_gauges[i];

        p = ngx_http_convo_metrics_head(p, last, gauge->name, "gauge",
                                        gauge->help);
        p = ngx_slprintf(p, last, "%s %A\n", gauge->name,
                         ngx_http_convo_metrics_gauge(gauge->gauge));
    }

    return p;
}


static u_char *
ngx_http_convo_metrics_cache(u_char *p, u_char *last, ngx_http_request_t *r)
{
    p = ngx_http_convo_metrics_head(p, last, "convo_auth_cache_tokens",
                                    "gauge",
                                    "Verified tokens in shared memory.");

    return ngx_slprintf(p, last, "convo_auth_cache_tokens %ui\n",
                        ngx_http_convo_auth_cached(r));
}


static u_char *
ngx_http_convo_metrics_redis(u_char *p, u_char *last,
    const ngx_array_t *pools)
{
    ngx_uint_t              i, up;
    ngx_http_convo_pool_t  *pool;

    pool = pools->elts;
    up = 0;

    for (i = 0; i < pools->nelts; i++) {
        up |= pool[i].known;
    }

    p = ngx_http_convo_metrics_head(p, last, "convo_redis_up", "gauge",
                                    "1 when Redis answered just now.");

    return ngx_slprintf(p, last, "convo_redis_up %ui\n", up);
}


/* pools that are not known have no sample, which Prometheus can tell from 0 */

static u_char *
ngx_http_convo_metrics_family(u_char *p, u_char *last,
    const ngx_http_convo_metrics_pool_t *family, const ngx_array_t *pools)
{
    ngx_uint_t              i, n;
    ngx_http_convo_pool_t  *pool;

    pool = pools->elts;
    n = 0;

    for (i = 0; i < pools->nelts; i++) {

        if (!pool[i].known) {
            continue;
        }

        if (n++ == 0) {
            p = ngx_http_convo_metrics_head(p, last, family->name,
                                            family->type, family->help);
        }

        p = ngx_slprintf(p, last, "%s{pool=\"%V\"} %L\n", family->name,
                         &pool[i].name, pool[i].values[family->value]);
    }

    return p;
}
