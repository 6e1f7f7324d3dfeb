/*
 * Choosing the store; see store.h.
 */

#include "store.h"


convo_store_t *
convo_store_new(const convo_config_t *config)
{
    switch (config->history) {
    case CONVO_HISTORY_SQLITE:
        break;
    }

    return convo_store_sqlite_new(config->history_path);
}
