/*
 * convo-worker ban: keeps a user out until a time, or lets them in again.
 *
 * A banned user waits no longer and is in no session; whoever was with them is
 * told "peer_left".  The ban is in Redis when the command ends, and a moment
 * later in the store, from where it comes back after Redis lost its data.
 *
 * A user has one pool, but none of the others may let them in: the ban holds
 * in every pool of the configuration.  It may be repeated; the last one counts.
 */

#include "command.h"
#include "ban.h"
#include "convo_since.h"
#include "convo_time.h"

#include <errno.h>
#include <string.h>

static const char *const columns[] = { "pool", "userId", "bannedUntil" };

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

typedef struct {
    const convo_command_t *command;
    convo_redis_t *redis;
    const char *user;
    size_t len;
    int64_t until_ms; /* 0: it is lifted */
} ban_t;


static int
ban_in(const ban_t *self, const convo_pool_t *pool)
{
    const convo_command_t *command = self->command;

    switch (convo_ban(self->redis, pool, self->user, self->len,
                      self->until_ms))
    {
    case CONVO_BAN_DONE:
        return CONVO_COMMAND_DONE;

    case CONVO_BAN_CLOSED:
        return convo_command_failed(command, "pool %s is not served yet: try "
                                             "again when it is", pool->name);

    case CONVO_BAN_REFUSED:
        return convo_command_failed(command, "pool %s: %s", pool->name,
                                    convo_redis_reply(self->redis, 0)->str);

    case CONVO_BAN_AWAY:
        return convo_command_failed(command, "Redis does not answer; what was "
                                             "begun may have taken effect and "
                                             "may be repeated");

    default:
        return convo_command_failed(command, "pool %s: the user's session "
                                             "cannot be ended: try again",
                                    pool->name);
    }
}


/* Says when no pool knows the user: it may be a slip of the pen. */
static int
tell_unknown(ban_t *self, const convo_config_t *config)
{
    int known = 0;

    convo_redis_begin(self->redis);
    for (size_t i = 0; i < config->npools; i++) {
        convo_redis_command(self->redis, "EXISTS");
        convo_redis_key(self->redis, &config->pools[i], CONVO_KEY_USER,
                        self->user, self->len);
    }

    if (convo_command_redis(self->command, self->redis) != 0) {
        return -1;
    }

    for (size_t i = 0; i < config->npools; i++) {
        known |= convo_reply_int(convo_redis_reply(self->redis, i)) == 1;
    }

    if (!known) {
        convo_command_note(self->command, "nobody of that name is known; it "
                                          "is done all the same");
    }

    return 0;
}


static int
ban_everywhere(ban_t *self, const convo_config_t *config, int64_t for_ms)
{
    convo_rows_t rows;
    int64_t now = 0;
    int status = CONVO_COMMAND_DONE;

    if (tell_unknown(self, config) != 0
        || (now = convo_redis_now(self->redis)) < 0)
    {
        return CONVO_COMMAND_FAILED;
    }

    if (for_ms > 0) {
        self->until_ms = for_ms > CONVO_TIME_MAX_MS
                             ? CONVO_SINCE_MAX_S * 1000
                             : now + for_ms;
    }

    convo_rows_begin(&rows, CONVO_ROWS_JSONL, columns, COLUMNS);

    for (size_t i = 0; i < config->npools; i++) {
        const convo_pool_t *pool = &config->pools[i];
        int code = ban_in(self, pool);

        if (code == CONVO_COMMAND_DONE) {
            convo_rows_text(&rows, pool->name);
            convo_rows_text(&rows, self->user);
            convo_rows_number(&rows, (self->until_ms + 999) / 1000);
        } else {
            status = code;
        }
    }

    if (convo_rows_end(&rows) != 0) {
        return convo_command_failed(self->command, "stdout: %s",
                                    strerror(errno));
    }

    return status;
}


/* Whether the store could keep a user of this name. */
static int
is_user(const char *text)
{
    convo_store_user_t user = { .pool = "any" };

    if (strlen(text) > CONVO_USER_MAX) {
        return 0;
    }

    strcpy(user.user_id, text);

    return convo_store_user_is_good(&user);
}


/* --for as ms, more than CONVO_TIME_MAX_MS for ever, 0 to lift; or -1 when
 * the line is wrong, which has been told. */
static int64_t
read_for(const convo_command_t *self, const char *value, const char *lift)
{
    int64_t ms;

    if ((value != NULL) == (lift != NULL)) {
        convo_command_wrong(self, "expected one of --for TIME and --lift");
        return -1;
    }
    if (lift != NULL) {
        return 0;
    }
    if (strcmp(value, "ever") == 0) {
        return CONVO_TIME_MAX_MS + 1;
    }

    ms = convo_time_parse(value, strlen(value));
    if (ms <= 0) {
        convo_command_wrong(self, "--for \"%s\": expected a time as 24h or "
                                  "30d, up to 3650d, or ever", value);
        return -1;
    }

    return ms;
}


static int
run(const convo_command_t *self, const char *path, int argc, char **argv)
{
    convo_command_option_t options[] = { { .name = "for", .has_value = 1 },
                                         { .name = "lift" } };
    ban_t ban = { .command = self };
    const convo_config_t *config;
    int64_t for_ms;
    int words, code;

    code = convo_command_options(self, argc, argv, options, 2, &words);
    if (code >= 0) {
        return code;
    }
    if (words != 1) {
        return convo_command_wrong(self, "expected one user");
    }

    ban.user = argv[1];
    ban.len = strlen(ban.user);
    if (!is_user(ban.user)) {
        return convo_command_wrong(self, "expected a user of 1 to %d bytes of "
                                         "UTF-8", CONVO_USER_MAX);
    }

    for_ms = read_for(self, options[0].value, options[1].value);
    if (for_ms < 0) {
        return CONVO_COMMAND_WRONG;
    }

    config = convo_command_load(path);
    if (config == NULL) {
        return CONVO_COMMAND_FAILED;
    }

    ban.redis = convo_redis_new(config, self->name);
    code = ban_everywhere(&ban, config, for_ms);
    convo_redis_free(ban.redis);

    return code;
}


const convo_command_t convo_command_ban = {
    .name = "ban",
    .arguments = "USER --for TIME|--lift",
    .does = "keeps a user out, or lets them in again",
    .run = run,
};
