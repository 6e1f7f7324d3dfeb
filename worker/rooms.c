/*
 * The job that deletes rooms: of sessions that have ended, and those that were
 * created for a match which never came.
 *
 * Crash story.  take_rooms puts off each room by a lease, so one that this
 * worker did not see gone is tried again, by any worker, until LiveKit says
 * that it has no such room.  Deleting twice does no harm: a room's name is
 * never used again.  LiveKit down: the list waits, and nothing is taken from
 * it until LiveKit answers a probe (back-off with jitter).
 */

#include "backoff.h"
#include "dead.h"
#include "jobs.h"
#include "log.h"
#include "redis.h"
#include "room_service.h"
#include "stop.h"

#include <string.h>

#define PASS_MS          250
#define BATCH            32
#define BACKOFF_FIRST_MS 500
#define BACKOFF_LIMIT_MS 5000

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_room_service_t *service;
    convo_backoff_t backoff;
    int down; /* LiveKit */
} rooms_t;


/* How long deleting a batch may take, and the calls of Redis around it. */
static int64_t
lease_ms(const convo_config_t *config)
{
    return 2 * config->livekit.timeout_ms + 4 * config->redis_timeout_ms;
}


/* Takes the name of a room of ours: 0, or -1 when it is none. */
static int
take_name(convo_room_t *room, const redisReply *name)
{
    const char *pool, *sid;
    size_t pool_len;

    if (name->type != REDIS_REPLY_STRING || name->len > CONVO_ROOM_MAX
        || convo_room_parse(name->str, name->len, &pool, &pool_len, &sid) != 0)
    {
        return -1;
    }

    memcpy(room->name, name->str, name->len);
    room->name[name->len] = '\0';

    return 0;
}


/* The rooms that are to go now, and how many.  Names that are none become
 * dead letters. */
static size_t
take(rooms_t *self, const convo_pool_t *pool, convo_room_t *rooms)
{
    convo_redis_t *redis = self->redis;
    convo_dead_t strange = { 0 };
    const redisReply *reply;
    size_t n = 0;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_TAKE_ROOMS);
    convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
    convo_redis_int(redis, BATCH);
    convo_redis_int(redis, lease_ms(self->config));

    if (convo_redis_run(redis) != 0) {
        return 0;
    }

    reply = convo_redis_reply(redis, 0);
    if (convo_reply_failed(reply, "rooms", "take_rooms")
        || reply->type != REDIS_REPLY_ARRAY)
    {
        return 0;
    }

    for (size_t i = 0; i < reply->elements && n < BATCH; i++) {
        if (take_name(&rooms[n], reply->element[i]) == 0) {
            n++;
        } else if (reply->element[i]->type == REDIS_REPLY_STRING) {
            convo_dead_add(&strange, reply->element[i]->str,
                           reply->element[i]->len);
        }
    }

    (void) convo_dead_bury(&strange, redis, pool, CONVO_KEY_CLOSING,
                           "no room of ours");

    return n;
}


static void
note_gone(rooms_t *self, const convo_pool_t *pool, const convo_room_t *rooms,
          const convo_room_result_e *results, size_t n)
{
    convo_redis_t *redis = self->redis;

    convo_redis_begin(redis);

    for (size_t i = 0; i < n; i++) {
        if (results[i] == CONVO_ROOM_OK) {
            convo_redis_script(redis, CONVO_SCRIPT_ROOM_CLOSED);
            convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
            convo_redis_str(redis, rooms[i].name);
            convo_log(CONVO_LOG_DEBUG, "rooms", "room %s is gone",
                      rooms[i].name);
        }
    }

    if (convo_redis_calls(redis) > 0) {
        /* what is not noted is deleted again */
        (void) convo_redis_run(redis);
    }
}


/* Returns 1 when there may be more. */
static int
close_rooms(rooms_t *self, const convo_pool_t *pool)
{
    convo_room_t rooms[BATCH];
    convo_room_result_e results[BATCH];
    size_t n, gone = 0;

    n = take(self, pool, rooms);
    if (n == 0) {
        return 0;
    }

    convo_room_service_delete(self->service, rooms, n, results);

    for (size_t i = 0; i < n; i++) {
        gone += results[i] == CONVO_ROOM_OK;
    }

    if (gone == n) {
        convo_backoff_reset(&self->backoff);
    } else {
        convo_log(CONVO_LOG_WARN, "rooms", "pool %s: %zu of %zu not gone: %s",
                  pool->name, n - gone, n,
                  convo_room_service_why(self->service));
        self->down = gone == 0;
    }

    note_gone(self, pool, rooms, results, n);

    return n == BATCH && gone > 0;
}


static void
probe_livekit(rooms_t *self)
{
    if (convo_stop_wait(convo_backoff_next(&self->backoff))) {
        return;
    }

    if (convo_room_service_probe(self->service) == 0) {
        self->down = 0;
    }
}


void
convo_rooms(const convo_config_t *config)
{
    rooms_t self = { .config = config };

    self.redis = convo_redis_new(config, "rooms");
    self.service = convo_room_service_new(&config->livekit);
    self.backoff.first_ms = BACKOFF_FIRST_MS;
    self.backoff.limit_ms = BACKOFF_LIMIT_MS;

    while (!convo_stopping()) {
        int more = 0;

        if (self.down) {
            probe_livekit(&self);
            continue;
        }

        if (convo_redis_ready(self.redis) != 0) {
            continue;
        }

        for (size_t i = 0;
             i < config->npools && !self.down && !convo_stopping(); i++)
        {
            more |= close_rooms(&self, &config->pools[i]);
        }

        if (!more) {
            convo_stop_wait(PASS_MS);
        }
    }

    convo_room_service_free(self.service);
    convo_redis_free(self.redis);
}
