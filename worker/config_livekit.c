/*
 * The directive "livekit"; see config_reader.h and conf/worker.conf.
 */

#include "config_reader.h"

#include <string.h>


static const char *
set_livekit_option(convo_reader_t *reader, int i)
{
    convo_livekit_config_t *livekit = &reader->config->livekit;
    const char *word = reader->word[i];
    const char *value;

    if ((value = convo_reader_option(word, "url")) != NULL) {
        return convo_reader_url(reader, i, value, livekit->url);
    }

    if ((value = convo_reader_option(word, "key")) != NULL) {
        if (!convo_livekit_is_key(value, strlen(value))) {
            return convo_reader_expected(reader, i, "expected 1 to %d letters, "
                                         "digits, \"-\" and \"_\"",
                                         CONVO_LIVEKIT_KEY_MAX);
        }
        strcpy(livekit->key, value);
        return NULL;
    }

    if ((value = convo_reader_option(word, "secret_file")) != NULL) {
        return convo_reader_secrets(reader, i, value, CONVO_LIVEKIT_SECRET_MIN,
                            &livekit->secrets);
    }

    if ((value = convo_reader_option(word, "timeout")) != NULL) {
        return convo_reader_time(reader, i, value, 100, 60000,
                                 &livekit->timeout_ms);
    }

    return convo_reader_expected(reader, i,
                                 "expected url=, key=, secret_file= or "
                                 "timeout=");
}


const char *
convo_reader_set_livekit(convo_reader_t *reader, const convo_directive_t *self)
{
    convo_livekit_config_t *livekit = &reader->config->livekit;
    const char *repeated = convo_reader_check_options(reader);

    (void) self;

    if (repeated != NULL) {
        return repeated;
    }

    for (int i = 1; i < reader->nwords; i++) {
        const char *fault = set_livekit_option(reader, i);

        if (fault != NULL) {
            return fault;
        }
    }

    if (livekit->url[0] == '\0' || livekit->key[0] == '\0'
        || livekit->secrets.count == 0)
    {
        return convo_reader_expected(reader, 0, "expected url=URL key=KEY "
                                     "secret_file=PATH");
    }

    return NULL;
}
