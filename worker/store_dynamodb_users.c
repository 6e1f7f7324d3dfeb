/*
 * The users of the DynamoDB store: what Redis knows of them, and with whom
 * they are never paired again.  Each is one item that is updated on its own,
 * many at once; the newer version stands.
 *
 * How it fails: one that cannot be updated holds up no other; all are tried,
 * and written again by the caller when any could not be.  One that is refused
 * (store_dynamodb_judge.c) is left to the caller if it is a user, and to Redis
 * alone if it is a block.
 */

#include "store_dynamodb.h"
#include "dynamodb_item.h"
#include "log.h"

#include <string.h>

#define CALLS CONVO_DYNAMODB_CONNECTIONS

#define KEPT(name) "#" name " = if_not_exists(#" name ", :" name ")"

static const char user_update[]
    = "SET #pool = :pool, #points = :points, #pointsLeft = :pointsLeft,"
      " #pointsSpent = :pointsSpent, #windowEndsAt = :windowEndsAt,"
      " #isWaitingInQueue = :isWaitingInQueue, #state = :state,"
      " #bannedUntil = :bannedUntil, #version = :version, ";

/* What follows it: Redis forgets a last session, the store does not. */
static const char last_set[] = "#lastSessionTimestamp = :lastSessionTimestamp";
static const char last_kept[] = KEPT("lastSessionTimestamp");

static const char user_condition[]
    = "attribute_not_exists(#version) OR #version < :version"
      " OR #points = :zero";

/* Of who has not joined there is nothing to tell but the ban. */
static const char stranger_update[]
    = "SET " KEPT("pool") ", " KEPT("points") ", " KEPT("pointsLeft") ", "
      KEPT("pointsSpent") ", " KEPT("windowEndsAt") ", "
      KEPT("isWaitingInQueue") ", " KEPT("state") ", "
      "#bannedUntil = :bannedUntil, " KEPT("version") ", ";

static const char block_update[]
    = "SET " KEPT("pool") " ADD #blocked :peer";


/* --- updates --- */

/*
 * An item has room for some thousands of blocks.  One that is full takes no
 * more, for ever: the change then stands in Redis alone, and that is told, as
 * nothing behind it may be held up by it.
 */
static int
judge_updates(convo_store_dynamodb_t *self, const convo_dynamodb_call_t *calls,
              size_t n, char *refused)
{
    const convo_store_dynamodb_table_t table = {
        .name = self->users, .key = "userId", .takes = &self->takes_users,
    };
    int result = convo_store_dynamodb_judge(self, &table, calls, n, refused);

    for (size_t i = 0; i < n; i++) {
        if (calls[i].result == CONVO_DYNAMODB_TOO_LARGE) {
            convo_log(CONVO_LOG_ERROR, "store",
                      "a user has more blocks than an item of DynamoDB can "
                      "hold: this change is kept by Redis alone");
        } else if (refused[i]) {
            convo_log(CONVO_LOG_ERROR, "store",
                      "DynamoDB calls a change of a user invalid: it is kept "
                      "by Redis alone");
        }
    }

    return result;
}


/* Makes the calls, whose requests it releases. */
static int
update_all(convo_store_dynamodb_t *self, convo_dynamodb_call_t *calls,
           size_t n, char *refused)
{
    int result = 0;

    for (size_t i = 0; i < n; i++) {
        calls[i].operation = "UpdateItem";

        if (calls[i].request == NULL) {
            convo_dynamodb_set_why(self->dynamodb,
                                   "a record that no store can hold");
            result = -1;
        }
    }

    if (result == 0) {
        (void) convo_dynamodb_run(self->dynamodb, calls, n);
        result = judge_updates(self, calls, n, refused);
    }

    convo_dynamodb_release(calls, n);

    return result == 0 ? 0 : convo_store_dynamodb_fail(self, "writing");
}


/* --- users --- */

static json_t *
user_request(const convo_store_dynamodb_t *self,
             const convo_store_user_t *user)
{
    static const char *const names[] = {
        "pool", "points", "pointsLeft", "pointsSpent", "windowEndsAt",
        "lastSessionTimestamp", "isWaitingInQueue", "state", "bannedUntil",
        "version",
    };
    json_t *aliases = json_object();
    json_t *values = convo_dynamodb_item_user(user);
    const char *last = user->last_session > 0 ? last_set : last_kept;
    json_t *request;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char alias[32] = "#";

        json_object_set_new(aliases, strcat(alias, names[i]),
                            json_string(names[i]));
    }

    request = json_pack("{s:s, s:{s:o}, s:s+, s:o, s:o}",
                        "TableName", self->users,
                        "Key", "userId", convo_dynamodb_string(user->user_id),
                        "UpdateExpression",
                        user->points > 0 ? user_update : stranger_update,
                        user->points > 0 ? last : last_kept,
                        "ExpressionAttributeNames", aliases,
                        "ExpressionAttributeValues", values);

    if (request != NULL && user->points > 0) {
        json_object_set_new(request, "ConditionExpression",
                            json_string(user_condition));
        json_object_set_new(values, ":zero", convo_dynamodb_number(0));
    }

    return request;
}


/* At most CALLS users; that the store has a newer version is no failure. */
static int
update_users(convo_store_dynamodb_t *self, const convo_store_user_t *users,
             size_t n, char *refused)
{
    convo_dynamodb_call_t calls[CALLS] = { { 0 } };

    for (size_t i = 0; i < n; i++) {
        calls[i].request = user_request(self, &users[i]);
    }

    return update_all(self, calls, n, refused);
}


/* All are tried, those after a failure without another budget. */
int
convo_store_dynamodb_put_users(convo_store_t *store,
                               const convo_store_user_t *users, size_t n,
                               char *refused)
{
    convo_store_dynamodb_t *self = (convo_store_dynamodb_t *) store;
    int result = 0;

    for (size_t i = 0; i < n; i += CALLS) {
        if (result == 0) {
            convo_dynamodb_begin(self->dynamodb);
        }
        result |= update_users(self, users + i, n - i < CALLS ? n - i : CALLS,
                               refused + i);
    }

    return result;
}


/* --- blocks --- */

static json_t *
block_request(const convo_store_dynamodb_t *self, const char *user_id,
              const char *peer, const char *pool)
{
    return json_pack("{s:s, s:{s:o}, s:s, s:{s:s, s:s}, s:{s:o, s:{s:[s]}}}",
                     "TableName", self->users,
                     "Key", "userId", convo_dynamodb_string(user_id),
                     "UpdateExpression", block_update,
                     "ExpressionAttributeNames", "#pool", "pool",
                     "#blocked", "blocked",
                     "ExpressionAttributeValues",
                     ":pool", convo_dynamodb_string(pool),
                     ":peer", "SS", peer);
}


int
convo_store_dynamodb_add_blocks(convo_store_dynamodb_t *self,
                                const convo_store_report_t *reports, size_t n)
{
    convo_dynamodb_call_t calls[CALLS] = { { 0 } };
    char refused[CALLS] = { 0 };

    for (size_t i = 0; i < n; i++) {
        const convo_store_report_t *report = &reports[i];

        calls[i * 2].request = block_request(self, report->reporter,
                                             report->reported, report->pool);
        calls[i * 2 + 1].request = block_request(
            self, report->reported, report->reporter, report->pool);
    }

    return update_all(self, calls, n * 2, refused);
}
