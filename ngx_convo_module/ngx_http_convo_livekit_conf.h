/*
 * What the files of the livekit room share among themselves.
 */

#ifndef _NGX_HTTP_CONVO_LIVEKIT_CONF_H_INCLUDED_
#define _NGX_HTTP_CONVO_LIVEKIT_CONF_H_INCLUDED_


#include "ngx_http_convo_livekit.h"
#include "convo_livekit_token.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/*
 * The longest webhook taken.  One about a participant has some 700 bytes, and
 * 500 more for each track that was published.
 */

#define NGX_HTTP_CONVO_WEBHOOK_MAX  (64 * 1024)


/* one configured LiveKit, read-only once NGINX serves */

typedef struct {
    ngx_str_t            url;       /* where browsers connect */
    ngx_str_t            name;      /* the API key, NUL terminated */
    ngx_str_t            file;
    convo_secrets_t      secrets;
    convo_livekit_key_t  key;       /* points to name and secrets */
} ngx_http_convo_livekit_t;


/* The LiveKit of the request's location, or NULL. */
const ngx_http_convo_livekit_t *ngx_http_convo_livekit_get(
    ngx_http_request_t *r);

/* The content handler of convo_livekit_webhook. */
ngx_int_t ngx_http_convo_livekit_webhook_handler(ngx_http_request_t *r);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_LIVEKIT_CONF_H_INCLUDED_ */
