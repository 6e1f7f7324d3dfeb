/*
 * What the user's document takes from the turn room.
 */

#ifndef _NGX_HTTP_CONVO_TURN_H_INCLUDED_
#define _NGX_HTTP_CONVO_TURN_H_INCLUDED_


#include "ngx_http_convo.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/*
 * An array of RTCIceServer objects with fresh credentials for the user, by
 * the location's convo_turn; an empty array where there is none.  The
 * credentials last until expires (epoch seconds), or convo_turn's ttl when
 * that is 0.  NULL when memory is short.  The caller owns the reference.
 */
json_t *ngx_http_convo_turn_ice_servers(ngx_http_request_t *r,
    const ngx_str_t *user, time_t expires);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_TURN_H_INCLUDED_ */
