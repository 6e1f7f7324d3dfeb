/*
 * Scripts over the command connection.
 *
 * All requests of a process share one connection.  A command waits in one
 * queue from the moment it is accepted until Redis has answered, and as Redis
 * answers in order, the first in the queue is the one a reply belongs to.  A
 * command that nobody waits for any more (its pool has gone, its time has
 * passed) keeps its place in the queue, without its handler, so that its reply
 * is skipped and given to nobody else.
 *
 * How it fails: a client that goes detaches its command by the cleanup of its
 * pool.  A command unanswered for the timeout ends with a NULL reply; if no
 * reply at all came in that time, the connection is taken for dead, and all
 * that wait end so.  A connection lost ends all that wait; while there is
 * none, new ones are declined at once, except during the first attempt, when
 * they wait for it.  A NOSCRIPT (Redis was restarted) is answered by sending
 * the whole script, once.  READONLY (the Redis became a replica) goes to the
 * caller and also ends the connection, so that the next one finds the master.
 *
 * Nothing here closes the connection or takes a command out of the queue
 * while a handler runs, so that a handler may do what it likes: ask again,
 * destroy any pool, finalize any request.
 */

#include "ngx_http_convo_redis_internal.h"


/* commands that may wait, skipped ones included; and their bytes together */

#define NGX_HTTP_CONVO_REDIS_WAITING_MAX  4096
#define NGX_HTTP_CONVO_REDIS_BYTES_MAX    (16 * 1024 * 1024)

/* one command: bytes, keys and arguments */

#define NGX_HTTP_CONVO_REDIS_COMMAND_MAX  (512 * 1024)
#define NGX_HTTP_CONVO_REDIS_ARGS_MAX     4096

/* a number of keys as text */

#define NGX_HTTP_CONVO_REDIS_NUMBER_LEN   NGX_INT_T_LEN


typedef struct ngx_http_convo_redis_command_s  ngx_http_convo_redis_command_t;


/*
 * What a pool holds of a command, in its list of cleanups; used again by the
 * next command of the same pool, so that a long-lived pool does not grow.
 */

typedef struct {
    ngx_http_convo_redis_command_t  *command;   /* NULL: free for use */
} ngx_http_convo_redis_hold_t;


struct ngx_http_convo_redis_command_s {
    ngx_queue_t                      queue;     /* in commands->waiting */
    ngx_http_convo_redis_hold_t     *hold;      /* NULL: nobody waits */
    ngx_http_convo_redis_reply_pt    handler;
    void                            *data;
    const convo_script_t            *script;    /* NULL: a sign of life */
    ngx_msec_t                       start;
    unsigned                         whole:1;   /* EVAL, not EVALSHA */
    size_t                           size;
    u_char                           wire[1];   /* size bytes */
};


static ngx_int_t ngx_http_convo_redis_command_format(
    const convo_script_t *script, const ngx_str_t *keys, ngx_uint_t nkeys,
    const ngx_str_t *args, ngx_uint_t nargs, char **wire, ngx_log_t *log);
static ngx_http_convo_redis_command_t *ngx_http_convo_redis_command_create(
    const void *wire, size_t size, ngx_log_t *log);
static ngx_http_convo_redis_command_t *ngx_http_convo_redis_command_whole(
    const ngx_http_convo_redis_command_t *command, ngx_log_t *log);
static ngx_int_t ngx_http_convo_redis_command_queue(
    ngx_http_convo_redis_commands_t *commands,
    ngx_http_convo_redis_command_t *command);
static ngx_int_t ngx_http_convo_redis_command_has_room(
    ngx_http_convo_redis_commands_t *commands, size_t size);
static ngx_int_t ngx_http_convo_redis_command_again(
    ngx_http_convo_redis_commands_t *commands,
    ngx_http_convo_redis_command_t *command);
static void ngx_http_convo_redis_command_finish(
    ngx_http_convo_redis_command_t *command, const redisReply *reply);
static ngx_http_convo_redis_hold_t *ngx_http_convo_redis_command_hold(
    ngx_pool_t *pool);
static void ngx_http_convo_redis_command_detach(void *data);

static ngx_int_t ngx_http_convo_redis_commands_reply(
    ngx_http_convo_redis_link_t *link, const redisReply *reply);
static void ngx_http_convo_redis_commands_up(
    ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_commands_down(
    ngx_http_convo_redis_link_t *link);
static ngx_int_t ngx_http_convo_redis_commands_health(
    ngx_http_convo_redis_link_t *link);
static void ngx_http_convo_redis_commands_timer(ngx_event_t *ev);
static void ngx_http_convo_redis_commands_expire(
    ngx_http_convo_redis_commands_t *commands);
static ngx_uint_t ngx_http_convo_redis_is_readonly(const redisReply *reply);


static const ngx_http_convo_redis_user_t  ngx_http_convo_redis_commands_user = {
    ngx_http_convo_redis_commands_reply,
    ngx_http_convo_redis_commands_up,
    ngx_http_convo_redis_commands_down,
    ngx_http_convo_redis_commands_health
};


void
ngx_http_convo_redis_commands_init(ngx_http_convo_redis_t *redis)
{
    ngx_http_convo_redis_commands_t  *commands;

    commands = &redis->commands;

    ngx_http_convo_redis_link_init(&commands->link, redis,
                                   &ngx_http_convo_redis_commands_user);

    ngx_queue_init(&commands->waiting);

    commands->timer.data = &commands->link;
    commands->timer.handler = ngx_http_convo_redis_commands_timer;
    commands->timer.log = &commands->link.log;

    /*
     * Not cancelable, unlike the timers of the link: a process that is to
     * end first lets its last requests have their answers.
     */
}


void
ngx_http_convo_redis_commands_close(ngx_http_convo_redis_t *redis)
{
    ngx_queue_t                      *q;
    ngx_http_convo_redis_command_t   *command;
    ngx_http_convo_redis_commands_t  *commands;

    commands = &redis->commands;

    ngx_http_convo_redis_link_close(&commands->link);

    if (commands->timer.timer_set) {
        ngx_del_timer(&commands->timer);
    }

    while (!ngx_queue_empty(&commands->waiting)) {
        q = ngx_queue_head(&commands->waiting);
        ngx_queue_remove(q);

        command = ngx_queue_data(q, ngx_http_convo_redis_command_t, queue);

        if (command->hold) {
            command->hold->command = NULL;
        }

        ngx_free(command);
    }

    commands->nwaiting = 0;
    commands->size = 0;
}


ngx_uint_t
ngx_http_convo_redis_is_up(ngx_http_convo_redis_t *redis)
{
    return redis->commands.link.state == NGX_HTTP_CONVO_REDIS_LINK_UP;
}


ngx_int_t
ngx_http_convo_redis_eval(ngx_http_convo_redis_t *redis, ngx_pool_t *pool,
    convo_script_e script, const ngx_str_t *keys, ngx_uint_t nkeys,
    const ngx_str_t *args, ngx_uint_t nargs,
    ngx_http_convo_redis_reply_pt handler, void *data)
{
    char                             *wire;
    ngx_int_t                         size;
    ngx_http_convo_redis_hold_t      *hold;
    ngx_http_convo_redis_link_t      *link;
    ngx_http_convo_redis_command_t   *command;
    ngx_http_convo_redis_commands_t  *commands;

    commands = &redis->commands;
    link = &commands->link;

    ngx_http_convo_redis_link_demand(link);

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_CLOSED
        || (link->state != NGX_HTTP_CONVO_REDIS_LINK_UP && link->failures))
    {
        redis->counters.declined++;
        ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_DECLINED);
        return NGX_DECLINED;
    }

    size = ngx_http_convo_redis_command_format(&convo_scripts[script],
                                               keys, nkeys, args, nargs,
                                               &wire, pool->log);
    if (size == NGX_ERROR) {
        return NGX_ERROR;
    }

    command = ngx_http_convo_redis_command_create(wire, size, pool->log);

    redisFreeCommand(wire);

    if (command == NULL) {
        return NGX_ERROR;
    }

    hold = ngx_http_convo_redis_command_hold(pool);
    if (hold == NULL) {
        ngx_free(command);
        return NGX_ERROR;
    }

    if (ngx_http_convo_redis_command_queue(commands, command) != NGX_OK) {
        ngx_free(command);
        redis->counters.declined++;
        ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_DECLINED);
        return NGX_DECLINED;
    }

    command->script = &convo_scripts[script];
    command->handler = handler;
    command->data = data;
    command->hold = hold;
    hold->command = command;

    redis->counters.commands++;
    ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_COMMAND);

    return NGX_OK;
}


/* Returns the size of *wire, to be freed by redisFreeCommand(). */

static ngx_int_t
ngx_http_convo_redis_command_format(const convo_script_t *script,
    const ngx_str_t *keys, ngx_uint_t nkeys, const ngx_str_t *args,
    ngx_uint_t nargs, char **wire, ngx_log_t *log)
{
    int           size;
    u_char        number[NGX_HTTP_CONVO_REDIS_NUMBER_LEN];
    size_t       *lens, total;
    ngx_uint_t    i, argc;
    const char  **argv;

    if ((script->nkeys >= 0 && nkeys != (ngx_uint_t) script->nkeys)
        || (script->nargs >= 0 && nargs != (ngx_uint_t) script->nargs)
        || nkeys > NGX_HTTP_CONVO_REDIS_ARGS_MAX
        || nargs > NGX_HTTP_CONVO_REDIS_ARGS_MAX - nkeys)
    {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "convo redis: script \"%s\" does not take %ui keys and "
                      "%ui arguments", script->name, nkeys, nargs);
        return NGX_ERROR;
    }

    argc = 3 + nkeys + nargs;

    argv = ngx_alloc(argc * (sizeof(char *) + sizeof(size_t)), log);
    if (argv == NULL) {
        return NGX_ERROR;
    }

    lens = (size_t *) (argv + argc);

    argv[0] = "EVALSHA";
    lens[0] = sizeof("EVALSHA") - 1;
    argv[1] = script->sha1;
    lens[1] = ngx_strlen(script->sha1);
    argv[2] = (char *) number;
    lens[2] = ngx_sprintf(number, "%ui", nkeys) - number;
    total = lens[0] + lens[1] + lens[2];

    for (i = 0; i < nkeys + nargs; i++) {
        const ngx_str_t  *value = i < nkeys ? &keys[i] : &args[i - nkeys];

        argv[3 + i] = (char *) value->data;
        lens[3 + i] = value->len;

        if (value->len > NGX_HTTP_CONVO_REDIS_COMMAND_MAX - total) {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "convo redis: arguments of script \"%s\" exceed %d "
                          "bytes", script->name,
                          NGX_HTTP_CONVO_REDIS_COMMAND_MAX);
            ngx_free(argv);
            return NGX_ERROR;
        }

        total += value->len;
    }

    size = redisFormatCommandArgv(wire, argc, argv, lens);

    ngx_free(argv);

    return size < 0 ? NGX_ERROR : size;
}


static ngx_http_convo_redis_command_t *
ngx_http_convo_redis_command_create(const void *wire, size_t size,
    ngx_log_t *log)
{
    ngx_http_convo_redis_command_t  *command;

    command = ngx_calloc(offsetof(ngx_http_convo_redis_command_t, wire) + size,
                         log);
    if (command == NULL) {
        return NULL;
    }

    command->size = size;

    if (wire) {
        ngx_memcpy(command->wire, wire, size);
    }

    return command;
}


/*
 * The same command with the script itself: EVAL differs from EVALSHA in its
 * first two arguments only, so all that follows is taken as it stands.
 */

static ngx_http_convo_redis_command_t *
ngx_http_convo_redis_command_whole(
    const ngx_http_convo_redis_command_t *command, ngx_log_t *log)
{
    size_t                           head, skip, body;
    u_char                          *p, length[NGX_SIZE_T_LEN + 1];
    const convo_script_t            *script;
    ngx_http_convo_redis_command_t  *whole;

    script = command->script;

    /* "*N\r\n" */
    head = (u_char *) ngx_strchr(command->wire, '\n') + 1 - command->wire;

    skip = head + sizeof("$7\r\nEVALSHA\r\n") - 1
           + sizeof("$40\r\n") - 1 + ngx_strlen(script->sha1) + 2;

    *ngx_sprintf(length, "%uz", script->len) = '\0';

    body = sizeof("$4\r\nEVAL\r\n") - 1
           + sizeof("$\r\n") - 1 + ngx_strlen(length) + script->len + 2;

    whole = ngx_http_convo_redis_command_create(NULL, head + body
                                                + command->size - skip, log);
    if (whole == NULL) {
        return NULL;
    }

    p = ngx_cpymem(whole->wire, command->wire, head);
    p = ngx_sprintf(p, "$4\r\nEVAL\r\n$%s\r\n", length);
    p = ngx_cpymem(p, script->body, script->len);
    *p++ = '\r'; *p++ = '\n';
    ngx_memcpy(p, command->wire + skip, command->size - skip);

    whole->script = script;
    whole->whole = 1;

    return whole;
}


/*
 * Gives the command its place in the queue and, where the link is up, writes
 * it.  The caller keeps the command when this is not NGX_OK.
 */

static ngx_int_t
ngx_http_convo_redis_command_queue(ngx_http_convo_redis_commands_t *commands,
    ngx_http_convo_redis_command_t *command)
{
    ngx_http_convo_redis_link_t  *link;

    link = &commands->link;

    if (ngx_http_convo_redis_command_has_room(commands, command->size)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (link->state == NGX_HTTP_CONVO_REDIS_LINK_UP
        && ngx_http_convo_redis_wire_write(link, command->wire, command->size)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    command->start = ngx_current_msec;

    ngx_queue_insert_tail(&commands->waiting, &command->queue);
    commands->nwaiting++;
    commands->size += command->size;

    if (!commands->timer.timer_set) {
        ngx_add_timer(&commands->timer, link->redis->timeout);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_convo_redis_command_has_room(
    ngx_http_convo_redis_commands_t *commands, size_t size)
{
    return (commands->nwaiting < NGX_HTTP_CONVO_REDIS_WAITING_MAX
            && commands->size + size <= NGX_HTTP_CONVO_REDIS_BYTES_MAX)
           ? NGX_OK : NGX_DECLINED;
}


/*
 * NOSCRIPT: takes the command over into one with the whole script.  Where
 * there is no room for it the caller gets the NOSCRIPT as its reply.
 */

static ngx_int_t
ngx_http_convo_redis_command_again(ngx_http_convo_redis_commands_t *commands,
    ngx_http_convo_redis_command_t *command)
{
    ngx_http_convo_redis_command_t  *whole;

    whole = ngx_http_convo_redis_command_whole(command, &commands->link.log);
    if (whole == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_convo_redis_command_queue(commands, whole) != NGX_OK) {
        ngx_free(whole);
        return NGX_ERROR;
    }

    whole->handler = command->handler;
    whole->data = command->data;
    whole->hold = command->hold;

    if (whole->hold) {
        whole->hold->command = whole;
    }

    ngx_free(command);

    commands->link.redis->counters.reloads++;
    ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_RELOADED);

    return NGX_OK;
}


/* Frees the command, which is in no queue, and tells who waits for it. */

static void
ngx_http_convo_redis_command_finish(ngx_http_convo_redis_command_t *command,
    const redisReply *reply)
{
    void                           *data;
    ngx_http_convo_redis_hold_t    *hold;
    ngx_http_convo_redis_reply_pt   handler;

    hold = command->hold;
    handler = command->handler;
    data = command->data;

    ngx_free(command);

    if (hold) {
        hold->command = NULL;
        handler(data, reply);
    }
}


static ngx_http_convo_redis_hold_t *
ngx_http_convo_redis_command_hold(ngx_pool_t *pool)
{
    ngx_pool_cleanup_t           *cln;
    ngx_http_convo_redis_hold_t  *hold;

    for (cln = pool->cleanup; cln; cln = cln->next) {

        if (cln->handler == ngx_http_convo_redis_command_detach) {
            hold = cln->data;

            if (hold->command == NULL) {
                return hold;
            }
        }
    }

    cln = ngx_pool_cleanup_add(pool, sizeof(ngx_http_convo_redis_hold_t));
    if (cln == NULL) {
        return NULL;
    }

    hold = cln->data;
    hold->command = NULL;

    cln->handler = ngx_http_convo_redis_command_detach;

    return hold;
}


static void
ngx_http_convo_redis_command_detach(void *data)
{
    ngx_http_convo_redis_hold_t *hold = data;

    if (hold->command) {
        hold->command->hold = NULL;
        hold->command = NULL;
    }
}


static ngx_int_t
ngx_http_convo_redis_commands_reply(ngx_http_convo_redis_link_t *link,
    const redisReply *reply)
{
    ngx_queue_t                      *q;
    ngx_http_convo_redis_command_t   *command;
    ngx_http_convo_redis_commands_t  *commands;

    commands = &link->redis->commands;

    if (ngx_queue_empty(&commands->waiting)) {
        return NGX_ERROR;
    }

    q = ngx_queue_head(&commands->waiting);
    ngx_queue_remove(q);

    command = ngx_queue_data(q, ngx_http_convo_redis_command_t, queue);

    commands->nwaiting--;
    commands->size -= command->size;
    commands->heard = ngx_current_msec;

    if (commands->nwaiting == 0 && commands->timer.timer_set) {
        ngx_del_timer(&commands->timer);
    }

    if (reply->type == REDIS_REPLY_ERROR && command->script) {

        if (!command->whole && command->hold
            && ngx_http_convo_redis_is_error(reply, "NOSCRIPT")
            && ngx_http_convo_redis_command_again(commands, command) == NGX_OK)
        {
            return NGX_OK;
        }

        if (ngx_http_convo_redis_is_readonly(reply)) {
            link->recycle = "it has become read-only";
        }

        if (command->hold) {
            link->redis->counters.errors++;
            ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_ERROR);
        }
    }

    ngx_http_convo_redis_command_finish(command, reply);

    return NGX_OK;
}


/* Before Redis 7 the word stands inside the error of the script. */

static ngx_uint_t
ngx_http_convo_redis_is_readonly(const redisReply *reply)
{
    return ngx_http_convo_redis_is_error(reply, "READONLY")
           || ngx_strstr(reply->str, " -READONLY ") != NULL;
}


/* What waited for the first connection leaves now, in its order. */

static void
ngx_http_convo_redis_commands_up(ngx_http_convo_redis_link_t *link)
{
    ngx_queue_t                      *q;
    ngx_http_convo_redis_command_t   *command;
    ngx_http_convo_redis_commands_t  *commands;

    commands = &link->redis->commands;
    commands->heard = ngx_current_msec;

    for (q = ngx_queue_head(&commands->waiting);
         q != ngx_queue_sentinel(&commands->waiting);
         q = ngx_queue_next(q))
    {
        command = ngx_queue_data(q, ngx_http_convo_redis_command_t, queue);

        if (ngx_http_convo_redis_wire_write(link, command->wire, command->size)
            != NGX_OK)
        {
            /* one that is missing would shift the replies of all others */
            link->recycle = "no memory";
            return;
        }
    }
}


static void
ngx_http_convo_redis_commands_down(ngx_http_convo_redis_link_t *link)
{
    ngx_queue_t                      *q, lost;
    ngx_http_convo_redis_command_t   *command;
    ngx_http_convo_redis_commands_t  *commands;

    commands = &link->redis->commands;

    if (ngx_queue_empty(&commands->waiting)) {
        return;
    }

    if (commands->timer.timer_set) {
        ngx_del_timer(&commands->timer);
    }

    /* handlers may ask again: what they ask waits in the other queue */

    ngx_queue_init(&lost);
    ngx_queue_add(&lost, &commands->waiting);
    ngx_queue_init(&commands->waiting);

    commands->nwaiting = 0;
    commands->size = 0;

    while (!ngx_queue_empty(&lost)) {
        q = ngx_queue_head(&lost);
        ngx_queue_remove(q);

        command = ngx_queue_data(q, ngx_http_convo_redis_command_t, queue);

        if (command->hold) {
            link->redis->counters.lost++;
            ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_COMMAND_LOST);
        }

        ngx_http_convo_redis_command_finish(command, NULL);
    }
}


static ngx_int_t
ngx_http_convo_redis_commands_health(ngx_http_convo_redis_link_t *link)
{
    static const char  ping[] = "*1\r\n$4\r\nPING\r\n";

    ngx_http_convo_redis_command_t   *command;
    ngx_http_convo_redis_commands_t  *commands;

    commands = &link->redis->commands;

    if (!ngx_queue_empty(&commands->waiting)) {
        /* commands under way tell as much */
        return NGX_OK;
    }

    command = ngx_http_convo_redis_command_create(ping, sizeof(ping) - 1,
                                                  &link->log);
    if (command == NULL) {
        return NGX_OK;
    }

    if (ngx_http_convo_redis_command_queue(commands, command) != NGX_OK) {
        ngx_free(command);
    }

    return NGX_OK;
}


static void
ngx_http_convo_redis_commands_timer(ngx_event_t *ev)
{
    ngx_msec_t                        heard;
    ngx_queue_t                      *q;
    ngx_http_convo_redis_link_t      *link;
    ngx_http_convo_redis_command_t   *command;
    ngx_http_convo_redis_commands_t  *commands;

    link = ev->data;
    commands = &link->redis->commands;

    if (ngx_queue_empty(&commands->waiting)) {
        return;
    }

    q = ngx_queue_head(&commands->waiting);
    command = ngx_queue_data(q, ngx_http_convo_redis_command_t, queue);

    heard = command->start;

    if ((ngx_msec_int_t) (commands->heard - heard) > 0) {
        heard = commands->heard;
    }

    if (ngx_current_msec - heard >= link->redis->timeout) {
        ngx_http_convo_redis_link_fail(link, NGX_ETIMEDOUT,
                                       "commands are not answered");
        return;
    }

    ngx_http_convo_redis_commands_expire(commands);
}


/*
 * Ends the commands whose time has passed while others were answered, and
 * sets the timer for what comes first: the next one's end, or the silence
 * after which the connection is dead.
 */

static void
ngx_http_convo_redis_commands_expire(ngx_http_convo_redis_commands_t *commands)
{
    ngx_msec_t                       timeout, next, left;
    ngx_queue_t                     *q;
    ngx_http_convo_redis_hold_t     *hold;
    ngx_http_convo_redis_command_t  *command;

    timeout = commands->link.redis->timeout;
    next = commands->heard + timeout - ngx_current_msec;

    for (q = ngx_queue_head(&commands->waiting);
         q != ngx_queue_sentinel(&commands->waiting);
         q = ngx_queue_next(q))
    {
        command = ngx_queue_data(q, ngx_http_convo_redis_command_t, queue);

        if (ngx_current_msec - command->start < timeout) {
            left = command->start + timeout - ngx_current_msec;
            next = ngx_min(next, left);
            break;
        }

        hold = command->hold;

        if (hold) {
            command->hold = NULL;
            hold->command = NULL;

            commands->link.redis->counters.timeouts++;
            ngx_http_convo_count(NGX_HTTP_CONVO_REDIS_TIMEOUT);

            command->handler(command->data, NULL);
        }
    }

    ngx_add_timer(&commands->timer, ngx_max(next, 1));
}
