/*
 * The worker's configuration: conf/worker.conf, read once at start.
 *
 * Lines of "name value ...", as in redis.conf; "#" at the start of a line
 * begins a comment.  Everything is checked here, also the files it names, so
 * that a worker which starts has a configuration that can work.  Read-only
 * from then on, and shared by all threads.
 */

#ifndef CONVO_CONFIG_H
#define CONVO_CONFIG_H

#include "convo_keys.h"
#include "convo_livekit_token.h"
#include "convo_pairing.h"
#include "convo_redis_url.h"
#include "convo_secrets.h"
#include "convo_sigv4.h"

#include <limits.h>
#include <stdint.h>

#define CONVO_CONFIG_LINE     4096 /* the longest line with its end */
#define CONVO_CONFIG_WORDS    65   /* of one line: 64 pools */
#define CONVO_CONFIG_POOLS    64
#define CONVO_CONFIG_URL_MAX  255
#define CONVO_CONFIG_NAME_MAX 63
#define CONVO_CONFIG_ERROR    512

/* DynamoDB takes 255 characters of a table's name. */
#define CONVO_DYNAMODB_PREFIX_MAX  64
#define CONVO_DYNAMODB_PROFILE_MAX 127

/*
 * What no webhook has told is repaired so soon: after an interval, the pause
 * between two looks at what is due, the runs of Redis, and the two answers of
 * LiveKit, which have the rest.
 */
#define CONVO_REPAIR_MS        10000
#define CONVO_PROBE_PAUSE_MS   250
#define CONVO_PROBE_REDIS_RUNS 5
#define CONVO_PROBE_CALL_MS    250 /* the least that an answer is waited for */

typedef struct {
    char name[CONVO_POOL_MAX + 1];
    size_t len;
} convo_pool_t;

typedef struct {
    char url[CONVO_CONFIG_URL_MAX + 1]; /* without a slash at its end */
    char key[CONVO_LIVEKIT_KEY_MAX + 1];
    convo_secrets_t secrets; /* the first is signed with */
    int64_t timeout_ms;

    /* How long LiveKit keeps a room to which nobody has come since it was
     * created, and one that all have left; so long that no room is closed
     * before its session is over. */
    int64_t empty_s;
    int64_t departure_s;
} convo_livekit_config_t;

typedef enum {
    CONVO_HISTORY_NONE, /* not configured yet */
    CONVO_HISTORY_SQLITE,
    CONVO_HISTORY_DYNAMODB,
} convo_history_kind_e;

/* For so long a call is tried again, and then a last time for its timeout. */
#define CONVO_DYNAMODB_BUDGET_MS 4000

/* For so long a writer of SQLite waits for another. */
#define CONVO_SQLITE_BUSY_MS 2000

typedef struct {
    char region[CONVO_SIGV4_REGION_MAX + 1];
    char endpoint[CONVO_CONFIG_URL_MAX + 1]; /* without a path */
    char prefix[CONVO_DYNAMODB_PREFIX_MAX + 1];
    char profile[CONVO_DYNAMODB_PROFILE_MAX + 1]; /* "": none is named */
    int64_t timeout_ms;
} convo_dynamodb_config_t;

typedef struct {
    char name[CONVO_CONFIG_NAME_MAX + 1]; /* this worker's, in the streams */

    convo_redis_url_t redis;
    int64_t redis_timeout_ms;

    convo_pool_t pools[CONVO_CONFIG_POOLS];
    size_t npools;

    convo_livekit_config_t livekit;

    convo_history_kind_e history;
    char history_path[PATH_MAX];      /* of SQLite */
    convo_dynamodb_config_t dynamodb;

    int64_t match_interval_ms;
    int64_t batch; /* even, 2 .. CONVO_PAIRING_MAX */
    int64_t lease_ms;
    int64_t silent_after_ms;
    int64_t drop_after_ms;
    int64_t restart_grace_ms;
    int64_t no_show_ms;
    int64_t absence_ms;
    int64_t probe_interval_ms; /* 0: LiveKit is not asked */
    int64_t sweep_interval_ms;
    int64_t ticket_tries;
    int log_level; /* convo_log_level_e */
} convo_config_t;

/*
 * Reads the file at path and the files that it names, which are taken from
 * its folder when their paths are relative.  Returns 0, or -1 with a sentence
 * in error[CONVO_CONFIG_ERROR] that names file, line, directive, value and
 * what was expected, and quotes no secret.
 */
int convo_config_load(convo_config_t *config, const char *path, char *error);

/* The longest that one round of matching waits for others, in ms: what the
 * lease must exceed. */
int64_t convo_config_round_ms(const convo_config_t *config);

/* The longest that any job waits for others, in ms, once the worker is to
 * stop: a round of matching, rooms being deleted and looked for, or a call of
 * the store, and what Redis is told then. */
int64_t convo_config_drain_ms(const convo_config_t *config);

/* What a worker was writing to the store when Redis lost its data is there so
 * long after it, in ms, or never. */
int64_t convo_config_late_ms(const convo_config_t *config);

#endif /* CONVO_CONFIG_H */
