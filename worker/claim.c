/*
 * The tickets of one round of matching; see claim.h.
 *
 * A ticket is only an id in a list: its truth is the user's hash, which is
 * read here, many at once.  Nothing of what a hash holds is trusted: numbers
 * that are none make the ticket faulty, before a script stumbles over them.
 */

#include "claim.h"
#include "backoff.h"
#include "log.h"
#include "stop.h"

#include <stdlib.h>
#include <string.h>

/* A user's fields as they are asked for. */
enum {
    STATE,
    TICKET,
    SEEN,
    WAITING_SINCE,
    ORDER,
    JOIN_POINTS,
    JOIN_WINDOW,
    JOIN_MAX,
    FIELDS
};

static const char *const field_names[FIELDS] = {
    "state", "ticket",      "seen",        "waiting_since",
    "order", "join_points", "join_window", "join_max",
};


/* --- taking --- */

static void
add_ticket(convo_claim_t *claim, const redisReply *reply)
{
    convo_ticket_t *ticket = &claim->tickets[claim->n++];

    memset(ticket, 0, sizeof(*ticket));
    ticket->text = malloc(reply->len + 1);
    if (ticket->text == NULL) {
        convo_log(CONVO_LOG_ERROR, "match", "out of memory");
        abort();
    }

    memcpy(ticket->text, reply->str, reply->len);
    ticket->text[reply->len] = '\0';
    ticket->len = reply->len;
    ticket->user = convo_ticket_user(ticket->text, ticket->len,
                                     &ticket->user_len);
}


/* One more batch for the claim; *taken is how many tickets it has. */
static int
take_batch(convo_claim_t *claim, int odd, size_t *taken)
{
    convo_redis_t *redis = claim->redis;
    const redisReply *reply;

    convo_redis_begin(redis);
    convo_redis_script(redis, CONVO_SCRIPT_CLAIM);
    convo_redis_key(redis, claim->pool, CONVO_KEY_QUEUE, NULL, 0);
    convo_redis_key(redis, claim->pool, CONVO_KEY_CLAIMS, NULL, 0);
    convo_redis_key(redis, claim->pool, CONVO_KEY_CLAIM, claim->id,
                    CONVO_SID_LEN);
    convo_redis_key(redis, claim->pool, CONVO_KEY_READY, NULL, 0);
    convo_redis_key(redis, claim->pool, CONVO_KEY_SCHEMA, NULL, 0);
    convo_redis_str(redis, claim->id);
    convo_redis_int(redis, claim->config->batch);
    convo_redis_str(redis, odd ? "1" : "0");
    convo_redis_int(redis, claim->config->lease_ms);

    *taken = 0;
    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    reply = convo_redis_reply(redis, 0);
    if (convo_reply_failed(reply, "match", "claim")
        || reply->type != REDIS_REPLY_ARRAY)
    {
        return 0;
    }

    for (size_t i = 0; i < reply->elements && claim->n < CONVO_CLAIM_MAX; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            add_ticket(claim, reply->element[i]);
            (*taken)++;
        }
    }

    return 0;
}


/* --- looking --- */

static void
set_faulty(convo_ticket_t *ticket, const char *why)
{
    ticket->fate = CONVO_TICKET_FAULTY;
    ticket->fault = why;
}


static int
is_text(const redisReply *reply, const char *text, size_t len)
{
    return reply->type == REDIS_REPLY_STRING && reply->len == len
           && memcmp(reply->str, text, len) == 0;
}


static void
judge_ticket(const convo_claim_t *claim, convo_ticket_t *ticket,
             const redisReply *user)
{
    if (!convo_reply_is_array(user, FIELDS)) {
        set_faulty(ticket, "the user's key holds no user");
        return;
    }

    if (!convo_reply_is(user->element[STATE], "waiting")
        || !is_text(user->element[TICKET], ticket->text, ticket->len))
    {
        ticket->fate = CONVO_TICKET_VOID;
        return;
    }

    for (int i = SEEN; i < FIELDS; i++) {
        if (convo_reply_int(user->element[i]) < (i < JOIN_POINTS ? 0 : 1)) {
            set_faulty(ticket, "the user's numbers are none");
            return;
        }
    }

    if (claim->now - convo_reply_int(user->element[SEEN])
        <= claim->config->silent_after_ms)
    {
        ticket->fate = CONVO_TICKET_GOOD;
    }
}


/* Reads the users of the tickets from index first on. */
static int
look(convo_claim_t *claim, size_t first)
{
    convo_redis_t *redis = claim->redis;
    size_t call = 1;

    convo_redis_begin(redis);
    convo_redis_command(redis, "TIME");

    for (size_t i = first; i < claim->n; i++) {
        const convo_ticket_t *ticket = &claim->tickets[i];

        if (ticket->user == NULL) {
            continue;
        }
        convo_redis_command(redis, "HMGET");
        convo_redis_key(redis, claim->pool, CONVO_KEY_USER, ticket->user,
                        ticket->user_len);
        for (int j = 0; j < FIELDS; j++) {
            convo_redis_str(redis, field_names[j]);
        }
    }

    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    claim->now = convo_reply_time(convo_redis_reply(redis, 0));

    for (size_t i = first; i < claim->n; i++) {
        convo_ticket_t *ticket = &claim->tickets[i];

        if (ticket->user == NULL) {
            set_faulty(ticket, "malformed ticket");
        } else {
            judge_ticket(claim, ticket, convo_redis_reply(redis, call++));
        }
    }

    return 0;
}


size_t
convo_claim_count(const convo_claim_t *claim, convo_fate_e fate)
{
    size_t count = 0;

    for (size_t i = 0; i < claim->n; i++) {
        count += claim->tickets[i].fate == fate;
    }

    return count;
}


int
convo_claim_take(convo_claim_t *claim, int odd)
{
    unsigned char random[16];
    int batches = 0;

    convo_random(random);
    convo_sid(claim->id, random);

    do {
        size_t first = claim->n;
        size_t taken;

        if (take_batch(claim, odd, &taken) != 0) {
            return -1;
        }

        claim->full = taken == (size_t) claim->config->batch;

        if (taken > 0 && look(claim, first) != 0) {
            return -1;
        }

    } while (claim->full && ++batches < CONVO_CLAIM_BATCHES
             && convo_claim_count(claim, CONVO_TICKET_GOOD) < 2);

    return 0;
}


/* --- settling --- */

static void
call_fault(convo_claim_t *claim, const convo_ticket_t *ticket)
{
    convo_redis_t *redis = claim->redis;
    const convo_pool_t *pool = claim->pool;

    convo_redis_script(redis, CONVO_SCRIPT_FAULT);
    if (ticket->user != NULL) {
        convo_redis_key(redis, pool, CONVO_KEY_USER, ticket->user,
                        ticket->user_len);
    } else {
        convo_redis_key(redis, pool, CONVO_KEY_NONE, NULL, 0);
    }
    convo_redis_key(redis, pool, CONVO_KEY_QUEUE, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_CLAIMS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_CLAIM, claim->id, CONVO_SID_LEN);
    convo_redis_key(redis, pool, CONVO_KEY_DEAD, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_STATS, NULL, 0);
    convo_redis_key(redis, pool, CONVO_KEY_DIRTY, NULL, 0);
    convo_redis_str(redis, claim->id);
    convo_redis_arg(redis, ticket->text, ticket->len);
    convo_redis_str(redis, ticket->fault);
    convo_redis_int(redis, claim->config->ticket_tries);
}


/* Counts the faults; where that fails the ticket is looked at again. */
static int
settle_faulty(convo_claim_t *claim)
{
    convo_redis_t *redis = claim->redis;

    convo_redis_begin(redis);

    for (size_t i = 0; i < claim->n; i++) {
        const convo_ticket_t *ticket = &claim->tickets[i];

        if (ticket->fate == CONVO_TICKET_FAULTY) {
            call_fault(claim, ticket);
        }
    }

    if (convo_redis_calls(redis) == 0) {
        return 0;
    }
    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0, call = 0; i < claim->n; i++) {
        convo_ticket_t *ticket = &claim->tickets[i];
        const redisReply *reply;

        if (ticket->fate != CONVO_TICKET_FAULTY) {
            continue;
        }
        reply = convo_redis_reply(redis, call++);
        if (convo_reply_failed(reply, "match", "fault")) {
            ticket->fate = CONVO_TICKET_BACK;
            continue;
        }
        ticket->fate = CONVO_TICKET_SETTLED;
        convo_log(CONVO_LOG_WARN, "match", "pool %s: fault of a ticket: %s: %s",
                  claim->pool->name, ticket->fault,
                  reply->type == REDIS_REPLY_STRING ? reply->str : "");
    }

    return 0;
}


static int
is_mode(convo_fate_e fate, const char *mode)
{
    if (strcmp(mode, "forget") == 0) {
        return fate == CONVO_TICKET_VOID;
    }

    return fate == CONVO_TICKET_BACK || fate == CONVO_TICKET_GOOD;
}


static void
call_release(convo_claim_t *claim, const char *mode)
{
    convo_redis_t *redis = claim->redis;
    int begun = 0;

    for (size_t i = 0; i < claim->n; i++) {
        const convo_ticket_t *ticket = &claim->tickets[i];

        if (!is_mode(ticket->fate, mode)) {
            continue;
        }
        if (!begun) {
            begun = 1;
            convo_redis_script(redis, CONVO_SCRIPT_RELEASE);
            convo_redis_key(redis, claim->pool, CONVO_KEY_QUEUE, NULL, 0);
            convo_redis_key(redis, claim->pool, CONVO_KEY_CLAIMS, NULL, 0);
            convo_redis_key(redis, claim->pool, CONVO_KEY_CLAIM, claim->id,
                            CONVO_SID_LEN);
            convo_redis_str(redis, claim->id);
            convo_redis_str(redis, mode);
        }
        convo_redis_arg(redis, ticket->text, ticket->len);
    }
}


static int
release(convo_claim_t *claim)
{
    convo_redis_t *redis = claim->redis;

    convo_redis_begin(redis);
    call_release(claim, "forget");
    call_release(claim, "back");

    if (convo_redis_calls(redis) == 0) {
        return 0;
    }
    if (convo_redis_run(redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < convo_redis_calls(redis); i++) {
        convo_reply_failed(convo_redis_reply(redis, i), "match", "release");
    }

    return 0;
}


int
convo_claim_settle(convo_claim_t *claim)
{
    if (settle_faulty(claim) != 0) {
        return -1;
    }

    return release(claim);
}


void
convo_claim_salvage(convo_claim_t *claim)
{
    for (size_t i = 0; i < claim->n; i++) {
        claim->tickets[i].fate = CONVO_TICKET_BACK;
    }

    while (claim->n > 0 && !convo_stopping()) {
        if (convo_redis_ready(claim->redis) == 0 && release(claim) == 0) {
            return;
        }
    }
}


void
convo_claim_clear(convo_claim_t *claim)
{
    for (size_t i = 0; i < claim->n; i++) {
        free(claim->tickets[i].text);
    }

    claim->n = 0;
    claim->full = 0;
}
