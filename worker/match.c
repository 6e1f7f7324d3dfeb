/*
 * The job that pairs waiting users.
 *
 * A round: claim tickets, read their users, pair them, note the rooms, create
 * the rooms, commit each pair, give the rest back.  Then the next round, at
 * once when there is more in the queue, else after match_interval.
 *
 * Crash story.  Killed after the claim: the lease ends and the sessions job
 * of any worker returns the tickets to the front.  Killed after a room was
 * created: it was noted before (plan_room), to be deleted when the lease is
 * over; only a commit takes it off that list, and no commit is good after the
 * lease.  Killed after a commit: the match stands, nothing of it was here.
 * Redis goes: the round is dropped; what it held is given back when Redis
 * returns, or by lease.  A commit whose answer was lost stands if it took
 * effect: its tickets are out of the claim, and giving them back does nothing.
 * LiveKit goes: the tickets go back and no more are claimed until LiveKit
 * answers a probe (back-off with jitter); no ticket is blamed.  A ticket is
 * blamed for its room only when LiveKit created another one in that round.
 */

#include "backoff.h"
#include "claim.h"
#include "convo_pairing.h"
#include "jobs.h"
#include "log.h"
#include "redis.h"
#include "room_service.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>

#define BREAKER_FIRST_MS 500
#define BREAKER_LIMIT_MS 5000

/* For how long a damaged pool is left alone. */
#define DAMAGED_MS 5000

typedef struct {
    convo_ticket_t *a;
    convo_ticket_t *b;
    char sid[CONVO_SID_LEN + 1];
} pair_t;

typedef struct {
    const convo_config_t *config;
    convo_redis_t *redis;
    convo_room_service_t *service;
    convo_backoff_t breaker;
    int open;                    /* LiveKit is down: nothing is claimed */
    int odd[CONVO_CONFIG_POOLS]; /* ask for an odd number next time */

    /* rounds that are left out: the pool is damaged, and each of them would
     * create rooms for nothing */
    int64_t left_out[CONVO_CONFIG_POOLS];
    int damaged; /* in this round */

    /* the round */
    convo_claim_t claim;
    convo_ticket_t *good[CONVO_PAIRING_MAX]; /* those to be paired */
    convo_pairing_user_t users[CONVO_PAIRING_MAX];
    size_t ngood;
    char verdicts[CONVO_PAIRING_MAX][CONVO_PAIRING_AHEAD]; /* 0: ALLOW */
    pair_t pairs[CONVO_ROOMS_MAX];
    convo_room_t rooms[CONVO_ROOMS_MAX];
    convo_room_result_e created[CONVO_ROOMS_MAX];
    size_t npairs;
    size_t matched;
} match_t;


/* --- pairing --- */

static void
choose_good(match_t *match)
{
    match->ngood = 0;

    for (size_t i = 0; i < match->claim.n; i++) {
        convo_ticket_t *ticket = &match->claim.tickets[i];

        if (ticket->fate != CONVO_TICKET_GOOD
            || match->ngood == CONVO_PAIRING_MAX)
        {
            continue;
        }
        match->users[match->ngood].id = ticket->user;
        match->users[match->ngood].len = ticket->user_len;
        match->good[match->ngood++] = ticket;
    }
}


static size_t
last_ahead(const match_t *match, size_t i)
{
    size_t last = i + CONVO_PAIRING_AHEAD;

    return last < match->ngood ? last : match->ngood - 1;
}


/* One command about user i and those close behind. */
static void
ask(match_t *match, size_t i, const char *command, const char *kind)
{
    convo_redis_t *redis = match->redis;

    convo_redis_command(redis, command);
    convo_redis_key(redis, match->claim.pool, kind, match->users[i].id,
                    match->users[i].len);

    for (size_t j = i + 1; j <= last_ahead(match, i); j++) {
        convo_redis_arg(redis, match->users[j].id, match->users[j].len);
    }
}


/* A damaged set stops nothing: commit looks again. */
static void
take_verdicts(match_t *match, size_t i, const redisReply *met,
              const redisReply *blocked)
{
    size_t n = last_ahead(match, i) - i;

    if (!convo_reply_failed(met, "match", "meetings")
        && convo_reply_is_array(met, n))
    {
        for (size_t j = 0; j < n; j++) {
            if (convo_reply_int(met->element[j]) > match->claim.now) {
                match->verdicts[i][j] = CONVO_PAIRING_AVOID;
            }
        }
    }

    if (!convo_reply_failed(blocked, "match", "blocks")
        && convo_reply_is_array(blocked, n))
    {
        for (size_t j = 0; j < n; j++) {
            if (convo_reply_int(blocked->element[j]) == 1) {
                match->verdicts[i][j] = CONVO_PAIRING_NEVER;
            }
        }
    }
}


/* Asks for each user whom of those close behind they met in this window (the
 * score of a meeting is when it may be forgotten), and with whom they are
 * never paired. */
static int
read_verdicts(match_t *match)
{
    convo_redis_t *redis = match->redis;

    memset(match->verdicts, 0, sizeof(match->verdicts));
    convo_redis_begin(redis);

    for (size_t i = 0; i + 1 < match->ngood; i++) {
        ask(match, i, "ZMSCORE", CONVO_KEY_MET);
        ask(match, i, "SMISMEMBER", CONVO_KEY_BLOCKED);
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i + 1 < match->ngood; i++) {
        take_verdicts(match, i, convo_redis_reply(redis, 2 * i),
                      convo_redis_reply(redis, 2 * i + 1));
    }

    return 0;
}


static convo_pairing_verdict_e
judge(void *data, size_t a, size_t b)
{
    const match_t *match = data;

    return (convo_pairing_verdict_e) match->verdicts[a][b - a - 1];
}


static void
make_pairs(match_t *match)
{
    convo_pairing_t pairs[CONVO_PAIRING_MAX / 2];
    const convo_pool_t *pool = match->claim.pool;

    match->npairs = convo_pairing(match->users, match->ngood, judge, match,
                                  pairs);

    for (size_t i = 0; i < match->npairs; i++) {
        pair_t *pair = &match->pairs[i];
        unsigned char random[16];

        convo_random(random);
        convo_sid(pair->sid, random);
        convo_room(match->rooms[i].name, pool->name, pool->len, pair->sid);
        pair->a = match->good[pairs[i].a];
        pair->b = match->good[pairs[i].b];
    }
}


/* --- rooms --- */

static int
plan_rooms(match_t *match)
{
    convo_redis_t *redis = match->redis;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_PLAN_ROOM);
    convo_redis_key(redis, match->claim.pool, CONVO_KEY_CLOSING, NULL, 0);
    convo_redis_int(redis, match->config->lease_ms);

    for (size_t i = 0; i < match->npairs; i++) {
        convo_redis_str(redis, match->rooms[i].name);
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    /* without the note no room is created */
    if (convo_reply_failed(convo_redis_reply(redis, 0), "match", "plan_room")) {
        match->npairs = 0;
    }

    return 0;
}


static size_t
count_results(const match_t *match, convo_room_result_e result)
{
    size_t count = 0;

    for (size_t i = 0; i < match->npairs; i++) {
        count += match->created[i] == result;
    }

    return count;
}


static void
blame(pair_t *pair, const char *why)
{
    pair->a->fate = CONVO_TICKET_FAULTY;
    pair->a->fault = why;
    pair->b->fate = CONVO_TICKET_FAULTY;
    pair->b->fault = why;
}


static void
open_breaker(match_t *match)
{
    match->open = 1;
    convo_log(CONVO_LOG_WARN, "match",
              "LiveKit creates no rooms (%s): not claiming until it answers",
              convo_room_service_why(match->service));
}


static void
create_rooms(match_t *match)
{
    size_t created;

    convo_room_service_create(match->service, match->rooms, match->npairs,
                              match->created);

    created = count_results(match, CONVO_ROOM_OK);

    if (created == 0) {
        open_breaker(match);
        return;
    }

    convo_backoff_reset(&match->breaker);

    if (created < match->npairs) {
        convo_log(CONVO_LOG_WARN, "match", "%zu of %zu rooms not created: %s",
                  match->npairs - created, match->npairs,
                  convo_room_service_why(match->service));
    }

    for (size_t i = 0; i < match->npairs; i++) {
        if (match->created[i] == CONVO_ROOM_REFUSED) {
            blame(&match->pairs[i], "LiveKit refuses the room");
        }
    }
}


/* --- committing --- */

static void
call_commit(match_t *match, const pair_t *pair, const char *room)
{
    convo_redis_t *redis = match->redis;
    const convo_pool_t *pool = match->claim.pool;
    const char *id = match->claim.id;

    convo_redis_script(redis, CONVO_SCRIPT_COMMIT);
    convo_redis_key(redis, pool, CONVO_KEY_USER, pair->a->user,
                    pair->a->user_len);
    convo_redis_key(redis, pool, CONVO_KEY_USER, pair->b->user,
                    pair->b->user_len);
    convo_redis_key(redis, pool, CONVO_KEY_QUEUE, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_CLAIMS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_CLAIM, id, CONVO_SID_LEN);
    convo_redis_key(redis, pool, CONVO_KEY_SESSION, pair->sid, CONVO_SID_LEN);
    convo_redis_key(redis, pool, CONVO_KEY_SESSIONS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_CLOSING, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_STATS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_BLOCKED, pair->a->user,
                    pair->a->user_len);
    convo_redis_key(redis, pool, CONVO_KEY_PROBES, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_str(redis, id);
    convo_redis_arg(redis, pair->a->text, pair->a->len);
    convo_redis_arg(redis, pair->b->text, pair->b->len);
    convo_redis_str(redis, pair->sid);
    convo_redis_str(redis, room);
    convo_redis_int(redis, match->config->no_show_ms);
    convo_redis_int(redis, match->config->absence_ms);
    convo_redis_int(redis, match->config->probe_interval_ms);
}


/* "lost": the tickets are still in a claim, or another's by now; giving them
 * back is right for the first and nothing for the second.  They also go back
 * when a key of the pool is damaged: no ticket is to blame. */
static void
take_commit(match_t *match, pair_t *pair, const redisReply *reply)
{
    if (convo_reply_failed(reply, "match", "commit")) {
        if (convo_reply_is_damaged(reply)) {
            match->damaged = 1;
        } else {
            blame(pair, "the match cannot be committed");
        }
        return;
    }

    if (!convo_reply_is_array(reply, 1)
        || convo_reply_is(reply->element[0], "lost"))
    {
        convo_log(CONVO_LOG_WARN, "match", "session %s: the claim was lost",
                  pair->sid);
        return;
    }

    pair->a->fate = CONVO_TICKET_SETTLED;
    pair->b->fate = CONVO_TICKET_SETTLED;

    if (convo_reply_is(reply->element[0], "matched")) {
        match->matched++;
        convo_log(CONVO_LOG_DEBUG, "match", "session %s: matched", pair->sid);

    } else if (convo_reply_is(reply->element[0], "blocked")) {
        convo_log(CONVO_LOG_INFO, "match", "session %s: one of the two has "
                  "reported the other just now", pair->sid);
    }
}


static int
commit_pairs(match_t *match)
{
    convo_redis_t *redis = match->redis;
    size_t call = 0;

    convo_redis_begin(redis);

    for (size_t i = 0; i < match->npairs; i++) {
        if (match->created[i] == CONVO_ROOM_OK) {
            call_commit(match, &match->pairs[i], match->rooms[i].name);
        }
    }

    if (convo_redis_calls(redis) == 0) {
        return 0;
    }
    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < match->npairs; i++) {
        if (match->created[i] == CONVO_ROOM_OK) {
            take_commit(match, &match->pairs[i],
                        convo_redis_reply(redis, call++));
        }
    }

    return 0;
}


/* --- a round --- */

static int
match_good(match_t *match)
{
    choose_good(match);

    if (match->ngood < 2) {
        return 0;
    }
    if (read_verdicts(match) != 0) {
        return -1;
    }

    make_pairs(match);

    if (match->npairs == 0) {
        return 0;
    }
    if (plan_rooms(match) != 0) {
        return -1;
    }
    if (match->npairs == 0) {
        return 0;
    }

    create_rooms(match);

    return commit_pairs(match);
}


/* Returns 1 when there is more to do at once. */
static int
run_round(match_t *match, size_t pool)
{
    convo_claim_t *claim = &match->claim;
    int more;

    claim->pool = &match->config->pools[pool];
    match->npairs = 0;
    match->matched = 0;
    match->damaged = 0;

    if (match->left_out[pool] > 0) {
        match->left_out[pool]--;
        return 0;
    }

    if (convo_claim_take(claim, match->odd[pool]) != 0
        || match_good(match) != 0 || convo_claim_settle(claim) != 0)
    {
        convo_claim_salvage(claim);
        convo_claim_clear(claim);
        return 0;
    }

    /* who could not be paired now must not stand between two who can */
    match->odd[pool] = convo_claim_count(claim, CONVO_TICKET_GOOD) > 0
                       || convo_claim_count(claim, CONVO_TICKET_BACK) > 0;

    more = claim->full && match->matched > 0;

    if (match->damaged) {
        match->left_out[pool] = DAMAGED_MS / match->config->match_interval_ms;
    }

    if (match->matched > 0) {
        convo_log(CONVO_LOG_INFO, "match", "pool %s: %zu pairs of %zu tickets",
                  claim->pool->name, match->matched, claim->n);
    }

    convo_claim_clear(claim);

    return more;
}


static void
probe_livekit(match_t *match)
{
    if (convo_stop_wait(convo_backoff_next(&match->breaker))) {
        return;
    }

    if (convo_room_service_probe(match->service) == 0) {
        match->open = 0;
        convo_log(CONVO_LOG_WARN, "match", "LiveKit answers: claiming again");
    }
}


static match_t *
match_new(const convo_config_t *config)
{
    match_t *match = calloc(1, sizeof(*match));

    if (match == NULL) {
        convo_log(CONVO_LOG_ERROR, "match", "out of memory");
        abort();
    }

    match->config = config;
    match->redis = convo_redis_new(config, "match");
    match->service = convo_room_service_new(&config->livekit);
    match->breaker.first_ms = BREAKER_FIRST_MS;
    match->breaker.limit_ms = BREAKER_LIMIT_MS;
    match->claim.config = config;
    match->claim.redis = match->redis;

    return match;
}


void
convo_match(const convo_config_t *config)
{
    match_t *match = match_new(config);

    while (!convo_stopping()) {
        int more = 0;

        if (match->open) {
            probe_livekit(match);
            continue;
        }

        if (convo_redis_ready(match->redis) != 0) {
            continue;
        }

        for (size_t i = 0;
             i < config->npools && !match->open && !convo_stopping(); i++)
        {
            more |= run_round(match, i);
        }

        if (!more) {
            convo_stop_wait(config->match_interval_ms);
        }
    }

    convo_room_service_free(match->service);
    convo_redis_free(match->redis);
    free(match);
}
