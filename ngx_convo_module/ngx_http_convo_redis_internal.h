/*
 * Inside the redis room: what its files know of each other.
 *
 *   _module      the directive, and one ngx_http_convo_redis_t per different
 *                configuration
 *   _link        one connection and its life: name, connect, fall, come back
 *   _greet       how it signs in
 *   _wire        its bytes: commands out, replies in
 *   _command     scripts over one link, answered in the order they were sent
 *   _subscriber  channels over another link
 *
 * What is configured stands first in ngx_http_convo_redis_t and is never
 * written again; the rest belongs to the process.
 */

#ifndef _NGX_HTTP_CONVO_REDIS_INTERNAL_H_INCLUDED_
#define _NGX_HTTP_CONVO_REDIS_INTERNAL_H_INCLUDED_


#include "ngx_http_convo_redis.h"
#include "ngx_http_convo_metrics.h"
#include "convo_redis_url.h"

#include <ngx_event.h>
#include <ngx_event_connect.h>


#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif


/* "redis://[HOST]:PORT/DB" or "unix:PATH" in log lines */

#define NGX_HTTP_CONVO_REDIS_NAME_MAX    (CONVO_REDIS_HOST_MAX + 32)

/* the last reason of a failure, so that the same one is logged once */

#define NGX_HTTP_CONVO_REDIS_REASON_MAX  160

/* AUTH, SELECT, PING */

#define NGX_HTTP_CONVO_REDIS_GREETINGS   3


typedef struct ngx_http_convo_redis_link_s  ngx_http_convo_redis_link_t;


/*
 * Who uses a link.  None of these may close the link; all may write to it.
 *
 *   up      signed in: write what has waited
 *   reply   one reply, freed afterwards; NGX_ERROR when it is none that can
 *           come here, and the link falls
 *   down    the link fell and everything written is lost
 *   health  called every few seconds while up, to ask for a sign of life;
 *           NGX_ERROR when the last one was not answered
 */

typedef struct {
    ngx_int_t  (*reply)(ngx_http_convo_redis_link_t *link,
                   const redisReply *reply);
    void       (*up)(ngx_http_convo_redis_link_t *link);
    void       (*down)(ngx_http_convo_redis_link_t *link);
    ngx_int_t  (*health)(ngx_http_convo_redis_link_t *link);
} ngx_http_convo_redis_user_t;


typedef enum {
    NGX_HTTP_CONVO_REDIS_LINK_REST = 0,  /* nothing is open or planned */
    NGX_HTTP_CONVO_REDIS_LINK_PAUSE,     /* the next attempt is planned */
    NGX_HTTP_CONVO_REDIS_LINK_RESOLVE,   /* waits for the resolver */
    NGX_HTTP_CONVO_REDIS_LINK_CONNECT,   /* waits for the peer's SYN-ACK */
    NGX_HTTP_CONVO_REDIS_LINK_GREET,     /* waits for AUTH, SELECT, PING */
    NGX_HTTP_CONVO_REDIS_LINK_UP,
    NGX_HTTP_CONVO_REDIS_LINK_CLOSED     /* the process ends */
} ngx_http_convo_redis_link_state_e;


struct ngx_http_convo_redis_link_s {
    ngx_http_convo_redis_t             *redis;
    const ngx_http_convo_redis_user_t  *user;
    ngx_connection_t                   *connection;   /* NULL unless open */
    ngx_socket_t                        ident;        /* for debug logs */

    ngx_http_convo_redis_link_state_e   state;
    ngx_uint_t                          failures;     /* since it was well */
    ngx_msec_t                          since;        /* of being up */
    unsigned                            wanted:1;     /* reconnect if lost */
    unsigned                            lost:1;       /* a fall was logged */
    const char                         *recycle;      /* why to fall when what
                                                         was read is done */

    ngx_event_t                         timer;        /* deadline or pause */
    ngx_event_t                         health;
    ngx_event_t                         flush;        /* posted */
    ngx_resolver_ctx_t                 *resolving;
    ngx_sockaddr_t                      sockaddr;
    ngx_log_t                           log;

    u_char                             *out;          /* bytes to write */
    u_char                             *out_pos;
    u_char                             *out_last;
    u_char                             *out_end;

    redisReader                        *reader;
    redisReplyObjectFunctions           functions;    /* the reader's */
    void                             *(*create_array)(const redisReadTask *,
                                            int);     /* hiredis's own */
    size_t                              reply_size;   /* of the unfinished */
    ngx_uint_t                          reply_elements;

    ngx_uint_t                          greeting;     /* next of greetings */
    ngx_uint_t                          ngreetings;
    const char                         *greetings[
                                            NGX_HTTP_CONVO_REDIS_GREETINGS];

    u_char                              reason[
                                            NGX_HTTP_CONVO_REDIS_REASON_MAX];
};


typedef struct {
    ngx_http_convo_redis_link_t         link;
    ngx_queue_t                         waiting;  /* in the order written */
    ngx_uint_t                          nwaiting;
    size_t                              size;     /* bytes in waiting */
    ngx_msec_t                          heard;    /* time of the last reply */
    ngx_event_t                         timer;
} ngx_http_convo_redis_commands_t;


typedef struct {
    ngx_http_convo_redis_link_t         link;
    ngx_rbtree_t                        channels;  /* by name */
    ngx_rbtree_node_t                   sentinel;
    ngx_queue_t                         all;       /* the same channels */
    ngx_queue_t                         unasked;   /* to be subscribed */
    ngx_uint_t                          asked;     /* not yet confirmed */
    ngx_queue_t                         due;       /* subscribers to tell */
    ngx_event_t                         ask;       /* posted */
    ngx_event_t                         tell;      /* posted */
    unsigned                            pinged:1;
} ngx_http_convo_redis_subscriber_t;


struct ngx_http_convo_redis_s {
    convo_redis_url_t                   url;
    ngx_msec_t                          timeout;
    ngx_resolver_t                     *resolver;  /* NULL: use addrs */
    ngx_addr_t                         *addrs;
    ngx_uint_t                          naddrs;
    ngx_str_t                           name;      /* nothing secret in it */

    ngx_http_convo_redis_commands_t     commands;
    ngx_http_convo_redis_subscriber_t   subscriber;
    ngx_http_convo_redis_counters_t     counters;
};


/* Once in each process, before anything else; opens nothing. */
void ngx_http_convo_redis_link_init(ngx_http_convo_redis_link_t *link,
    ngx_http_convo_redis_t *redis, const ngx_http_convo_redis_user_t *user);

/*
 * Something waits for the link: connects at once from rest, or from a pause
 * after a link that was well.  Calls nobody back but "down" where the attempt
 * fails in here.
 */
void ngx_http_convo_redis_link_demand(ngx_http_convo_redis_link_t *link);

/*
 * The link falls: logs the reason, frees everything it holds, tells "down"
 * and plans the next attempt.  To be called from event handlers only, never
 * from a callback of the link's user.
 */
void ngx_http_convo_redis_link_fail(ngx_http_convo_redis_link_t *link,
    ngx_err_t err, const char *reason);

/* The process ends: closes without a word, tells nobody, never opens again. */
void ngx_http_convo_redis_link_close(ngx_http_convo_redis_link_t *link);

/* The greeting is over: tells "up". */
void ngx_http_convo_redis_link_up(ngx_http_convo_redis_link_t *link);

/* Whether the peer took the connection; NGX_ERROR when the link has fallen. */
ngx_int_t ngx_http_convo_redis_link_connected(
    ngx_http_convo_redis_link_t *link);


/* Begins the greeting of a connected link; the link may fall in here. */
void ngx_http_convo_redis_greet(ngx_http_convo_redis_link_t *link);

/* A reply while the link greets: goes on, or the link falls, or it is up. */
void ngx_http_convo_redis_greet_reply(ngx_http_convo_redis_link_t *link,
    const redisReply *reply);


/* A reader for a new connection; NGX_ERROR when memory is short. */
ngx_int_t ngx_http_convo_redis_wire_open(ngx_http_convo_redis_link_t *link);

/* Frees the reader and what was not written; may come more than once. */
void ngx_http_convo_redis_wire_close(ngx_http_convo_redis_link_t *link);

/*
 * Writes a formatted command (of an up link) with whatever else this turn of
 * the event loop writes.  NGX_ERROR when the bytes do not fit or memory is
 * short; the command is then not written, not even a part of it.
 */
ngx_int_t ngx_http_convo_redis_wire_write(ngx_http_convo_redis_link_t *link,
    const u_char *data, size_t size);

/* The same for a command that is formatted here. */
ngx_int_t ngx_http_convo_redis_wire_command(ngx_http_convo_redis_link_t *link,
    int argc, const char **argv, const size_t *lens);

/* Event handlers: of the posted flush and of the connection. */
void ngx_http_convo_redis_wire_flush(ngx_event_t *ev);
void ngx_http_convo_redis_wire_write_handler(ngx_event_t *wev);
void ngx_http_convo_redis_wire_read_handler(ngx_event_t *rev);


void ngx_http_convo_redis_commands_init(ngx_http_convo_redis_t *redis);
void ngx_http_convo_redis_commands_close(ngx_http_convo_redis_t *redis);

void ngx_http_convo_redis_subscriber_init(ngx_http_convo_redis_t *redis);
void ngx_http_convo_redis_subscriber_close(ngx_http_convo_redis_t *redis);


/* 1 where an error reply begins with the word, "NOSCRIPT" for example. */
ngx_uint_t ngx_http_convo_redis_is_error(const redisReply *reply,
    const char *word);


#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif


#endif /* _NGX_HTTP_CONVO_REDIS_INTERNAL_H_INCLUDED_ */
