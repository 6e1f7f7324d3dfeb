/*
 * What is kept for good, as it lies in Redis: the entries of the streams and
 * the users' hashes, read into what a store takes.
 *
 * Everything here may have been put there by hand: each function takes any
 * reply and says whether it is a record that any store can hold.
 */

#ifndef CONVO_RECORDS_H
#define CONVO_RECORDS_H

#include "config.h"
#include "redis.h"
#include "store.h"

#include <stdint.h>

/* The entry at index: 0, or -1 when it is none. */
int convo_records_session(const redisReply *entries, size_t index,
                          convo_store_session_t *session);
int convo_records_report(const redisReply *entries, size_t index,
                         const convo_pool_t *pool,
                         convo_store_report_t *report);

/* Adds the call whose reply convo_records_user() reads. */
void convo_records_ask_user(convo_redis_t *redis, const convo_pool_t *pool,
                            const char *sub, size_t len);

/* The user of that reply at now_ms, with sub and pool: 1, 0 when Redis knows
 * no such user any more, or -1 when the hash is damaged. */
int convo_records_user(const redisReply *reply, const convo_pool_t *pool,
                       const char *sub, size_t len, int64_t now_ms,
                       convo_store_user_t *user);

#endif /* CONVO_RECORDS_H */
