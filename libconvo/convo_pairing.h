/*
 * Who of a batch of waiting users talks with whom.
 *
 * Pure: the batch comes in the order in which the users wait, what is known
 * about two of them comes from a function, and the answer is a list of pairs.
 */

#ifndef CONVO_PAIRING_H
#define CONVO_PAIRING_H

#include <stddef.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* The largest batch. */
#define CONVO_PAIRING_MAX 256

/* How far behind a user a partner is looked for: the order of waiting is
 * bent by at most this much to spare two a second meeting. */
#define CONVO_PAIRING_AHEAD 16

typedef enum {
    CONVO_PAIRING_ALLOW,
    CONVO_PAIRING_AVOID, /* they met lately: only when there is no other */
    CONVO_PAIRING_NEVER, /* one of them wants never to see the other again */
} convo_pairing_verdict_e;

typedef struct {
    const char *id; /* any bytes */
    size_t len;
} convo_pairing_user_t;

typedef struct {
    size_t a; /* index in the batch; a < b */
    size_t b;
} convo_pairing_t;

/*
 * What is to be thought of the users at a and b; a < b and b - a is at most
 * CONVO_PAIRING_AHEAD.  Must answer alike when asked again.
 */
typedef convo_pairing_verdict_e (*convo_pairing_judge_pt)(void *data, size_t a,
                                                          size_t b);

/*
 * Pairs the n users (at most CONVO_PAIRING_MAX; the rest is left out) and
 * writes at most n / 2 pairs, in the order of their first user.  Returns how
 * many.
 *
 * Each user is in at most one pair, never with the same id, and never with
 * one of whom the judge says NEVER.  Whoever waits at the head is served
 * first: with AVOID only when nobody who is allowed is left, and no exchange
 * of partners with another pair would spare both.  Partners are at most
 * CONVO_PAIRING_AHEAD places apart; no two users who may be paired are both
 * left alone.
 */
size_t convo_pairing(const convo_pairing_user_t *users, size_t n,
                     convo_pairing_judge_pt judge, void *data,
                     convo_pairing_t *pairs);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_PAIRING_H */
