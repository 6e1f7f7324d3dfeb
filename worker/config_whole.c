/*
 * The worker's configuration as a whole: what is missing in it, and whether
 * its times fit each other; see config.h.  One place for the arithmetic, so
 * that what the documents promise of times holds for every file that is
 * accepted.
 */

#include "config_reader.h"
#include "convo_time.h"

#include <string.h>

/* Runs of Redis in one round of matching: four claims and what they hold, the
 * meetings, the plan, the commits, the faults, the release, and eight of them
 * again when Redis has lost its scripts; see match.c. */
#define ROUND_REDIS_CALLS 21

/* Runs of Redis after a call of LiveKit or of the store that was under way
 * when the worker was told to stop. */
#define LAST_REDIS_CALLS 5

/* How late the end of a session may be found by the sessions job, and LiveKit's
 * whole seconds. */
#define ROOM_MARGIN_MS 10000

/* Credentials of AWS: three requests of an endpoint, 2 s each. */
#define CREDENTIALS_MS 6000

/* The longest call of DynamoDB are the reports of one read of their streams:
 * so many parts, and of each the blocks, the reports that are there, the others
 * and, where one is refused, each alone, within a budget. */
#define LATE_PARTS 8
#define LATE_CALLS 4

/* Beside a call of the store: the disk, the network, a worker that was held up
 * between Redis and the store (paused with its machine, for one). */
#define LATE_MARGIN_MS 20000


int64_t
convo_config_round_ms(const convo_config_t *config)
{
    return ROUND_REDIS_CALLS * config->redis_timeout_ms
           + config->livekit.timeout_ms;
}


int64_t
convo_config_drain_ms(const convo_config_t *config)
{
    int64_t drain_ms = convo_config_round_ms(config);
    int64_t last_ms = LAST_REDIS_CALLS * config->redis_timeout_ms;
    int64_t rooms_ms = 2 * config->livekit.timeout_ms + last_ms;
    int64_t store_ms = 0;

    if (config->history == CONVO_HISTORY_DYNAMODB) {
        store_ms = CREDENTIALS_MS + config->dynamodb.timeout_ms + last_ms;
    }

    drain_ms = rooms_ms > drain_ms ? rooms_ms : drain_ms;

    return store_ms > drain_ms ? store_ms : drain_ms;
}


int64_t
convo_config_late_ms(const convo_config_t *config)
{
    int64_t part_ms = CONVO_DYNAMODB_BUDGET_MS
                      + LATE_CALLS * config->dynamodb.timeout_ms;
    int64_t call_ms = config->history == CONVO_HISTORY_DYNAMODB
                          ? CREDENTIALS_MS + LATE_PARTS * part_ms
                          : CONVO_SQLITE_BUSY_MS;

    return call_ms + LATE_MARGIN_MS;
}


/*
 * A room is created within the round that commits its session, no_show after
 * which it is over if nobody comes.  If all have gone, they may come back until
 * the later of these has passed: no_show since the commit, and absence since
 * their going was known, which a lost webhook delays; and of two who came one
 * after the other each is given an absence after the no_show.
 */
void
convo_config_set_rooms(convo_config_t *config)
{
    int64_t empty_ms = convo_config_round_ms(config) + config->no_show_ms
                       + ROOM_MARGIN_MS;
    int64_t departure_ms = config->no_show_ms + config->absence_ms
                           + CONVO_REPAIR_MS + ROOM_MARGIN_MS;

    config->livekit.empty_s = (empty_ms + 999) / 1000;
    config->livekit.departure_s = (departure_ms + 999) / 1000;
}


/* The longest that one call of the store, and Redis after it, take while the
 * lease is not renewed, which is done when a sixth of it is over. */
static int64_t
store_ms(const convo_config_t *config)
{
    return config->history == CONVO_HISTORY_DYNAMODB
               ? CONVO_DYNAMODB_BUDGET_MS + config->dynamodb.timeout_ms
                     + config->redis_timeout_ms
               : 0;
}


/* The lease outlasts all that a job may wait for while it holds one. */
static int
check_lease(const convo_reader_t *reader)
{
    const convo_config_t *config = reader->config;
    char lease[CONVO_TIME_TEXT], least[CONVO_TIME_TEXT];
    int64_t least_ms = store_ms(config) + store_ms(config) / 5;

    if (config->lease_ms <= convo_config_round_ms(config)) {
        return convo_reader_fail(reader,
                                 "lease \"%s\": expected more than %s, "
                                 "which the calls of one round may take "
                                 "together (%d times the timeout of redis "
                                 "and once that of livekit)",
                                 convo_time_format(config->lease_ms, lease),
                                 convo_time_format(
                                     convo_config_round_ms(config), least),
                                 ROUND_REDIS_CALLS);
    }

    if (config->lease_ms <= least_ms) {
        return convo_reader_fail(reader,
                                 "lease \"%s\": expected more than %s, as "
                                 "it is renewed between calls of DynamoDB "
                                 "(its timeout, that of redis and %ds, and "
                                 "a fifth of that)",
                                 convo_time_format(config->lease_ms, lease),
                                 convo_time_format(least_ms, least),
                                 CONVO_DYNAMODB_BUDGET_MS / 1000);
    }

    return 0;
}


/* That a lost webhook is repaired in time, however slow each answer is. */
static int
check_probes(const convo_reader_t *reader)
{
    const convo_config_t *config = reader->config;
    char interval[CONVO_TIME_TEXT], most[CONVO_TIME_TEXT];
    int64_t most_ms = CONVO_REPAIR_MS - CONVO_PROBE_PAUSE_MS
                      - CONVO_PROBE_REDIS_RUNS * config->redis_timeout_ms
                      - 2 * CONVO_PROBE_CALL_MS;

    if (config->probe_interval_ms <= most_ms
        || config->probe_interval_ms == 0)
    {
        return 0;
    }

    return convo_reader_fail(reader,
                             "probe_interval \"%s\": expected at most %s, "
                             "or a shorter timeout of redis: with %d times "
                             "that and what LiveKit takes, a lost webhook "
                             "is repaired within %d s",
                             convo_time_format(config->probe_interval_ms,
                                               interval),
                             convo_time_format(most_ms > 0 ? most_ms : 0, most),
                             CONVO_PROBE_REDIS_RUNS, CONVO_REPAIR_MS / 1000);
}


static int
check_missing(const convo_reader_t *reader)
{
    const convo_config_t *config = reader->config;

    if (config->redis.host[0] == '\0' && config->redis.path[0] == '\0') {
        return convo_reader_fail(reader, "redis: missing, expected redis URL");
    }

    if (config->livekit.url[0] == '\0') {
        return convo_reader_fail(reader,
                                 "livekit: missing, expected livekit "
                                 "url=URL key=KEY secret_file=PATH");
    }

    if (config->history == CONVO_HISTORY_NONE) {
        return convo_reader_fail(reader,
                                 "history: missing, expected history "
                                 "sqlite PATH or history dynamodb "
                                 "region=REGION");
    }

    return 0;
}


static int
check_silence(const convo_reader_t *reader)
{
    const convo_config_t *config = reader->config;
    char drop[CONVO_TIME_TEXT], silent[CONVO_TIME_TEXT];

    if (config->drop_after_ms > config->silent_after_ms) {
        return 0;
    }

    return convo_reader_fail(reader,
                             "drop_after \"%s\": expected more than "
                             "silent_after, which is %s",
                             convo_time_format(config->drop_after_ms, drop),
                             convo_time_format(config->silent_after_ms,
                                               silent));
}


int
convo_reader_check_whole(const convo_reader_t *reader)
{
    return check_missing(reader) == 0 && check_lease(reader) == 0
                   && check_silence(reader) == 0 && check_probes(reader) == 0
               ? 0
               : -1;
}
