/*
 * What the commands share that print records of the store, as rows:
 *
 *     convo-worker NAME [--since TIME] [--format jsonl|csv]
 *
 * A record reaches the store within a second of being made; those that still
 * wait for it in Redis, because the store was down, are counted on stderr when
 * Redis answers.
 */

#ifndef CONVO_COMMAND_PRINT_H
#define CONVO_COMMAND_PRINT_H

#include "command.h"

typedef struct {
    const char *const *columns;
    size_t ncolumns;
    const char *stream; /* CONVO_KEY_...: where they wait for the store */
    int needs_since;    /* else all are printed without it */

    /* Prints a row of each: what the store's function said. */
    int (*each)(convo_store_t *store, int64_t since_s, int64_t now_s,
                convo_rows_t *rows);
} convo_command_print_t;

/* Such a command as a whole, as convo_command_t's run(). */
int convo_command_print(const convo_command_t *self,
                        const convo_command_print_t *what, const char *path,
                        int argc, char **argv);

#endif /* CONVO_COMMAND_PRINT_H */
