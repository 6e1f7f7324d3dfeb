/*
 * convo-worker reports: what users have reported, from the store.
 *
 * Who reported reads their own words again here and nowhere else: what is
 * printed is personal.
 */

#include "command_print.h"

#include <stdio.h>

static const char *const columns[] = {
    "at", "sessionId", "reporter", "reported", "reason", "pool", "expiresAt",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))


/* Ends the reading once nobody takes the rows. */
static int
on_report(void *data, const convo_store_report_t *report)
{
    convo_rows_t *rows = data;

    convo_rows_number(rows, report->at);
    convo_rows_text(rows, report->session_id);
    convo_rows_text(rows, report->reporter);
    convo_rows_text(rows, report->reported);
    convo_rows_words(rows, report->reason);
    convo_rows_text(rows, report->pool);
    convo_rows_number(rows, report->expires_at);

    return ferror(stdout);
}


static int
each(convo_store_t *store, int64_t since_s, int64_t now_s, convo_rows_t *rows)
{
    return store->each_report(store, since_s, now_s, on_report, rows);
}


static int
run(const convo_command_t *self, const char *path, int argc, char **argv)
{
    static const convo_command_print_t what = {
        .columns = columns,
        .ncolumns = COLUMNS,
        .stream = CONVO_KEY_REPORTS,
        .each = each,
    };

    return convo_command_print(self, &what, path, argc, argv);
}


const convo_command_t convo_command_reports = {
    .name = "reports",
    .arguments = "[--since TIME] [--format jsonl|csv]",
    .does = "prints what users have reported",
    .run = run,
};
