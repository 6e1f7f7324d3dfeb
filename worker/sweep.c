/*
 * The job that finds rooms without a session: left by data that Redis lost,
 * or made by hand.  Once in each sweep_interval one worker asks LiveKit for
 * all of its rooms; what has the name of a pool of ours and belongs to no
 * session that goes on is noted for the rooms job, which deletes it.
 *
 * Crash story.  It holds nothing but the turn, which ends by itself; a worker
 * killed after it took the turn leaves the sweep to the next one.  Noting a
 * room twice is noting it once.
 * No room of a match in the making is taken: it is noted before it is created
 * and the note is there until the commit makes its session, so at any time
 * after it was listed the script finds one of the two, or a session that has
 * ended.  LiveKit down, or with more rooms than CONVO_ROOM_LIST_MAX: that is
 * told, and the next turn comes.
 */

#include "jobs.h"
#include "log.h"
#include "redis.h"
#include "room_service.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>

/* Rooms looked at in one run. */
#define BATCH 64

typedef struct {
    size_t pool; /* its index */
    char sid[CONVO_SID_LEN + 1];
} listed_t;

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_room_service_t *service;
    int mine[CONVO_CONFIG_POOLS]; /* it is this worker's turn */

    listed_t *rooms; /* CONVO_ROOM_LIST_MAX */
    size_t n;
} sweep_t;


/* Whose turn it is, for each pool: 1 when any is ours. */
static int
take_turns(sweep_t *self)
{
    convo_redis_t *redis = self->redis;
    int any = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < self->config->npools; i++) {
        convo_redis_script(redis, CONVO_SCRIPT_TAKE_TURN);
        convo_redis_key(redis, &self->config->pools[i], CONVO_KEY_SWEPT, NULL,
                        0);
        convo_redis_str(redis, self->config->name);
        convo_redis_int(redis, self->config->sweep_interval_ms);
    }

    if (convo_redis_run(redis) != 0) {
        return 0;
    }

    for (size_t i = 0; i < self->config->npools; i++) {
        const redisReply *reply = convo_redis_reply(redis, i);

        self->mine[i] = !convo_reply_failed(reply, "sweep", "take_turn")
                        && convo_reply_int(reply) == 1;
        any |= self->mine[i];
    }

    return any;
}


/* Keeps the rooms of pools that are ours to sweep. */
static void
on_room(void *data, const char *name, size_t len, int64_t participants)
{
    sweep_t *self = data;
    const char *pool, *sid;
    size_t pool_len;

    (void) participants;

    if (self->n == CONVO_ROOM_LIST_MAX
        || convo_room_parse(name, len, &pool, &pool_len, &sid) != 0)
    {
        return;
    }

    for (size_t i = 0; i < self->config->npools; i++) {
        const convo_pool_t *ours = &self->config->pools[i];

        if (self->mine[i] && pool_len == ours->len
            && memcmp(pool, ours->name, pool_len) == 0)
        {
            self->rooms[self->n].pool = i;
            memcpy(self->rooms[self->n++].sid, sid, CONVO_SID_LEN + 1);
            return;
        }
    }
}


static const convo_pool_t *
pool_of(const sweep_t *self, const listed_t *room)
{
    return &self->config->pools[room->pool];
}


static int
sweep_batch(sweep_t *self, const listed_t *rooms, size_t n)
{
    convo_redis_t *redis = self->redis;
    char name[CONVO_ROOM_MAX + 1];

    convo_redis_begin(redis);

    for (size_t i = 0; i < n; i++) {
        const convo_pool_t *pool = pool_of(self, &rooms[i]);

        convo_room(name, pool->name, pool->len, rooms[i].sid);
        convo_redis_script(redis, CONVO_SCRIPT_SWEEP_ROOM);
        convo_redis_key(redis, pool, CONVO_KEY_SESSION, rooms[i].sid,
                        CONVO_SID_LEN);
        convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
        convo_redis_str(redis, name);
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < n; i++) {
        const redisReply *reply = convo_redis_reply(redis, i);

        if (!convo_reply_failed(reply, "sweep", "sweep_room")
            && convo_reply_int(reply) == 1)
        {
            convo_log(CONVO_LOG_WARN, "sweep",
                      "pool %s: room of %s is of no session and is to go",
                      pool_of(self, &rooms[i])->name, rooms[i].sid);
        }
    }

    return 0;
}


static void
sweep(sweep_t *self)
{
    if (convo_redis_ready(self->redis) != 0 || !take_turns(self)) {
        return;
    }

    self->n = 0;

    if (convo_room_service_each(self->service, on_room, self) != 0) {
        convo_log(CONVO_LOG_WARN, "sweep", "LiveKit lists no rooms: %s",
                  convo_room_service_why(self->service));
        return;
    }

    for (size_t i = 0; i < self->n && !convo_stopping(); i += BATCH) {
        size_t n = self->n - i < BATCH ? self->n - i : BATCH;

        if (sweep_batch(self, &self->rooms[i], n) != 0) {
            return;
        }
    }
}


void
convo_sweep(const convo_config_t *config)
{
    sweep_t self = { .config = config };

    self.rooms = calloc(CONVO_ROOM_LIST_MAX, sizeof(*self.rooms));
    if (self.rooms == NULL) {
        convo_log(CONVO_LOG_ERROR, "sweep", "out of memory");
        abort();
    }

    self.redis = convo_redis_new(config, "sweep");
    self.service = convo_room_service_new(&config->livekit);

    while (!convo_stopping()) {
        sweep(&self);
        convo_stop_wait(config->sweep_interval_ms);
    }

    convo_room_service_free(self.service);
    convo_redis_free(self.redis);
    free(self.rooms);
}
