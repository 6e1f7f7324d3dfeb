/*
 * Printing records of the store; see command_print.h.
 *
 * What was printed before the store or stdout failed is whole lines and may be
 * thrown away: repeating the command prints all of it again.
 */

#include "command_print.h"
#include "convo_since.h"

#include <errno.h>
#include <string.h>
#include <time.h>


static int
read_format(const char *value, convo_rows_format_e *format)
{
    if (value == NULL || strcmp(value, "jsonl") == 0) {
        *format = CONVO_ROWS_JSONL;
    } else if (strcmp(value, "csv") == 0) {
        *format = CONVO_ROWS_CSV;
    } else {
        return -1;
    }

    return 0;
}


/* Sets since_s (-1: not there) and format (JSON Lines when it is not there).
 * Returns as convo_command_options() does. */
static int
read_line(const convo_command_t *self, int argc, char **argv,
          int64_t *since_s, convo_rows_format_e *format)
{
    convo_command_option_t options[] = { { .name = "since", .has_value = 1 },
                                         { .name = "format", .has_value = 1 } };
    const char *since;
    int words, code;

    code = convo_command_options(self, argc, argv, options, 2, &words);
    if (code >= 0) {
        return code;
    }

    if (words > 0) {
        return convo_command_wrong(self, "unexpected \"%s\"", argv[1]);
    }

    since = options[0].value;
    *since_s = since == NULL
                   ? -1
                   : convo_since_parse(since, strlen(since), time(NULL));

    if (since != NULL && *since_s < 0) {
        return convo_command_wrong(self,
                                   "--since \"%s\": expected 2026-11-22, "
                                   "2026-11-22T14:40:00Z, epoch seconds, or "
                                   "how long ago as 24h or 90d",
                                   since);
    }

    if (read_format(options[1].value, format) != 0) {
        return convo_command_wrong(self,
                                   "--format \"%s\": expected jsonl or csv",
                                   options[1].value);
    }

    return -1;
}


/* Says how many more there are; a Redis that is down is no failure here. */
static void
tell_waiting(const convo_command_t *self, const convo_config_t *config,
             const char *stream)
{
    convo_redis_t *redis = convo_redis_new(config, self->name);
    int64_t waiting = 0;

    convo_redis_begin(redis);
    for (size_t i = 0; i < config->npools; i++) {
        convo_redis_command(redis, "XLEN");
        convo_redis_key(redis, &config->pools[i], stream, NULL, 0);
    }

    if (convo_redis_ready(redis) == 0 && convo_redis_run(redis) == 0) {
        for (size_t i = 0; i < config->npools; i++) {
            int64_t n = convo_reply_int(convo_redis_reply(redis, i));

            waiting += n > 0 ? n : 0;
        }
    }

    if (waiting > 0) {
        convo_command_note(self, "%d more wait in Redis for the store",
                           (int) waiting);
    }

    convo_redis_free(redis);
}


static int
print_rows(const convo_command_t *self, const convo_command_print_t *what,
           const convo_config_t *config, int64_t since_s,
           convo_rows_format_e format)
{
    convo_store_t *store = convo_store_new(config);
    convo_rows_t rows;
    int code = CONVO_COMMAND_DONE;

    convo_rows_begin(&rows, format, what->columns, what->ncolumns);

    if (what->each(store, since_s, time(NULL), &rows) != 0) {
        code = convo_command_failed(self, "the store does not answer: %s",
                                    store->error);
    }
    if (convo_rows_end(&rows) != 0) {
        code = convo_command_failed(self, "stdout: %s", strerror(errno));
    }

    store->close(store);

    return code;
}


int
convo_command_print(const convo_command_t *self,
                    const convo_command_print_t *what, const char *path,
                    int argc, char **argv)
{
    convo_rows_format_e format = CONVO_ROWS_JSONL;
    const convo_config_t *config;
    int64_t since_s = -1;
    int code;

    code = read_line(self, argc, argv, &since_s, &format);
    if (code >= 0) {
        return code;
    }
    if (since_s < 0 && what->needs_since) {
        return convo_command_wrong(self, "expected --since");
    }

    config = convo_command_load(path);
    if (config == NULL) {
        return CONVO_COMMAND_FAILED;
    }

    code = print_rows(self, what, config, since_s < 0 ? 0 : since_s, format);
    tell_waiting(self, config, what->stream);

    return code;
}
