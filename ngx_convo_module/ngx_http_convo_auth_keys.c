
/*
 * Key sets: read from a file at start and reload, or fetched from an
 * internal location whose proxy_cache decides how fresh they are.
 *
 * Each process keeps the last good keys it parsed, and parses again only
 * when the bytes changed.  A fetch belongs to the request that makes it.
 * One request of a process asks again after "check", the others go on with
 * the keys there are; so a key that the provider has withdrawn is forgotten,
 * cached tokens and all, "check" after the cache has noticed.
 *
 * A kid that is not known bypasses the cache ($convo_keys_refresh), but only
 * through a gate in shared memory that opens once in 30 s for an issuer.
 * Who finds it shut waits for the one that went through, if it is on its way,
 * and then each process asks the cache once, which has the new keys.
 *
 * How it fails: a document that is rubbish, empty or never came keeps the
 * last good keys, and the log says why.  Without any keys one request of a
 * process asks and the others wait for it: an answer frees them all, a client
 * that goes leaves the fetch to the next.  Nobody asks within a second of a
 * failure, and none waits for a provider that hangs longer than 5 s.
 */


#include "ngx_http_convo_auth_private.h"

#include <openssl/sha.h>


/* in milliseconds */

#define NGX_HTTP_CONVO_AUTH_REFRESH_EVERY   30000
#define NGX_HTTP_CONVO_AUTH_REFRESH_LASTS   5000   /* who waits goes on */
#define NGX_HTTP_CONVO_AUTH_FIRST_LASTS     5000   /* the next one may ask */
#define NGX_HTTP_CONVO_AUTH_RETRY_AFTER     1000

/* issuers that can have a gate of their own, in one shared zone */

#define NGX_HTTP_CONVO_AUTH_GATES           256
#define NGX_HTTP_CONVO_AUTH_GATES_SIZE      (128 * 1024)


struct ngx_http_convo_auth_gate_s {
    u_char               id[NGX_HTTP_CONVO_AUTH_KEY_LEN];
    ngx_atomic_t         used;       /* when last claimed, ms, never 0 */
    ngx_atomic_t         refreshed;  /* when last passed, ms, 0: never */
    ngx_atomic_t         done;       /* the "refreshed" that has ended */
};


static ngx_http_convo_auth_keys_t *ngx_http_convo_auth_keys_create(
    ngx_conf_t *cf, const ngx_str_t *name);
static void ngx_http_convo_auth_keys_destroy(void *data);
static ssize_t ngx_http_convo_auth_keys_read(ngx_conf_t *cf,
    const ngx_str_t *path, u_char *text);
static void ngx_http_convo_auth_keys_log(ngx_log_t *log,
    const ngx_str_t *name, const convo_jwks_report_t *report);
static ngx_int_t ngx_http_convo_auth_keys_id(ngx_conf_t *cf,
    ngx_http_convo_auth_keys_t *keys, const ngx_str_t *issuer);
static ngx_int_t ngx_http_convo_auth_keys_add_zone(ngx_conf_t *cf);
static ngx_int_t ngx_http_convo_auth_keys_init_zone(ngx_shm_zone_t *zone,
    void *data);
static ngx_http_convo_auth_gate_t *ngx_http_convo_auth_keys_gate(
    ngx_http_convo_auth_gate_t *gates, const u_char *id);
static ngx_http_convo_auth_keys_advice_e ngx_http_convo_auth_keys_first(
    const ngx_http_convo_auth_keys_state_t *state, ngx_msec_t waited);
static ngx_uint_t ngx_http_convo_auth_keys_is_refreshing(
    const ngx_http_convo_auth_keys_t *keys);
static ngx_uint_t ngx_http_convo_auth_keys_is_same(
    const ngx_http_convo_auth_keys_state_t *state, const ngx_str_t *text);


ngx_http_convo_auth_keys_t *
ngx_http_convo_auth_keys_file(ngx_conf_t *cf, const ngx_str_t *path)
{
    u_char                      *text;
    ssize_t                      n;
    convo_jwks_report_t          report;
    ngx_http_convo_auth_keys_t  *keys;

    keys = ngx_http_convo_auth_keys_create(cf, path);
    if (keys == NULL) {
        return NULL;
    }

    keys->is_file = 1;

    /* one byte more than allowed shows a file that is too long */

    text = ngx_palloc(cf->temp_pool, CONVO_JWKS_TEXT_MAX + 1);
    if (text == NULL) {
        return NULL;
    }

    n = ngx_http_convo_auth_keys_read(cf, path, text);
    if (n == NGX_ERROR) {
        return NULL;
    }

    keys->state->set = convo_jwks_parse((char *) text, n, &report);

    if (keys->state->set == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"convo_auth_keys_file\" \"%V\" holds no usable "
                           "key: %s; expected a JWK Set with public keys "
                           "for signatures",
                           path, report.reason);
        return NULL;
    }

    ngx_http_convo_auth_keys_log(cf->log, path, &report);

    return keys;
}


ngx_http_convo_auth_keys_t *
ngx_http_convo_auth_keys_request(ngx_conf_t *cf, const ngx_str_t *uri,
    ngx_msec_t check)
{
    ngx_http_convo_auth_keys_t  *keys;

    keys = ngx_http_convo_auth_keys_create(cf, uri);

    if (keys) {
        keys->check = check;
    }

    return keys;
}


ngx_http_convo_auth_keys_t *
ngx_http_convo_auth_keys_bind(ngx_conf_t *cf,
    ngx_http_convo_auth_keys_t *keys, const ngx_str_t *issuer)
{
    ngx_uint_t                         i;
    ngx_http_convo_auth_keys_t        *bound, **known, **slot;
    ngx_http_convo_auth_main_conf_t   *amcf;

    if (keys->is_file) {
        return keys;
    }

    bound = ngx_http_convo_auth_keys_request(cf, &keys->name, keys->check);

    if (bound == NULL
        || ngx_http_convo_auth_keys_id(cf, bound, issuer) != NGX_OK
        || ngx_http_convo_auth_keys_add_zone(cf) != NGX_OK)
    {
        return NULL;
    }

    bound->server = ngx_http_conf_get_module_srv_conf(cf,
                                                      ngx_http_core_module);

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_auth_module);
    known = amcf->keys.elts;

    for (i = 0; i < amcf->keys.nelts; i++) {
        if (known[i]->server == bound->server
            && known[i]->check == bound->check
            && ngx_memcmp(known[i]->id, bound->id,
                          NGX_HTTP_CONVO_AUTH_KEY_LEN)
               == 0)
        {
            return known[i];
        }
    }

    slot = ngx_array_push(&amcf->keys);
    if (slot == NULL) {
        return NULL;
    }

    *slot = bound;

    return bound;
}


const convo_jwks_t *
ngx_http_convo_auth_keys_set(const ngx_http_convo_auth_keys_t *keys)
{
    return keys->state->set;
}


ngx_http_convo_auth_keys_advice_e
ngx_http_convo_auth_keys_due(ngx_http_convo_auth_keys_t *keys,
    ngx_msec_t waited)
{
    ngx_http_convo_auth_keys_state_t   *state;
    ngx_http_convo_auth_keys_advice_e   advice;

    if (keys->is_file) {
        return ngx_http_convo_auth_keys_nothing;
    }

    state = keys->state;

    if (state->set == NULL) {
        advice = ngx_http_convo_auth_keys_first(state, waited);

    } else {
        advice = ngx_current_msec - state->asked < keys->check
                 ? ngx_http_convo_auth_keys_nothing
                 : ngx_http_convo_auth_keys_ask;
    }

    if (advice == ngx_http_convo_auth_keys_ask) {
        state->asked = ngx_current_msec;
        state->is_asked = 1;
    }

    return advice;
}


ngx_http_convo_auth_keys_advice_e
ngx_http_convo_auth_keys_unknown(ngx_http_convo_auth_keys_t *keys,
    ngx_uint_t waited)
{
    ngx_msec_t                         now;
    ngx_atomic_uint_t                  refreshed;
    ngx_http_convo_auth_keys_state_t  *state;

    if (keys->is_file) {
        return ngx_http_convo_auth_keys_nothing;
    }

    now = ngx_current_msec;
    state = keys->state;

    if (state->pending && !waited) {
        return ngx_http_convo_auth_keys_wait;
    }

    refreshed = keys->gate->refreshed;

    if (refreshed == 0
        || now - refreshed >= NGX_HTTP_CONVO_AUTH_REFRESH_EVERY)
    {
        if (ngx_atomic_cmp_set(&keys->gate->refreshed, refreshed, now)) {
            state->asked = now;
            state->learned = now;
            return ngx_http_convo_auth_keys_refresh;
        }

        refreshed = keys->gate->refreshed;
    }

    if (ngx_http_convo_auth_keys_is_refreshing(keys)) {
        return ngx_http_convo_auth_keys_wait;
    }

    /* the cache has what another process fetched: once is enough */

    if (state->learned != refreshed) {
        state->asked = now;
        state->learned = refreshed;
        return ngx_http_convo_auth_keys_ask;
    }

    return ngx_http_convo_auth_keys_nothing;
}


void
ngx_http_convo_auth_keys_begin(ngx_http_convo_auth_keys_t *keys)
{
    keys->state->pending++;
}


void
ngx_http_convo_auth_keys_end(ngx_http_convo_auth_keys_t *keys,
    ngx_uint_t refresh)
{
    keys->state->pending--;
    keys->state->fetched++;

    if (refresh) {
        keys->gate->done = keys->gate->refreshed;
    }
}


ngx_uint_t
ngx_http_convo_auth_keys_fetched(const ngx_http_convo_auth_keys_t *keys)
{
    return keys->state->fetched;
}


ngx_uint_t
ngx_http_convo_auth_keys_are_coming(const ngx_http_convo_auth_keys_t *keys,
    ngx_uint_t fetched, ngx_msec_t since)
{
    return keys->state->fetched == fetched
           && ngx_current_msec - since < NGX_HTTP_CONVO_AUTH_REFRESH_LASTS
           && (keys->state->pending
               || ngx_http_convo_auth_keys_is_refreshing(keys));
}


void
ngx_http_convo_auth_keys_take(ngx_http_convo_auth_keys_t *keys,
    const ngx_http_convo_fetch_answer_t *answer, ngx_log_t *log)
{
    convo_jwks_t                      *set;
    convo_jwks_report_t                report;
    ngx_http_convo_auth_keys_state_t  *state;

    state = keys->state;

    if (answer->status != NGX_HTTP_OK) {
        set = NULL;
        report.reason = "the answer was not 200 with a whole body";

    } else if (ngx_http_convo_auth_keys_is_same(state, &answer->body)) {
        state->is_failed = 0;
        ngx_http_convo_count(NGX_HTTP_CONVO_KEYS_FETCHED);
        return;

    } else {
        set = convo_jwks_parse((char *) answer->body.data, answer->body.len,
                               &report);
    }

    if (set == NULL) {
        state->failed = ngx_current_msec;
        state->is_failed = 1;

        ngx_http_convo_count(NGX_HTTP_CONVO_KEYS_FAILED);
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "convo auth: no new keys from \"%V\" (status %ui): %s; "
                      "%s", &keys->name, answer->status, report.reason,
                      state->set ? "the last good keys stay in use"
                                 : "there are no keys");
        return;
    }

    convo_jwks_free(state->set);

    state->set = set;
    state->is_failed = 0;

    ngx_http_convo_count(NGX_HTTP_CONVO_KEYS_FETCHED);
    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "convo auth: %uz keys from \"%V\"", convo_jwks_count(set),
                  &keys->name);

    ngx_http_convo_auth_keys_log(log, &keys->name, &report);
}


/* a key file without keys would have stopped the start */

ngx_uint_t
ngx_http_convo_auth_has_keys(ngx_http_request_t *r)
{
    ngx_uint_t                         i;
    ngx_http_core_srv_conf_t          *cscf;
    ngx_http_convo_auth_keys_t       **known;
    ngx_http_convo_auth_main_conf_t   *amcf;

    amcf = ngx_http_get_module_main_conf(r, ngx_http_convo_auth_module);
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);
    known = amcf->keys.elts;

    for (i = 0; i < amcf->keys.nelts; i++) {
        if (known[i]->server == cscf && known[i]->state->set == NULL
            && known[i]->state->is_asked)
        {
            return 0;
        }
    }

    return 1;
}


static ngx_http_convo_auth_keys_t *
ngx_http_convo_auth_keys_create(ngx_conf_t *cf, const ngx_str_t *name)
{
    ngx_pool_cleanup_t          *cln;
    ngx_http_convo_auth_keys_t  *keys;

    cln = ngx_pool_cleanup_add(cf->pool,
                               sizeof(ngx_http_convo_auth_keys_state_t));
    keys = ngx_pcalloc(cf->pool, sizeof(ngx_http_convo_auth_keys_t));

    if (cln == NULL || keys == NULL) {
        return NULL;
    }

    ngx_memzero(cln->data, sizeof(ngx_http_convo_auth_keys_state_t));

    cln->handler = ngx_http_convo_auth_keys_destroy;

    keys->name = *name;
    keys->state = cln->data;

    return keys;
}


static void
ngx_http_convo_auth_keys_destroy(void *data)
{
    ngx_http_convo_auth_keys_state_t  *state = data;

    convo_jwks_free(state->set);
}


/* the bytes read, or NGX_ERROR after an error was logged */

static ssize_t
ngx_http_convo_auth_keys_read(ngx_conf_t *cf, const ngx_str_t *path,
    u_char *text)
{
    ssize_t   n;
    ngx_fd_t  fd;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"convo_auth_keys_file\" \"%V\" cannot be opened; "
                           "expected a readable JWK Set", path);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, text, CONVO_JWKS_TEXT_MAX + 1);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"convo_auth_keys_file\" \"%V\" cannot be read; "
                           "expected a readable JWK Set", path);
        n = NGX_ERROR;
    }

    (void) ngx_close_file(fd);

    return n;
}


/* a line for each entry that is left out, of which a set has 64 at most */

static void
ngx_http_convo_auth_keys_log(ngx_log_t *log, const ngx_str_t *name,
    const convo_jwks_report_t *report)
{
    ngx_uint_t  i;

    for (i = 0; report->refused && i < report->entries; i++) {

        if (report->refusals[i]) {
            ngx_log_error(NGX_LOG_WARN, log, 0,
                          "convo auth: key %ui of %uz in \"%V\" is left out: "
                          "%s", i + 1, report->entries, name,
                          report->refusals[i]);
        }
    }
}


static ngx_int_t
ngx_http_convo_auth_keys_id(ngx_conf_t *cf, ngx_http_convo_auth_keys_t *keys,
    const ngx_str_t *issuer)
{
    u_char     *p;
    ngx_str_t   both;

    both.len = issuer->len + 1 + keys->name.len;
    both.data = ngx_pnalloc(cf->temp_pool, both.len);
    if (both.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(both.data, issuer->data, issuer->len);
    *p++ = '\0';
    ngx_memcpy(p, keys->name.data, keys->name.len);

    SHA256(both.data, both.len, keys->id);

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_auth_keys_add_zone(ngx_conf_t *cf)
{
    ngx_http_convo_auth_main_conf_t  *amcf;

    static ngx_str_t  name = ngx_string("convo_auth_gates");

    amcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_convo_auth_module);

    if (amcf->gates) {
        return NGX_OK;
    }

    amcf->gates = ngx_shared_memory_add(cf, &name,
                                        NGX_HTTP_CONVO_AUTH_GATES_SIZE,
                                        &ngx_http_convo_auth_module);
    if (amcf->gates == NULL) {
        return NGX_ERROR;
    }

    amcf->gates->init = ngx_http_convo_auth_keys_init_zone;
    amcf->gates->data = amcf;

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_auth_keys_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_uint_t                        i;
    ngx_slab_pool_t                  *shpool;
    ngx_http_convo_auth_keys_t      **keys;
    ngx_http_convo_auth_gate_t       *gates;
    ngx_http_convo_auth_main_conf_t  *amcf;

    amcf = zone->data;
    shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (shpool->data == NULL) {
        shpool->data = ngx_slab_calloc(shpool, NGX_HTTP_CONVO_AUTH_GATES
                                         * sizeof(ngx_http_convo_auth_gate_t));
        if (shpool->data == NULL) {
            return NGX_ERROR;
        }
    }

    gates = shpool->data;
    keys = amcf->keys.elts;

    for (i = 0; i < amcf->keys.nelts; i++) {
        keys[i]->gate = ngx_http_convo_auth_keys_gate(gates, keys[i]->id);
    }

    return NGX_OK;
}


/*
 * The issuer's gate, by its id; a new issuer takes a free gate or the one
 * that was claimed longest ago.  Only the master process gets here.
 */

static ngx_http_convo_auth_gate_t *
ngx_http_convo_auth_keys_gate(ngx_http_convo_auth_gate_t *gates,
    const u_char *id)
{
    ngx_uint_t                   i;
    ngx_http_convo_auth_gate_t  *gate, *oldest;

    oldest = &gates[0];

    for (i = 0; i < NGX_HTTP_CONVO_AUTH_GATES; i++) {
        gate = &gates[i];

        if (gate->used
            && ngx_memcmp(gate->id, id, NGX_HTTP_CONVO_AUTH_KEY_LEN) == 0)
        {
            gate->used = ngx_current_msec;
            return gate;
        }

        if (gate->used < oldest->used) {
            oldest = gate;
        }
    }

    ngx_memcpy(oldest->id, id, NGX_HTTP_CONVO_AUTH_KEY_LEN);
    oldest->used = ngx_current_msec ? ngx_current_msec : 1;
    oldest->refreshed = 0;
    oldest->done = 0;

    return oldest;
}


/* without keys one asks at a time, unless it takes too long */

static ngx_http_convo_auth_keys_advice_e
ngx_http_convo_auth_keys_first(const ngx_http_convo_auth_keys_state_t *state,
    ngx_msec_t waited)
{
    if (state->is_failed
        && ngx_current_msec - state->failed < NGX_HTTP_CONVO_AUTH_RETRY_AFTER)
    {
        return ngx_http_convo_auth_keys_nothing;
    }

    if (state->pending == 0
        || ngx_current_msec - state->asked >= NGX_HTTP_CONVO_AUTH_FIRST_LASTS)
    {
        return ngx_http_convo_auth_keys_ask;
    }

    return waited < NGX_HTTP_CONVO_AUTH_FIRST_LASTS
           ? ngx_http_convo_auth_keys_wait
           : ngx_http_convo_auth_keys_nothing;
}


/* in any process; one that has died is not waited for too long */

static ngx_uint_t
ngx_http_convo_auth_keys_is_refreshing(const ngx_http_convo_auth_keys_t *keys)
{
    ngx_atomic_uint_t  refreshed;

    refreshed = keys->gate->refreshed;

    return refreshed != keys->gate->done
           && ngx_current_msec - refreshed < NGX_HTTP_CONVO_AUTH_REFRESH_LASTS;
}


static ngx_uint_t
ngx_http_convo_auth_keys_is_same(
    const ngx_http_convo_auth_keys_state_t *state, const ngx_str_t *text)
{
    u_char  digest[SHA256_DIGEST_LENGTH];

    if (state->set == NULL) {
        return 0;
    }

    SHA256(text->data, text->len, digest);

    return ngx_memcmp(digest, convo_jwks_digest(state->set),
                      CONVO_JWKS_DIGEST_LEN)
           == 0;
}
