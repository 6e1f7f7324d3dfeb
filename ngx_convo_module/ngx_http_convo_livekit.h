/*
 * What the user's document takes from the livekit room.
 */

#ifndef _NGX_HTTP_CONVO_LIVEKIT_H_INCLUDED_
#define _NGX_HTTP_CONVO_LIVEKIT_H_INCLUDED_


#include "ngx_http_convo.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/*
 * {"url", "token"} for one identity in one room, by the location's
 * convo_livekit; the token grants joining, publishing and subscribing there
 * until expires (epoch seconds) and nothing else.  NULL where convo_livekit
 * is missing or memory is short.  The caller owns the reference.  Room and
 * identity are NUL terminated.
 */
json_t *ngx_http_convo_livekit_access(ngx_http_request_t *r, const char *room,
    const char *identity, time_t expires);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_LIVEKIT_H_INCLUDED_ */
