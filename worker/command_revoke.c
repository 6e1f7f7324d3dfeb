/*
 * convo-worker revoke: ends sign-ins of a user, so that edges refuse their
 * tokens ("convo_auth_revocation").
 *
 * Without --sign-in it is every sign-in until now; with it the one of that
 * name, which is "origin_jti" of its tokens, else their "jti".  It is said in
 * every pool of the configuration, for the scripts, and then to the edges'
 * feed: when the command ends, all of them have been told.
 *
 * It forgets nothing: how long a revocation counts is said at the edges, and
 * they forget with the next sign-out.  It may be repeated.
 */

#include "command.h"
#include "convo_revoked.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const columns[] = { "userId", "signIn" };

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* "j:SIGN_IN" or "s:USER" */
#define MEMBER_MAX (2 + CONVO_REVOKED_ID_MAX)

static const convo_pool_t feed = { CONVO_POOL_NONE,
                                   sizeof(CONVO_POOL_NONE) - 1 };


static void
revoke_in(convo_redis_t *redis, const convo_pool_t *pool, const char *member)
{
    convo_redis_script(redis, CONVO_SCRIPT_REVOKE);
    convo_redis_key(redis, pool, CONVO_KEY_REVOKED, NULL, 0);
    convo_redis_str(redis, member);
    convo_redis_int(redis, 0);
    convo_redis_str(redis, "");
    convo_redis_str(redis, "");
    convo_redis_str(redis, "");
}


/* The reply at that place says that it is done, or why it is not. */
static int
is_done(const convo_command_t *self, convo_redis_t *redis, size_t at,
        const char *pool)
{
    const redisReply *reply = convo_redis_reply(redis, at);

    if (reply->type == REDIS_REPLY_ERROR) {
        convo_command_failed(self, "%s: %s", pool, reply->str);
        return 0;
    }

    if (!convo_reply_is_array(reply, 1)
        || !convo_reply_is(reply->element[0], "ok"))
    {
        convo_command_failed(self, "%s: Redis answered what no script of "
                                   "this version answers", pool);
        return 0;
    }

    return 1;
}


static int
revoke(const convo_command_t *self, const convo_config_t *config,
       convo_redis_t *redis, const char *member)
{
    int status = CONVO_COMMAND_DONE;

    convo_redis_begin(redis);
    for (size_t i = 0; i < config->npools; i++) {
        revoke_in(redis, &config->pools[i], member);
    }
    revoke_in(redis, &feed, member);

    if (convo_command_redis(self, redis) != 0) {
        return CONVO_COMMAND_FAILED;
    }

    for (size_t i = 0; i <= config->npools; i++) {
        if (!is_done(self, redis, i, i < config->npools
                                         ? config->pools[i].name
                                         : "the edges' feed"))
        {
            status = CONVO_COMMAND_FAILED;
        }
    }

    return status;
}


static int
tell(const convo_command_t *self, const char *user, const char *sign_in)
{
    convo_rows_t rows;

    convo_rows_begin(&rows, CONVO_ROWS_JSONL, columns, COLUMNS);
    convo_rows_text(&rows, user);
    convo_rows_text(&rows, sign_in);

    if (convo_rows_end(&rows) != 0) {
        return convo_command_failed(self, "stdout: %s", strerror(errno));
    }

    return CONVO_COMMAND_DONE;
}


/* Whether a token could say so. */
static int
is_name(const char *text)
{
    convo_store_user_t user = { .pool = "any" };
    size_t len = strlen(text);

    if (len == 0 || len > CONVO_REVOKED_ID_MAX) {
        return 0;
    }

    strcpy(user.user_id, text);

    return convo_store_user_is_good(&user);
}


static int
run(const convo_command_t *self, const char *path, int argc, char **argv)
{
    convo_command_option_t options[] = { { .name = "sign-in",
                                           .has_value = 1 } };
    char member[MEMBER_MAX + 1];
    const convo_config_t *config;
    const char *user, *sign_in;
    convo_redis_t *redis;
    int words, code;

    code = convo_command_options(self, argc, argv, options, 1, &words);
    if (code >= 0) {
        return code;
    }
    if (words != 1) {
        return convo_command_wrong(self, "expected one user");
    }

    user = argv[1];
    sign_in = options[0].value;

    if (!is_name(user)) {
        return convo_command_wrong(self, "expected a user of 1 to %d bytes of "
                                         "UTF-8", CONVO_REVOKED_ID_MAX);
    }
    if (sign_in != NULL && !is_name(sign_in)) {
        return convo_command_wrong(self, "--sign-in: expected 1 to %d bytes "
                                         "of UTF-8", CONVO_REVOKED_ID_MAX);
    }

    config = convo_command_load(path);
    if (config == NULL) {
        return CONVO_COMMAND_FAILED;
    }

    snprintf(member, sizeof(member), "%c:%s", sign_in != NULL ? 'j' : 's',
             sign_in != NULL ? sign_in : user);

    redis = convo_redis_new(config, self->name);
    code = revoke(self, config, redis, member);
    convo_redis_free(redis);

    return code == CONVO_COMMAND_DONE
               ? tell(self, user, sign_in != NULL ? sign_in : "")
               : code;
}


const convo_command_t convo_command_revoke = {
    .name = "revoke",
    .arguments = "USER [--sign-in ID]",
    .does = "ends sign-ins of a user",
    .run = run,
};
