/*
 * convo-worker init: makes the tables of the store, or finds them made.
 *
 * It changes nothing that is there and may be repeated.  The worker asks the
 * store for nothing before it has its tables, so this comes first where the
 * store does not make them by itself.
 */

#include "command.h"

#include <stdio.h>


static int
run(const convo_command_t *self, const char *path, int argc, char **argv)
{
    const convo_config_t *config;
    convo_store_t *store;
    int words, code;

    code = convo_command_options(self, argc, argv, NULL, 0, &words);
    if (code >= 0) {
        return code;
    }
    if (words > 0) {
        return convo_command_wrong(self, "unexpected \"%s\"", argv[1]);
    }

    config = convo_command_load(path);
    if (config == NULL) {
        return CONVO_COMMAND_FAILED;
    }

    store = convo_store_new(config);
    code = store->init(store) == 0
               ? CONVO_COMMAND_DONE
               : convo_command_failed(self, "the store has no tables: %s",
                                      store->error);
    store->close(store);

    if (code == CONVO_COMMAND_DONE) {
        puts("convo-worker: the store is ready");
    }

    return code;
}


const convo_command_t convo_command_init = {
    .name = "init",
    .arguments = "",
    .does = "makes the tables of the store",
    .run = run,
};
