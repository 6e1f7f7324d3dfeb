/*
 * The worker's configuration: any bytes as the text of worker.conf.  It lies
 * in memory, as does the file of secrets beside it, whose name is "101"; the
 * configuration itself writes no file.
 */

#define _GNU_SOURCE 1

#include "input.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"

#define CONFIG_FD 100
#define SECRET_FD 101
#define CONFIG_PATH "/proc/self/fd/100"
#define SECRET "0123456789abcdef0123456789abcdef\n"


/* A file of these bytes without a name, as descriptor fd. */
static void
put(int fd, const void *bytes, size_t len)
{
    int made = memfd_create("fuzz", 0);

    MUST(made >= 0 && dup2(made, fd) == fd);
    close(made);
    MUST(write(fd, bytes, len) == (ssize_t) len);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static convo_config_t config;
    char error[CONVO_CONFIG_ERROR];

    put(CONFIG_FD, data, len);
    put(SECRET_FD, SECRET, sizeof(SECRET) - 1);
    memset(&config, 0, sizeof(config));
    error[0] = '\0';

    if (convo_config_load(&config, CONFIG_PATH, error) == 0) {
        MUST(config.npools >= 1 && config.npools <= CONVO_CONFIG_POOLS);
        MUST(config.lease_ms > convo_config_round_ms(&config));
        MUST(config.batch >= 2 && config.batch % 2 == 0);
        MUST(config.livekit.secrets.count > 0);
    } else {
        MUST(error[0] != '\0');
    }

    return 0;
}
