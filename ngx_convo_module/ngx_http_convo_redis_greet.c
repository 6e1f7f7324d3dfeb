/*
 * How a link signs in: AUTH and SELECT as configured, and a PING, by which it
 * sees that a Redis is there at all.
 *
 * How it fails: what is refused, or answered by something else than a Redis,
 * ends in ngx_http_convo_redis_link_fail().  No secret reaches a log line.
 */

#include "ngx_http_convo_redis_internal.h"


static ngx_int_t ngx_http_convo_redis_greet_add(
    ngx_http_convo_redis_link_t *link, const char *command, const char *first,
    const char *second);
static void ngx_http_convo_redis_greet_refused(
    ngx_http_convo_redis_link_t *link, const char *command,
    const redisReply *reply);


void
ngx_http_convo_redis_greet(ngx_http_convo_redis_link_t *link)
{
    char                number[NGX_INT_T_LEN + 1];
    convo_redis_url_t  *url;

    url = &link->redis->url;

    link->state = NGX_HTTP_CONVO_REDIS_LINK_GREET;
    link->greeting = 0;
    link->ngreetings = 0;

    if (ngx_http_convo_redis_wire_open(link) != NGX_OK) {
        goto failed;
    }

    if (url->user[0] != '\0') {
        if (ngx_http_convo_redis_greet_add(link, "AUTH", url->user,
                                               url->password)
            != NGX_OK)
        {
            goto failed;
        }

    } else if (url->password[0] != '\0') {
        if (ngx_http_convo_redis_greet_add(link, "AUTH", url->password,
                                               NULL)
            != NGX_OK)
        {
            goto failed;
        }
    }

    if (url->db != 0) {
        *ngx_sprintf((u_char *) number, "%ud", url->db) = '\0';

        if (ngx_http_convo_redis_greet_add(link, "SELECT", number, NULL)
            != NGX_OK)
        {
            goto failed;
        }
    }

    if (ngx_http_convo_redis_greet_add(link, "PING", NULL, NULL)
        != NGX_OK)
    {
        goto failed;
    }

    return;

failed:

    ngx_http_convo_redis_link_fail(link, NGX_ENOMEM, "no memory");
}


static ngx_int_t
ngx_http_convo_redis_greet_add(ngx_http_convo_redis_link_t *link,
    const char *command, const char *first, const char *second)
{
    int          argc;
    size_t       lens[3];
    const char  *argv[3] = { command, first, second };

    for (argc = 0; argc < 3 && argv[argc]; argc++) {
        lens[argc] = ngx_strlen(argv[argc]);
    }

    link->greetings[link->ngreetings++] = command;

    return ngx_http_convo_redis_wire_command(link, argc, argv, lens);
}


/*
 * AUTH and SELECT must be granted.  PING need only be answered by a Redis at
 * work: one that loads its data or has lost its master says so to each caller.
 */

void
ngx_http_convo_redis_greet_reply(ngx_http_convo_redis_link_t *link,
    const redisReply *reply)
{
    const char  *command;

    command = link->greetings[link->greeting++];

    if (reply->type == REDIS_REPLY_ERROR) {

        if (ngx_strcmp(command, "PING") != 0
            || ngx_http_convo_redis_is_error(reply, "NOAUTH")
            || ngx_http_convo_redis_is_error(reply, "DENIED")
            || ngx_http_convo_redis_is_error(reply, "ERR"))
        {
            ngx_http_convo_redis_greet_refused(link, command, reply);
            return;
        }

    } else if (reply->type != REDIS_REPLY_STATUS) {
        ngx_http_convo_redis_link_fail(link, 0, "a greeting was answered by "
                                                "what is no Redis");
        return;
    }

    if (link->greeting == link->ngreetings) {
        ngx_http_convo_redis_link_up(link);
    }
}


/*
 * Of an error only its first word is taken: Redis repeats the arguments of a
 * command that it does not know, and those of AUTH are secret.
 */

static void
ngx_http_convo_redis_greet_refused(ngx_http_convo_redis_link_t *link,
    const char *command, const redisReply *reply)
{
    u_char  *last;
    u_char   reason[NGX_HTTP_CONVO_REDIS_REASON_MAX];

    last = reason + sizeof(reason) - 1;

    if (ngx_strcmp(command, "AUTH") == 0) {
        last = ngx_slprintf(reason, last, "AUTH was refused: %*s",
                            strcspn(reply->str, " "), reply->str);

    } else {
        last = ngx_slprintf(reason, last, "%s was refused: %s", command,
                            reply->str);
    }

    *last = '\0';

    ngx_http_convo_redis_link_fail(link, 0, (char *) reason);
}
