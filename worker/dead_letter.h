/*
 * A dead letter as an operator sees it: an entry of a pool's stream of them
 * (docs/redis.md), taken into memory, printed, put back or forgotten.
 *
 * Letters hold what was rubbish once: nothing about them is believed.
 */

#ifndef CONVO_DEAD_LETTER_H
#define CONVO_DEAD_LETTER_H

#include "command.h"

#include <stddef.h>

/* The longest id of a stream's entry, with its end. */
#define CONVO_DEAD_ID 48

typedef struct {
    char id[CONVO_DEAD_ID];
    char *what; /* all of these: NUL terminated copies, never NULL */
    char *kind;
    char *from;
    char *encoding;
    char *reason;
    char *at;
} convo_dead_letter_t;

/* Copies an element of XRANGE's answer: 0, or -1 when it is none.  To be freed
 * by convo_dead_letter_free(), which may be called twice. */
int convo_dead_letter_take(convo_dead_letter_t *letter,
                           const redisReply *entry);
void convo_dead_letter_free(convo_dead_letter_t *letter);

/*
 * What can be done with a letter of a pool.  Each returns 0, or -1 with the
 * reason told.  print: one line of JSON on stdout.  retry: it is back where it
 * came from, and no letter any more.  drop: it is forgotten.
 */
int convo_dead_letter_print(const convo_command_t *command,
                            convo_redis_t *redis, const convo_pool_t *pool,
                            const convo_dead_letter_t *letter);
int convo_dead_letter_retry(const convo_command_t *command,
                            convo_redis_t *redis, const convo_pool_t *pool,
                            const convo_dead_letter_t *letter);
int convo_dead_letter_drop(const convo_command_t *command,
                           convo_redis_t *redis, const convo_pool_t *pool,
                           const convo_dead_letter_t *letter);

#endif /* CONVO_DEAD_LETTER_H */
