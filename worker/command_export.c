/*
 * convo-worker export: the history in the store, for Athena and the like
 * (deploy/athena.sql).
 *
 * A session that has ended reaches the store within a second; those that
 * still wait for it in Redis are counted on stderr.  What was printed before
 * the store or stdout failed is whole lines and may be thrown away: repeating
 * the command prints all of it again.
 */

#include "command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const columns[] = {
    "sessionId", "userA", "userB", "startTime", "endTime", "duration",
    "expiresAt",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))


/* Ends the reading once nobody takes the rows. */
static int
on_session(void *data, const convo_store_session_t *session)
{
    convo_rows_t *rows = data;

    convo_rows_text(rows, session->session_id);
    convo_rows_text(rows, session->user_a);
    convo_rows_text(rows, session->user_b);
    convo_rows_number(rows, session->start_time);
    convo_rows_number(rows, session->end_time);
    convo_rows_number(rows, session->duration);
    convo_rows_number(rows, session->expires_at);

    return ferror(stdout);
}


static int
print_sessions(const convo_command_t *self, const convo_config_t *config,
               int64_t since_s, convo_rows_format_e format)
{
    convo_store_t *store = convo_store_new(config);
    convo_rows_t rows;
    int code = CONVO_COMMAND_DONE;

    convo_rows_begin(&rows, format, columns, COLUMNS);

    if (store->each_session(store, since_s, time(NULL), on_session, &rows)
        != 0)
    {
        code = convo_command_failed(self, "the store does not answer: %s",
                                    store->error);
    }
    if (convo_rows_end(&rows) != 0) {
        code = convo_command_failed(self, "stdout: %s", strerror(errno));
    }

    store->close(store);

    return code;
}


static int
run(const convo_command_t *self, const char *path, int argc, char **argv)
{
    convo_rows_format_e format;
    const convo_config_t *config;
    int64_t since_s;
    int code;

    code = convo_command_rows(self, argc, argv, &since_s, &format);
    if (code >= 0) {
        return code;
    }
    if (since_s < 0) {
        return convo_command_wrong(self, "expected --since");
    }

    config = convo_command_load(path);
    if (config == NULL) {
        return CONVO_COMMAND_FAILED;
    }

    code = print_sessions(self, config, since_s, format);
    convo_command_waiting(self, config, CONVO_KEY_ENDED);

    return code;
}


const convo_command_t convo_command_export = {
    .name = "export",
    .arguments = "--since TIME [--format jsonl|csv]",
    .does = "prints the sessions that the store keeps",
    .run = run,
};
