/*
 * A job's own connection to Redis: blocking, with timeouts, on hiredis.
 *
 * Calls are collected and sent together:
 *
 *     convo_redis_begin(redis);
 *     convo_redis_script(redis, CONVO_SCRIPT_PLAN_ROOM);
 *     convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
 *     convo_redis_int(redis, delay_ms);
 *     convo_redis_str(redis, room);
 *     if (convo_redis_run(redis) == 0) {
 *         reply = convo_redis_reply(redis, 0);
 *     }
 *
 * A script that Redis has lost (a restart, SCRIPT FLUSH) is sent again with
 * its text.  Nothing else is ever sent twice: a lost answer may have taken
 * effect, and it is the lease that decides then.
 *
 * How it fails: when Redis cannot be reached, does not answer in time, cuts
 * an answer off, or says that it cannot serve (loading, read only, a failed
 * disk, ...), convo_redis_run() returns -1 and the connection is closed; some
 * of the calls may have taken effect.  convo_redis_ready() connects again,
 * with back-off.
 */

#ifndef CONVO_REDIS_H
#define CONVO_REDIS_H

#include "config.h"
#include "convo_scripts.h"

#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

typedef struct convo_redis convo_redis_t;

/* A connection for a job, not connected yet.  who is the job's name for the
 * log; config must outlive it.  Never NULL: without memory a worker ends. */
convo_redis_t *convo_redis_new(const convo_config_t *config, const char *who);

/* Closes and frees. */
void convo_redis_free(convo_redis_t *redis);

/*
 * Connects if there is no connection, after the back-off when the last try
 * or run failed.  Returns 0 when there is one, else -1: try again unless the
 * worker is to stop.
 */
int convo_redis_ready(convo_redis_t *redis);

/* The job that it was made for. */
const char *convo_redis_who(const convo_redis_t *redis);

/* How often this one has connected: a change means that Redis may have been
 * restarted in between. */
unsigned long convo_redis_connects(const convo_redis_t *redis);

/* Forgets the calls and replies of the last run. */
void convo_redis_begin(convo_redis_t *redis);

/* Begins a call of a command or of a script; its arguments follow. */
void convo_redis_command(convo_redis_t *redis, const char *name);
void convo_redis_script(convo_redis_t *redis, convo_script_e script);

/* Adds an argument; the bytes are copied. */
void convo_redis_arg(convo_redis_t *redis, const char *bytes, size_t len);
void convo_redis_str(convo_redis_t *redis, const char *text);
void convo_redis_int(convo_redis_t *redis, int64_t number);

/*
 * Adds a key; id is NULL for a kind without one.  The caller has checked pool
 * and id (convo_is_pool, 1 to CONVO_USER_MAX bytes).
 */
void convo_redis_key(convo_redis_t *redis, const convo_pool_t *pool,
                     const char *kind, const char *id, size_t id_len);

/* How many calls were begun: the index of the next one. */
size_t convo_redis_calls(const convo_redis_t *redis);

/* Sends the calls and reads all answers: 0, or -1 as said above. */
int convo_redis_run(convo_redis_t *redis);

/*
 * The reply of the call at index, after a run that returned 0: never NULL,
 * perhaps of type REDIS_REPLY_ERROR.  Valid until the next begin, run or free.
 */
const redisReply *convo_redis_reply(const convo_redis_t *redis, size_t index);

/* --- what several jobs ask; each is a run of its own --- */

/* Redis's clock in ms, or -1 when Redis is down. */
int64_t convo_redis_now(convo_redis_t *redis);

/* The run_id of the Redis process, 40 characters, or -1 when Redis is down or
 * does not tell. */
#define CONVO_RUN_ID_MAX 64
int convo_redis_run_id(convo_redis_t *redis, char id[CONVO_RUN_ID_MAX + 1]);

/* --- reading replies; all of them take any reply --- */

/* The milliseconds of TIME's answer, or -1. */
int64_t convo_reply_time(const redisReply *reply);

/* 1 when it is a string or status of exactly this text. */
int convo_reply_is(const redisReply *reply, const char *text);

/* 1 when it is an array of at least n elements. */
int convo_reply_is_array(const redisReply *reply, size_t n);

/* The integer of an integer reply or of a string of digits; -1 otherwise. */
int64_t convo_reply_int(const redisReply *reply);

/* 1 when a script has changed nothing as a key of the pool, or of a user or
 * session, holds what it should not (scripts/lib/expect.lua). */
int convo_reply_is_damaged(const redisReply *reply);

/* Returns 1 for an error reply, which is logged as "what: text" unless that was
 * said in the last ten seconds; otherwise 0. */
int convo_reply_failed(const redisReply *reply, const char *who,
                       const char *what);

#endif /* CONVO_REDIS_H */
