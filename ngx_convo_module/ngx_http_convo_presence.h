
/*
 * Who is here: the streams and long polls that are open in this process.
 *
 * For users who wait, being here is a sign of life: the registry touches them
 * in one batched script for each pool every ten seconds, however many streams
 * they have, and marks those whose last one the client closed, so that claims
 * pass over them at once.  It also tells everybody when the process is to end.
 *
 * A mark does no more than that: it is undone by the next sign of life (a
 * read, or a touch by another process, at most ten seconds later), and only
 * silence of 45 s ends a wait.  So a client that merely changed its
 * connection loses nothing.  A process that ends marks nobody: its clients
 * were told to come back and are touched by the next process, perhaps already
 * before the old stream closes here; of those who do not come back the silence
 * tells.
 *
 * How it fails: while Redis is down touches are left out, not queued; Redis
 * itself grants a minute of grace after it was restarted.
 */

#ifndef _NGX_HTTP_CONVO_PRESENCE_H_INCLUDED_
#define _NGX_HTTP_CONVO_PRESENCE_H_INCLUDED_


#include "ngx_http_convo_caller.h"


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


typedef struct ngx_http_convo_presence_user_s  ngx_http_convo_presence_user_t;


/*
 * The process is to end: whoever is here ends within so many ms, at a time of
 * its own choosing so that clients do not all come back at once.  Called once.
 */

typedef void (*ngx_http_convo_presence_end_pt)(void *data, ngx_msec_t within);


/* one stream or long poll; embedded in it */

typedef struct {
    ngx_queue_t                      queue;
    ngx_http_convo_presence_user_t  *user;     /* NULL: not here */
    ngx_http_convo_presence_end_pt   end;
    void                            *data;
    unsigned                         told:1;   /* that the process ends */
} ngx_http_convo_presence_t;


/* Once in each process, before anything else. */
void ngx_http_convo_presence_init(ngx_log_t *log);

/*
 * Somebody is here from now on, not known to wait.  NGX_ERROR when memory is
 * short.  The caller and the presence stay until leave().
 */
ngx_int_t ngx_http_convo_presence_enter(ngx_http_convo_presence_t *presence,
    const ngx_http_convo_caller_t *caller,
    ngx_http_convo_presence_end_pt end, void *data);

/* The user was read: waits or not. */
void ngx_http_convo_presence_waits(ngx_http_convo_presence_t *presence,
    ngx_uint_t waits);

/*
 * No longer here; harmless when repeated.  Marked as gone is only a user whose
 * client went: one that got its answer, or whose token is over, comes back.
 */
void ngx_http_convo_presence_leave(ngx_http_convo_presence_t *presence,
    ngx_uint_t client_went);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_PRESENCE_H_INCLUDED_ */
