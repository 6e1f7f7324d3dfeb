
/*
 * Inside the turn room: what its directives give to its credentials.
 */

#ifndef _NGX_HTTP_CONVO_TURN_CONF_H_INCLUDED_
#define _NGX_HTTP_CONVO_TURN_CONF_H_INCLUDED_


#include "ngx_http_convo_turn.h"
#include "convo_secrets.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* one configured provider, read-only once NGINX serves */

typedef struct {
    ngx_array_t       stuns;        /* ngx_str_t: need no credentials */
    ngx_array_t       turns;        /* ngx_str_t: at least one */
    ngx_str_t         urls;         /* the parameters, as they stand */
    ngx_str_t         life;
    ngx_str_t         file;
    convo_secrets_t   secrets;
    time_t            ttl;
} ngx_http_convo_turn_t;


typedef struct {
    ngx_http_convo_turn_t  *turn;
    ngx_flag_t              endpoint;
    ngx_flag_t              bare;         /* format=ice-server */
    time_t                  ttl;          /* the endpoint's own, or 0 */
} ngx_http_convo_turn_loc_conf_t;


/* The content handler of convo_turn_credentials. */
ngx_int_t ngx_http_convo_turn_handler(ngx_http_request_t *r);


extern ngx_module_t  ngx_http_convo_turn_module;


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_TURN_CONF_H_INCLUDED_ */
