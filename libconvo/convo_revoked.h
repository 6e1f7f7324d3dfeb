/*
 * The revocations that a process knows: which sign-ins were ended, and until
 * when all tokens of a user were.
 *
 * A table in memory, filled from members of the set "revoked" and from what is
 * told on its channel (docs/redis.md).  No I/O and no clock of its own; not
 * for several threads.
 */

#ifndef CONVO_REVOKED_H
#define CONVO_REVOKED_H

#include <stddef.h>
#include <stdint.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* The longest name of a sign-in, and of a user. */
#define CONVO_REVOKED_ID_MAX 255

typedef struct convo_revoked_s convo_revoked_t;

typedef enum {
    CONVO_REVOKED_TAKEN,
    CONVO_REVOKED_RUBBISH, /* nothing of ours: nothing was changed */
    CONVO_REVOKED_FULL     /* no room, or no memory: it is not known */
} convo_revoked_e;

/* An empty table for at most so many; NULL when memory is short. */
convo_revoked_t *convo_revoked_new(size_t max);

/* Frees it; NULL is good. */
void convo_revoked_free(convo_revoked_t *table);

/*
 * Takes "j:SIGN_IN" or "s:SUB", revoked at that time (ms); the later time of
 * two stands.  The bytes are copied.
 */
convo_revoked_e convo_revoked_add(convo_revoked_t *table, const char *member,
                                  size_t len, int64_t at_ms);

/* The same of a message, "AT_MS MEMBER". */
convo_revoked_e convo_revoked_hear(convo_revoked_t *table, const char *text,
                                   size_t len);

/*
 * 1 when a token is revoked: its sign-in was ended, or all tokens of the user
 * that were issued until then.  Else 0.
 *
 *   sign_in, sign_in_len   the token's, or a length of 0 when it names none
 *   issued_s               epoch seconds; 0 when it does not say, and then it
 *                          is older than anything
 */
int convo_revoked_has(const convo_revoked_t *table, const char *sub,
                      size_t sub_len, const char *sign_in, size_t sign_in_len,
                      int64_t issued_s);

/* How many it holds. */
size_t convo_revoked_count(const convo_revoked_t *table);

/*
 * Goes on through the table where the last call ended, by so many chains, and
 * forgets what was revoked before that time (ms).  Called again and again it
 * comes by everywhere.
 */
void convo_revoked_forget(convo_revoked_t *table, int64_t before_ms,
                          size_t chains);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_REVOKED_H */
