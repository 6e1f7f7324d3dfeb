/*
 * The job that asks LiveKit about the sessions that go on, as webhooks get
 * lost: every session once in each probe_interval.  Who is there and is not
 * known to be has joined; who is known to be there and is not has left; a
 * session whose room is gone has failed.
 *
 * Crash story.  It holds nothing: take_probes puts each session off by the
 * interval, so that workers share them without asking twice, and what one of
 * them took and did not see through is asked again by any worker then.  Every
 * script that is called may be called twice.
 * A Redis that was started anew may have older data, with sessions whose rooms
 * are gone as they have ended: take_probes takes none before "restore" has read
 * the store, or a minute has passed.
 * LiveKit down: it is asked for nothing but whether it answers (back-off with
 * jitter), and of the sessions that are due Redis notes since when LiveKit has
 * not told of them.  One whose room is gone when LiveKit is back ended then:
 * nobody could talk from then on.  Of one whose room is there it is forgotten:
 * only LiveKit's API failed, and people talk without that.
 *
 * The answer of LiveKit and the events of webhooks pass each other on the
 * way.  Redis is therefore read first (its time is T), then LiveKit is asked,
 * and these hold:
 *
 * - Only a participant whom Redis knew at T to be there is said to have left,
 *   by the participant's own sid: LiveKit had told of that one's coming
 *   before it was asked.  Who comes after T has another sid, and the script
 *   ignores the leaving of a sid that is no longer current.  An answer that
 *   was given before a join and is processed after it says nothing of it.
 * - What no webhook told is repaired within CONVO_REPAIR_MS, if LiveKit answers
 *   at all: a session is due an interval after it was last taken, and what the
 *   pause and Redis leave of the rest is all that LiveKit's answers get.  That
 *   is as long as one worker can ask about all of its sessions in an interval.
 * - They left when the answer was there, at T and what has passed since: not
 *   earlier than they did, so that nobody who reloads a page has less than
 *   the grace, and at most an interval and a call later.  The true time is
 *   ignored should its webhook come after all.
 * - Who is listed joined at LiveKit's own time.  One whose leaving has been
 *   told meanwhile is not brought back: the script remembers the sid.
 * - Somebody on the way in (not ACTIVE yet) is neither there nor gone.
 * - A room once gone never comes back, as its name is never used again.  It
 *   is gone when ListRooms lacks it and nobody is listed in it.
 * - While LiveKit counts more people than it lists, nobody is said to have
 *   left: it may have mislaid one of two with the same identity.  Its count is
 *   old for up to 10 s, so it counts anew before somebody is said to have
 *   left; where it does not, the old count stands, and they are asked about
 *   again after an interval.
 * - An answer processed late, as this worker was stopped in between, may call
 *   somebody there who has left since; the next probe mends that.
 * - No script changes a session that has ended.
 */

#include "backoff.h"
#include "dead.h"
#include "jobs.h"
#include "log.h"
#include "pools.h"
#include "redis.h"
#include "room_service.h"
#include "session.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH            CONVO_SESSIONS_MAX
#define REPAIRS          5 /* of one session: two on each side, and its room */
#define BACKOFF_FIRST_MS 500
#define BACKOFF_LIMIT_MS 5000

/* A participant as Redis has it; len is 0 when there is none. */
typedef struct {
    char psid[CONVO_PSID_MAX];
    size_t len;
} participant_t;

/* A side as Redis has it at T. */
typedef struct {
    int here;
    participant_t current;
    participant_t also; /* who joined in the same millisecond */
} side_t;

typedef struct {
    enum { STRANGE, OVER, GOES_ON } state;
    int missed; /* LiveKit did not tell of it when it was last asked */
    side_t side[2];
} known_t;

/* What a call of a script was about. */
typedef struct {
    const convo_session_t *session; /* NULL: nothing to tell */
    int side;
    const char *what; /* "joined", "left"; NULL: the room is gone */
} repair_t;

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_room_service_t *service;
    convo_run_t run;
    convo_backoff_t backoff;
    int down; /* LiveKit */

    /* the batch */
    int64_t due_at;   /* monotonic: it is to be repaired by then */
    int64_t now;      /* T */
    int64_t read_at;  /* monotonic, before T */
    int64_t answered; /* when LiveKit's answer was there, by Redis's clock */
    size_t n;
    convo_session_t sessions[BATCH];
    known_t known[BATCH];
    convo_room_t rooms[BATCH];
    convo_room_state_t states[BATCH];
    repair_t repairs[BATCH * REPAIRS];
} probes_t;


static int64_t
monotonic_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);

    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}


/* LiveKit gets this part of what is left, once the repair has its time. */
static void
limit_calls(probes_t *self, int64_t part, int64_t parts)
{
    int64_t left_ms = self->due_at - monotonic_ms()
                      - self->config->redis_timeout_ms;

    left_ms = left_ms * part / parts;

    convo_room_service_limit(self->service, left_ms > CONVO_PROBE_CALL_MS
                                                ? left_ms
                                                : CONVO_PROBE_CALL_MS);
}


/* --- what Redis knows --- */

/* The sessions to be asked about now.  Members that are no id become dead
 * letters. */
static void
take(probes_t *self, const convo_pool_t *pool, int64_t put_off_ms)
{
    convo_redis_t *redis = self->redis;
    convo_dead_t strange = { 0 };
    const redisReply *reply;

    self->n = 0;
    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_TAKE_PROBES);
    convo_redis_key(redis, pool, CONVO_KEY_PROBES, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_RUN, NULL, 0);
    convo_redis_int(redis, BATCH);
    convo_redis_int(redis, put_off_ms);
    convo_redis_str(redis, self->run.run_id);

    if (convo_redis_run(redis) != 0) {
        return;
    }

    reply = convo_redis_reply(redis, 0);
    if (convo_reply_failed(reply, "probes", "take_probes")
        || reply->type != REDIS_REPLY_ARRAY)
    {
        return;
    }

    for (size_t i = 0; i < reply->elements && self->n < BATCH; i++) {
        const redisReply *sid = reply->element[i];

        if (sid->type != REDIS_REPLY_STRING) {
            continue;
        }
        if (convo_is_sid(sid->str, sid->len)) {
            memcpy(self->sessions[self->n++].sid, sid->str,
                   CONVO_SID_LEN + 1);
        } else {
            convo_dead_add(&strange, sid->str, sid->len);
        }
    }

    (void) convo_dead_bury(&strange, redis, pool, CONVO_KEY_PROBES,
                           "no id of ours");
}


static void
take_known(participant_t *participant, const redisReply *psid)
{
    participant->len = 0;

    if (psid->type == REDIS_REPLY_STRING && psid->len <= CONVO_PSID_MAX) {
        memcpy(participant->psid, psid->str, psid->len);
        participant->len = psid->len;
    }
}


static void
read_known(known_t *known, const redisReply *reply)
{
    memset(known, 0, sizeof(*known));

    if (convo_reply_failed(reply, "probes", "session")
        || !convo_reply_is_array(reply, 8))
    {
        return;
    }

    if (convo_reply_is(reply->element[0], "matched")
        || convo_reply_is(reply->element[0], "live"))
    {
        known->state = GOES_ON;

    } else if (reply->element[0]->type == REDIS_REPLY_NIL
               || convo_reply_is(reply->element[0], "ended"))
    {
        known->state = OVER;
    }

    for (size_t i = 0; i < 2; i++) {
        redisReply **fields = &reply->element[1 + 3 * i];

        known->side[i].here = fields[0]->type == REDIS_REPLY_STRING;
        take_known(&known->side[i].current, fields[1]);
        take_known(&known->side[i].also, fields[2]);
    }

    known->missed = reply->element[7]->type == REDIS_REPLY_STRING;
}


/* T, and what is known of each session then: 0, or -1. */
static int
read_sessions(probes_t *self, const convo_pool_t *pool)
{
    static const char *const fields[] = {
        "state", "here_a", "psid_a", "also_a", "here_b", "psid_b", "also_b",
        "missed",
    };
    convo_redis_t *redis = self->redis;

    if (convo_session_read(redis, pool, self->sessions, self->n) != 0) {
        return -1;
    }

    self->read_at = monotonic_ms();
    convo_redis_begin(redis);
    convo_redis_command(redis, "TIME");

    for (size_t i = 0; i < self->n; i++) {
        convo_redis_command(redis, "HMGET");
        convo_redis_key(redis, pool, CONVO_KEY_SESSION, self->sessions[i].sid,
                        CONVO_SID_LEN);
        for (size_t j = 0; j < sizeof(fields) / sizeof(fields[0]); j++) {
            convo_redis_str(redis, fields[j]);
        }
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    self->now = convo_reply_time(convo_redis_reply(redis, 0));

    for (size_t i = 0; i < self->n; i++) {
        read_known(&self->known[i], convo_redis_reply(redis, i + 1));
    }

    return self->now > 0 ? 0 : -1;
}


/* Keeps those that go on.  What has ended, or is no session, is taken out by
 * look; what is damaged is left to the sessions job by fail_session. */
static int
keep_going(probes_t *self, const convo_pool_t *pool)
{
    convo_redis_t *redis = self->redis;
    size_t kept = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < self->n; i++) {
        const convo_session_t *session = &self->sessions[i];

        if (self->known[i].state == OVER) {
            convo_session_look(redis, pool, session);

        } else if (self->known[i].state == STRANGE
                   || !convo_session_found(session))
        {
            convo_session_fail(redis, pool, session, self->now, "found");

        } else {
            self->sessions[kept] = *session;
            self->known[kept++] = self->known[i];
        }
    }

    self->n = kept;

    return convo_redis_calls(redis) == 0 ? 0 : convo_redis_run(redis);
}


/* --- what LiveKit says --- */

/* A side that Redis knows to be there, and LiveKit does not list. */
static int
is_missing(const probes_t *self, size_t index, int side)
{
    const convo_room_person_t *person = &self->states[index].people.side[side];

    return self->known[index].side[side].here && !person->there;
}


/* Where somebody may have left, the people are counted anew. */
static void
count_anew(probes_t *self)
{
    convo_room_t rooms[BATCH];
    int64_t counted[BATCH];
    size_t index[BATCH], n = 0;

    for (size_t i = 0; i < self->n; i++) {
        if (self->states[i].result == CONVO_ROOM_OK && self->states[i].exists
            && (is_missing(self, i, 0) || is_missing(self, i, 1)))
        {
            rooms[n] = self->rooms[i];
            index[n++] = i;
        }
    }

    if (n == 0) {
        return;
    }

    limit_calls(self, 1, 1);
    convo_room_service_count(self->service, rooms, n, counted);

    for (size_t i = 0; i < n; i++) {
        if (counted[i] >= 0) {
            self->states[index[i]].counted = counted[i];
        }
    }
}


static void
ask(probes_t *self, const convo_pool_t *pool)
{
    size_t unknown = 0;

    for (size_t i = 0; i < self->n; i++) {
        convo_room(self->rooms[i].name, pool->name, pool->len,
                   self->sessions[i].sid);
    }

    limit_calls(self, 2, 3);

    if (convo_room_service_look(self->service, self->rooms, self->n,
                                self->states)
        == 0)
    {
        convo_backoff_reset(&self->backoff);
    } else {
        self->down = 1;
    }

    self->answered = self->now + monotonic_ms() - self->read_at;

    for (size_t i = 0; i < self->n; i++) {
        unknown += self->states[i].result != CONVO_ROOM_OK;
    }

    if (unknown > 0) {
        convo_log(CONVO_LOG_WARN, "probes",
                  "pool %s: LiveKit says nothing of %zu of %zu rooms: %s",
                  pool->name, unknown, self->n,
                  convo_room_service_why(self->service));
    }
}


static int
is_same(const participant_t *participant, const char *psid)
{
    return participant->len == strlen(psid)
           && memcmp(participant->psid, psid, participant->len) == 0;
}


static void
call_participant(probes_t *self, const convo_pool_t *pool, size_t index,
                 int side, const char *what, const participant_t *participant,
                 int64_t at_ms)
{
    convo_redis_t *redis = self->redis;
    repair_t *repair = &self->repairs[convo_redis_calls(redis)];

    repair->session = &self->sessions[index];
    repair->side = side;
    repair->what = what;

    convo_session_participant(redis, pool, repair->session, side, what,
                              participant->psid, participant->len, at_ms);
}


static void
repair_side(probes_t *self, const convo_pool_t *pool, size_t index, int side)
{
    const convo_room_state_t *state = &self->states[index];
    const convo_room_person_t *person = &state->people.side[side];
    const side_t *known = &self->known[index].side[side];

    if (person->active) {
        participant_t participant = { .len = strlen(person->psid) };

        if (is_same(&known->current, person->psid)
            || is_same(&known->also, person->psid))
        {
            return;
        }
        memcpy(participant.psid, person->psid, participant.len);
        call_participant(self, pool, index, side, "joined", &participant,
                         person->joined_ms);
        return;
    }

    if (!is_missing(self, index, side)
        || state->counted > (int64_t) state->people.listed)
    {
        return;
    }

    if (known->also.len > 0) {
        call_participant(self, pool, index, side, "left", &known->also,
                         self->answered);
    }
    if (known->current.len > 0) {
        call_participant(self, pool, index, side, "left", &known->current,
                         self->answered);
    }
}


static void
call_miss(probes_t *self, const convo_pool_t *pool, size_t index,
          int64_t at_ms)
{
    self->repairs[convo_redis_calls(self->redis)] = (repair_t){ 0 };
    convo_session_miss(self->redis, pool, &self->sessions[index], at_ms);
}


static void
repair_session(probes_t *self, const convo_pool_t *pool, size_t index)
{
    const convo_room_state_t *state = &self->states[index];
    int missed = self->known[index].missed;

    if (state->exists && missed) {
        call_miss(self, pool, index, 0);
    }
    if (!state->exists && state->result != CONVO_ROOM_OK && !missed) {
        call_miss(self, pool, index, self->now);
    }

    if (state->result != CONVO_ROOM_OK) {
        return;
    }

    if (state->exists) {
        repair_side(self, pool, index, 0);
        repair_side(self, pool, index, 1);
        return;
    }

    self->repairs[convo_redis_calls(self->redis)]
        = (repair_t){ .session = &self->sessions[index] };
    convo_session_fail(self->redis, pool, &self->sessions[index],
                       self->answered, "found");
}


static void
tell(const repair_t *repair, const redisReply *reply)
{
    const char *sid;

    if (convo_reply_failed(reply, "probes", "a repair")
        || repair->session == NULL || convo_reply_is(reply, "ignored")
        || convo_reply_is(reply, "ended"))
    {
        return;
    }

    sid = repair->session->sid;

    if (repair->what == NULL) {
        convo_log(CONVO_LOG_WARN, "probes",
                  "session %s: its room is gone: %s", sid,
                  reply->type == REDIS_REPLY_STRING ? reply->str : "?");
    } else {
        convo_log(CONVO_LOG_INFO, "probes",
                  "session %s: %c has %s, as no webhook has said: %s", sid,
                  repair->side == 0 ? 'a' : 'b', repair->what,
                  reply->type == REDIS_REPLY_STRING ? reply->str : "?");
    }
}


/* What is not repaired now, as Redis goes, is found again. */
static void
repair(probes_t *self, const convo_pool_t *pool)
{
    convo_redis_t *redis = self->redis;
    size_t calls;

    convo_redis_begin(redis);

    for (size_t i = 0; i < self->n; i++) {
        repair_session(self, pool, i);
    }

    calls = convo_redis_calls(redis);
    if (calls == 0 || convo_redis_run(redis) != 0) {
        return;
    }

    for (size_t i = 0; i < calls; i++) {
        tell(&self->repairs[i], convo_redis_reply(redis, i));
    }
}


/* --- the job --- */

/* Returns 1 when there may be more. */
static int
probe(probes_t *self, const convo_pool_t *pool)
{
    size_t taken;

    self->due_at = monotonic_ms() + CONVO_REPAIR_MS - CONVO_PROBE_PAUSE_MS
                   - self->config->probe_interval_ms;
    take(self, pool, self->config->probe_interval_ms);
    taken = self->n;

    if (taken == 0 || read_sessions(self, pool) != 0
        || keep_going(self, pool) != 0)
    {
        return 0;
    }

    if (self->n > 0) {
        ask(self, pool);
        count_anew(self);
        repair(self, pool);
    }

    return taken == BATCH && !self->down;
}


/*
 * Notes of the sessions that are due that LiveKit does not tell of them.  They
 * are put off by no more than a pause: a worker that LiveKit answers asks then.
 * So long at most this goes on, as they are due again after it.
 */
static void
miss_due(probes_t *self, const convo_pool_t *pool, int64_t asked_ms)
{
    convo_redis_t *redis = self->redis;
    int64_t began_ms = monotonic_ms();

    do {
        take(self, pool, CONVO_PROBE_PAUSE_MS);
        convo_redis_begin(redis);

        for (size_t i = 0; i < self->n; i++) {
            convo_session_miss(redis, pool, &self->sessions[i], asked_ms);
        }
    } while (self->n > 0 && convo_redis_run(redis) == 0 && self->n == BATCH
             && monotonic_ms() - began_ms < CONVO_PROBE_PAUSE_MS
             && !convo_stopping());
}


static void
probe_livekit(probes_t *self)
{
    int64_t asked_ms = -1;

    if (convo_stop_wait(convo_backoff_next(&self->backoff))) {
        return;
    }

    if (convo_run_know(&self->run, self->redis) == 0) {
        asked_ms = convo_redis_now(self->redis);
    }

    convo_room_service_limit(self->service, INT64_MAX);

    if (convo_room_service_probe(self->service) == 0) {
        self->down = 0;
        convo_log(CONVO_LOG_WARN, "probes",
                  "LiveKit answers: asking about sessions again");
        return;
    }

    for (size_t i = 0; asked_ms > 0 && i < self->config->npools; i++) {
        miss_due(self, &self->config->pools[i], asked_ms);
    }
}


static probes_t *
probes_new(const convo_config_t *config)
{
    probes_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, "probes", "out of memory");
        abort();
    }

    self->config = config;
    self->redis = convo_redis_new(config, "probes");
    self->service = convo_room_service_new(&config->livekit);
    self->backoff.first_ms = BACKOFF_FIRST_MS;
    self->backoff.limit_ms = BACKOFF_LIMIT_MS;

    return self;
}


void
convo_probes(const convo_config_t *config)
{
    probes_t *self;

    if (config->probe_interval_ms == 0) {
        return;
    }

    self = probes_new(config);

    while (!convo_stopping()) {
        int more = 0;

        if (self->down) {
            probe_livekit(self);
            continue;
        }

        if (convo_run_know(&self->run, self->redis) != 0) {
            continue;
        }

        for (size_t i = 0;
             i < config->npools && !self->down && !convo_stopping(); i++)
        {
            more |= probe(self, &config->pools[i]);
        }

        if (!more) {
            convo_stop_wait(CONVO_PROBE_PAUSE_MS);
        }
    }

    convo_room_service_free(self->service);
    convo_redis_free(self->redis);
    free(self);
}
