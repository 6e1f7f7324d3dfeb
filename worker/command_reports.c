/*
 * convo-worker reports: what users have reported, from the store.
 *
 * A report reaches the store within a second of being made; those that still
 * wait for it in Redis, because the store was down, are counted on stderr when
 * Redis answers.  Who reported reads their own words again here and nowhere
 * else: what is printed is personal.
 */

#include "command.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static const char *const columns[] = {
    "at", "sessionId", "reporter", "reported", "reason", "pool", "expiresAt",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))


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

    return 0;
}


static int
print_reports(const convo_command_t *self, const convo_config_t *config,
              int64_t since_s, convo_rows_format_e format)
{
    convo_store_t *store = convo_store_new(config);
    convo_rows_t rows;
    int code = CONVO_COMMAND_DONE;

    convo_rows_begin(&rows, format, columns, COLUMNS);

    if (store->each_report(store, since_s, time(NULL), on_report, &rows) != 0)
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

    config = convo_command_load(path);
    if (config == NULL) {
        return CONVO_COMMAND_FAILED;
    }

    code = print_reports(self, config, since_s < 0 ? 0 : since_s, format);
    convo_command_waiting(self, config, CONVO_KEY_REPORTS);

    return code;
}


const convo_command_t convo_command_reports = {
    .name = "reports",
    .arguments = "[--since TIME] [--format jsonl|csv]",
    .does = "prints what users have reported",
    .run = run,
};
