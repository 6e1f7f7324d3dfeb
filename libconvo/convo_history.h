/*
 * What GET /api/history answers, from what the script "history" replies: the
 * caller's own sessions and nothing that identifies the peer.
 *
 * Each session is a JSON text that a script wrote.  Only the members named
 * here are taken over, each with its type checked.  How it fails: a session
 * that is damaged is left out; a reply that is no list is refused.
 */

#ifndef CONVO_HISTORY_H
#define CONVO_HISTORY_H

#include <hiredis/hiredis.h>
#include <jansson.h>

#if (__GNUC__ >= 4)
#pragma GCC visibility push(hidden)
#endif

/* sessions kept for each user, and the longest text of one */
#define CONVO_HISTORY_MAX 50
#define CONVO_HISTORY_TEXT_MAX 1024

/*
 * {"sessions": [{"sessionId", "startTime", "endTime", "duration",
 * "pointsSpent", "reason"}, ...]} in the order of the reply, at most
 * CONVO_HISTORY_MAX; a reason that is not known is null.  Returns a new
 * reference, or NULL when the reply is no list or memory is short.  Keeps
 * nothing of the reply.
 */
json_t *convo_history_document(const redisReply *reply);

#if (__GNUC__ >= 4)
#pragma GCC visibility pop
#endif

#endif /* CONVO_HISTORY_H */
