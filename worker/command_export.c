/*
 * convo-worker export: the history in the store, for Athena and the like
 * (deploy/athena.sql): every session with the attributes it is stored with.
 */

#include "command_print.h"

#include <stdio.h>

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
each(convo_store_t *store, int64_t since_s, int64_t now_s, convo_rows_t *rows)
{
    return store->each_session(store, NULL, since_s, now_s, on_session, rows);
}


static int
run(const convo_command_t *self, const char *path, int argc, char **argv)
{
    static const convo_command_print_t what = {
        .columns = columns,
        .ncolumns = COLUMNS,
        .stream = CONVO_KEY_ENDED,
        .needs_since = 1,
        .each = each,
    };

    return convo_command_print(self, &what, path, argc, argv);
}


const convo_command_t convo_command_export = {
    .name = "export",
    .arguments = "--since TIME [--format jsonl|csv]",
    .does = "prints the sessions that the store keeps",
    .run = run,
};
