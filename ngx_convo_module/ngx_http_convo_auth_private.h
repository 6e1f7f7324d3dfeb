/*
 * What the files of the auth room share; other rooms see only
 * ngx_http_convo_auth.h.
 *
 *   _auth_module.c   directives, contexts, variables
 *   _auth_conf.c     what the directives mean, and how they inherit
 *   _auth_provider.c several issuers, of which each token has one
 *   _auth_require.c  claims that a location requires
 *   _auth_claim.c    claims as variables
 *   _auth_check.c    what a location as a whole must have, and must not
 *   _auth_decide.c   the decision for a request, and its enforcement
 *   _auth_verify.c   from a token to its verified claims
 *   _auth_email.c    whether an access token's user has a verified address
 *   _auth_refuse.c   the refusal, as the client sees it
 *   _auth_redirect.c the way to the sign-in page
 *   _auth_token.c    where a request carries its token
 *   _auth_ask.c      a request that fetches keys, or waits for them
 *   _auth_keys.c     key sets: files, fetches, this process's last good keys
 *   _auth_front.c    verified tokens in this process's memory
 *   _auth_cache.c    verified tokens in shared memory
 */

#ifndef _NGX_HTTP_CONVO_AUTH_PRIVATE_H_INCLUDED_
#define _NGX_HTTP_CONVO_AUTH_PRIVATE_H_INCLUDED_


#include "ngx_http_convo_auth.h"
#include "ngx_http_convo_metrics.h"
#include "ngx_http_convo_fetch.h"
#include "convo_claims.h"
#include "convo_fault.h"
#include "convo_jwa.h"
#include "convo_jwks.h"
#include "convo_jws.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/*
 * Where a directive is valid: in convo_auth_provider.  One of the bits that
 * NGINX gives no meaning to (ngx_conf_file.h, ngx_http_config.h).
 */

#define NGX_HTTP_CONVO_AUTH_CONF        0x00400000

#define NGX_HTTP_CONVO_AUTH_KEY_LEN     32    /* SHA-256 */


/*
 * One source of keys: a file, or a request to a location of one server.  The
 * source is configuration; only what "state" and "gate" point to changes.
 */

typedef struct ngx_http_convo_auth_gate_s  ngx_http_convo_auth_gate_t;

typedef struct {
    convo_jwks_t                 *set;        /* the last good keys */
    ngx_msec_t                    asked;      /* the last fetch of any kind */
    ngx_msec_t                    failed;     /* the last fetch in vain */
    ngx_uint_t                    pending;    /* fetches on their way */
    ngx_uint_t                    fetched;    /* fetches that ended */
    ngx_atomic_uint_t             learned;    /* asked since this refresh */
    unsigned                      is_asked:1;
    unsigned                      is_failed:1;
} ngx_http_convo_auth_keys_state_t;

typedef struct {
    ngx_str_t                     name;       /* the path or the URI */
    ngx_uint_t                    is_file;
    ngx_msec_t                    check;      /* ask again after this */
    void                         *server;     /* whose location the URI is */
    u_char                        id[NGX_HTTP_CONVO_AUTH_KEY_LEN];
    ngx_http_convo_auth_gate_t   *gate;       /* in shared memory */
    ngx_http_convo_auth_keys_state_t  *state; /* of this process */
} ngx_http_convo_auth_keys_t;


/* claims whose signature holds, shared by all who look at them */

typedef struct {
    ngx_uint_t                    references;
    time_t                        expires;
    convo_claims_t               *claims;
} ngx_http_convo_auth_proof_t;


typedef struct ngx_http_convo_auth_front_s  ngx_http_convo_auth_front_t;

typedef struct {
    ngx_array_t                   keys;       /* keys_t *, requests in use */
    ngx_array_t                  *providers;  /* or NULL */
    ngx_http_convo_auth_front_t  *front;      /* of this process, or NULL */
    ngx_shm_zone_t               *cache;      /* or NULL */
    ngx_shm_zone_t               *gates;      /* or NULL */
    unsigned                      signs_in:1; /* there is a convo_sign_in */
    unsigned                      asks_email:1;  /* so does a location */
} ngx_http_convo_auth_main_conf_t;


/*
 * What a location asks for, or, in "accepted", what it asks for of tokens of
 * one provider.
 */

typedef struct {
    ngx_flag_t                    enable;

    ngx_str_t                     provider;   /* whose copy this is, or "" */
    ngx_array_t                  *accepts;    /* ngx_str_t, or NULL */
    ngx_http_complex_value_t     *accept_by;  /* one of all, or NULL */
    ngx_array_t                  *accepted;   /* loc_conf_t *, of providers */

    ngx_str_t                     issuer;
    ngx_array_t                  *clients;    /* convo_text_t */
    ngx_uint_t                    uses;       /* CONVO_CLAIMS_USE_* */
    ngx_http_convo_auth_keys_t   *keys;
    convo_jwa_accept_t            accept;     /* both 0: not set */

    ngx_uint_t                    from_header;
    ngx_str_t                     from_cookie;
    ngx_str_t                     from_query;

    ngx_array_t                  *requires;   /* convo_require_t */
    ngx_array_t                  *providers;  /* convo_text_t */
    time_t                        leeway;
    time_t                        lifetime;   /* 0: any */

    ngx_http_complex_value_t     *redirect;   /* or NULL */

    convo_claims_rules_t          rules;      /* the above, merged */
    convo_claims_rules_t          access;     /* of access tokens, if ... */
    ngx_uint_t                    asks_email; /* ... Redis knows the rest */
} ngx_http_convo_auth_loc_conf_t;


/* what is known of a request in the location it is in */

typedef enum {
    ngx_http_convo_auth_undecided = 0,
    ngx_http_convo_auth_waiting,              /* for keys */
    ngx_http_convo_auth_passed,
    ngx_http_convo_auth_refused
} ngx_http_convo_auth_state_e;

typedef enum {
    ngx_http_convo_auth_seen_unknown = 0,     /* not looked for yet */
    ngx_http_convo_auth_seen_off,             /* there is no cache */
    ngx_http_convo_auth_seen_miss,
    ngx_http_convo_auth_seen_hit,             /* in shared memory */
    ngx_http_convo_auth_seen_front            /* by this process */
} ngx_http_convo_auth_seen_e;

typedef enum {
    ngx_http_convo_auth_email_unasked = 0,
    ngx_http_convo_auth_email_verified,
    ngx_http_convo_auth_email_unverified,
    ngx_http_convo_auth_email_untold          /* Redis did not answer */
} ngx_http_convo_auth_email_e;

typedef struct {
    ngx_http_convo_auth_loc_conf_t  *location;  /* decided for this one */
    ngx_http_convo_auth_loc_conf_t  *conf;    /* the same, or a provider's */
    ngx_http_convo_auth_state_e   state;
    convo_fault_e                 fault;      /* when refused */

    ngx_str_t                     token;
    convo_jws_t                   jws;
    ngx_http_convo_auth_seen_e    seen;       /* how its signature is known */
    convo_claims_t               *claims;     /* when it holds */
    ngx_http_convo_auth_user_t    user;       /* when passed */

    ngx_http_convo_auth_email_e   email;      /* of an access token's user */

    unsigned                      asked:1;    /* for keys as they are */
    unsigned                      refreshed:1;  /* for an unknown kid */
    unsigned                      waited:1;   /* for another's fetch */
    unsigned                      is_asking:1;  /* now */
    unsigned                      is_refreshing:1;  /* past the cache */
    unsigned                      is_tied:1;  /* by a cleanup */

    ngx_event_t                   wait;
    ngx_uint_t                    wait_for;   /* a fetch more than these */
    ngx_msec_t                    wait_since;
    ngx_msec_t                    wait_began; /* the first of its waits */
} ngx_http_convo_auth_ctx_t;


extern ngx_module_t  ngx_http_convo_auth_module;


/* _auth_conf.c: setters of ngx_command_t, creation and merge */

char *ngx_http_convo_auth_set_issuer(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_client(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_token_use(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_keys_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_keys_request(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
char *ngx_http_convo_auth_set_algorithms(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_provider(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_leeway(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_lifetime(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_cache(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

void *ngx_http_convo_auth_create_loc_conf(ngx_conf_t *cf);

/* Inherits what is not set, checks it, and finds its keys for the server. */
char *ngx_http_convo_auth_make_whole(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *prev,
    ngx_http_convo_auth_loc_conf_t *conf);

char *ngx_http_convo_auth_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);


/* _auth_require.c */

/* The setter of convo_auth_require. */
char *ngx_http_convo_auth_set_require(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Whom convo_claims_check() shall ask within this request. */
void ngx_http_convo_auth_require_edge(ngx_http_request_t *r,
    convo_require_edge_t *edge);


/* _auth_claim.c */

/* The setter of convo_claim_set. */
char *ngx_http_convo_auth_claim_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* The handler of $convo_claim_NAME; data is the variable's whole name. */
ngx_int_t ngx_http_convo_auth_claim_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* _auth_check.c */

/* NGX_CONF_ERROR, logged, when the merged location cannot be protected. */
char *ngx_http_convo_auth_check(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf);


/* The directive without which the configuration is not whole, or NULL. */
const char *ngx_http_convo_auth_missing(
    const ngx_http_convo_auth_loc_conf_t *conf);

/* 1 while the server itself is merged, and none of its locations. */
ngx_uint_t ngx_http_convo_auth_is_server(ngx_conf_t *cf);

/* NGX_CONF_ERROR, logged, when something would answer before the decision. */
char *ngx_http_convo_auth_check_place(ngx_conf_t *cf);


/* _auth_provider.c */

char *ngx_http_convo_auth_provider_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_convo_auth_set_accept(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Says which providers a location has; before anything else is inherited. */
char *ngx_http_convo_auth_inherit_accept(ngx_conf_t *cf,
    const ngx_http_convo_auth_loc_conf_t *prev,
    ngx_http_convo_auth_loc_conf_t *conf);

/* Makes conf->accepted of a merged location with conf->accepts. */
char *ngx_http_convo_auth_accept(ngx_conf_t *cf,
    ngx_http_convo_auth_loc_conf_t *conf);

/*
 * Sets ctx->conf to that of the token's provider, where there are several.
 * CONVO_FAULT_NONE, _ISSUER, _CLAIMS or _INTERNAL.
 */
convo_fault_e ngx_http_convo_auth_choose(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);


/* _auth_decide.c */

/* Handlers of the rewrite and the access phase. */
ngx_int_t ngx_http_convo_auth_rewrite_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_convo_auth_access_handler(ngx_http_request_t *r);

/* What variables may look at; NULL before the decision. */
ngx_http_convo_auth_ctx_t *ngx_http_convo_auth_ctx(ngx_http_request_t *r);

/* Decides a request that has waited, and goes on with it. */
void ngx_http_convo_auth_resume(ngx_http_request_t *r);

/* Whether the access phase decides, and other modules may let it in. */
ngx_uint_t ngx_http_convo_auth_satisfies_any(ngx_http_request_t *r);


/* _auth_verify.c */

/*
 * CONVO_FAULT_NONE when the signature of ctx->jws holds under the set: then
 * ctx->claims live until the request's pool goes.
 */
convo_fault_e ngx_http_convo_auth_verify(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, const convo_jwks_t *set);


/* _auth_email.c */

/* 1 when the claims are an access token's, else 0. */
ngx_uint_t ngx_http_convo_auth_is_access(const convo_claims_t *claims);

/*
 * Whether an access token's user has a verified e-mail address, where the
 * location asks for that: NGX_OK also where it does not, NGX_DECLINED when
 * not, NGX_ERROR when Redis does not tell, NGX_AGAIN: the request is resumed
 * when it has.
 */
ngx_int_t ngx_http_convo_auth_email_check(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);


/* _auth_refuse.c */

/* Answers a request refused for ctx->fault; what a phase handler returns. */
ngx_int_t ngx_http_convo_auth_refuse(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);


/* _auth_redirect.c */

char *ngx_http_convo_auth_set_redirect(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * For a refused request: the status of the redirect, whose headers are set,
 * for ngx_http_finalize_request(); NGX_DECLINED where the client shall get
 * the refusal itself, or NGX_ERROR.
 */
ngx_int_t ngx_http_convo_auth_redirect(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);

/* The handler that has to be the last of the access phase. */
ngx_int_t ngx_http_convo_auth_redirect_handler(ngx_http_request_t *r);

/* $convo_return_uri */
ngx_int_t ngx_http_convo_auth_return_uri_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


/* _auth_token.c */

/* A header NGINX has no field for, by its name in lower case; or NULL. */
const ngx_str_t *ngx_http_convo_auth_header(ngx_http_request_t *r,
    const char *name);

/*
 * Finds the request's token, which lives as long as the request.  NGX_OK, or
 * NGX_DECLINED when it carries none that counts here.
 */
ngx_int_t ngx_http_convo_auth_find_token(ngx_http_request_t *r,
    const ngx_http_convo_auth_loc_conf_t *conf, ngx_str_t *token);


/* _auth_ask.c */

/*
 * Both suspend the request, which is decided anew later: NGX_AGAIN, or
 * NGX_ERROR when out of memory.  The first fetches keys, past the cache if
 * refresh is 1, the second waits until others have.
 */
ngx_int_t ngx_http_convo_auth_ask(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx, ngx_uint_t refresh);
ngx_int_t ngx_http_convo_auth_wait(ngx_http_request_t *r,
    ngx_http_convo_auth_ctx_t *ctx);


/* _auth_keys.c */

/* Reads a key file now.  NULL after an error was logged. */
ngx_http_convo_auth_keys_t *ngx_http_convo_auth_keys_file(ngx_conf_t *cf,
    const ngx_str_t *path);

/* A source that belongs to no server yet; NULL when out of memory. */
ngx_http_convo_auth_keys_t *ngx_http_convo_auth_keys_request(ngx_conf_t *cf,
    const ngx_str_t *uri, ngx_msec_t check);

/*
 * The source as the server that is being merged has it: the location behind
 * one URI is another in each server.  NULL when out of memory.
 */
ngx_http_convo_auth_keys_t *ngx_http_convo_auth_keys_bind(ngx_conf_t *cf,
    ngx_http_convo_auth_keys_t *keys, const ngx_str_t *issuer);

/* The keys that verify now, or NULL.  Valid until the event loop's turn. */
const convo_jwks_t *ngx_http_convo_auth_keys_set(
    const ngx_http_convo_auth_keys_t *keys);

/* What a request does before it goes on. */

typedef enum {
    ngx_http_convo_auth_keys_nothing = 0,
    ngx_http_convo_auth_keys_wait,            /* it may be on its way */
    ngx_http_convo_auth_keys_ask,             /* the cache may answer */
    ngx_http_convo_auth_keys_refresh          /* past the cache */
} ngx_http_convo_auth_keys_advice_e;

/*
 * Whether the document is asked for again; waited: how long, in ms, the
 * request has waited until now.
 */
ngx_http_convo_auth_keys_advice_e ngx_http_convo_auth_keys_due(
    ngx_http_convo_auth_keys_t *keys, ngx_msec_t waited);

/*
 * What to do about a kid that this process does not know.  waited: whether the
 * request has waited for a fetch of this process.
 */
ngx_http_convo_auth_keys_advice_e ngx_http_convo_auth_keys_unknown(
    ngx_http_convo_auth_keys_t *keys, ngx_uint_t waited);

/* A fetch has begun; it has ended, with or without an answer. */
void ngx_http_convo_auth_keys_begin(ngx_http_convo_auth_keys_t *keys);
void ngx_http_convo_auth_keys_end(ngx_http_convo_auth_keys_t *keys,
    ngx_uint_t refresh);

/* How many fetches of this process have ended. */
ngx_uint_t ngx_http_convo_auth_keys_fetched(
    const ngx_http_convo_auth_keys_t *keys);

/*
 * 1 while who waits since then shall go on to wait: a fetch is on its way,
 * and none has ended here since there were so many.
 */
ngx_uint_t ngx_http_convo_auth_keys_are_coming(
    const ngx_http_convo_auth_keys_t *keys, ngx_uint_t fetched,
    ngx_msec_t since);

/* Takes what a fetch brought; keeps the last good keys when it is no good. */
void ngx_http_convo_auth_keys_take(ngx_http_convo_auth_keys_t *keys,
    const ngx_http_convo_fetch_answer_t *answer, ngx_log_t *log);


/* _auth_front.c */

/*
 * A front that never holds more than size bytes, empty in each process that
 * is forked from here.  NULL when out of memory.
 */
ngx_http_convo_auth_front_t *ngx_http_convo_auth_front_create(ngx_conf_t *cf,
    size_t size);

/* Forgets all; requests keep the proofs they hold. */
void ngx_http_convo_auth_front_empty(ngx_http_convo_auth_front_t *front);

/*
 * What this process knows of a token by these keys and algorithms, or NULL.
 * The caller has a reference to the proof, and releases it.
 */
ngx_http_convo_auth_proof_t *ngx_http_convo_auth_front_find(
    ngx_http_convo_auth_front_t *front, const convo_jwks_t *set,
    const convo_jwa_accept_t *accept, const ngx_str_t *token);

/*
 * Whether a verified token was asked for here before, not long ago: 1 or 0,
 * where 1 may at times be wrong.  Notes it when not.
 */
ngx_uint_t ngx_http_convo_auth_front_knows(
    ngx_http_convo_auth_front_t *front, const ngx_str_t *token);

/*
 * Remembers a token that was not found, until it expires or others are used
 * more; may silently not.  The front takes a reference of its own.
 */
void ngx_http_convo_auth_front_put(ngx_http_convo_auth_front_t *front,
    const convo_jwks_t *set, const convo_jwa_accept_t *accept,
    const ngx_str_t *token, ngx_http_convo_auth_proof_t *proof);

/* Takes over the claims, with one reference; NULL when out of memory. */
ngx_http_convo_auth_proof_t *ngx_http_convo_auth_proof_create(
    convo_claims_t *claims);

/* The last one frees the claims. */
void ngx_http_convo_auth_proof_release(ngx_http_convo_auth_proof_t *proof);


/* _auth_cache.c */

ngx_shm_zone_t *ngx_http_convo_auth_cache_add(ngx_conf_t *cf,
    ngx_str_t *name, size_t size);

/*
 * The key under which a token is kept that was verified by this set where
 * these algorithms are accepted: elsewhere it may not have been.  The hash of
 * what is signed is left in jws.  NGX_OK, or NGX_ERROR when out of memory.
 */
ngx_int_t ngx_http_convo_auth_cache_key(ngx_shm_zone_t *zone, u_char *key,
    const convo_jwks_t *set, const convo_jwa_accept_t *accept,
    convo_jws_t *jws);

/* 1 when the signature is known to hold, else 0. */
ngx_uint_t ngx_http_convo_auth_cache_has(ngx_shm_zone_t *zone,
    const u_char *key);

/* Remembers that it holds, until the token expires; may silently not. */
void ngx_http_convo_auth_cache_put(ngx_shm_zone_t *zone, const u_char *key,
    time_t expires);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_AUTH_PRIVATE_H_INCLUDED_ */
