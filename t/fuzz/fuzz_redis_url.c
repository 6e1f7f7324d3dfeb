/*
 * convo_redis_url: any bytes as the line that says where a Redis is.  What is
 * taken names a socket or a host, never both, and numbers in their ranges.
 */

#include "input.h"

#include <string.h>

#include "convo_redis_url.h"

#define TERMINATED(member) (memchr(member, '\0', sizeof(member)) != NULL)


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    convo_redis_url_t url;

    if (convo_redis_url_parse((const char *) data, len, &url) != NULL) {
        return 0;
    }

    MUST(TERMINATED(url.path) && TERMINATED(url.host));
    MUST(TERMINATED(url.user) && TERMINATED(url.password));
    MUST((url.path[0] == '\0') != (url.host[0] == '\0'));
    MUST(url.path[0] != '\0' || (url.port >= 1 && url.port <= 65535));
    MUST(url.db <= CONVO_REDIS_DB_MAX);

    return 0;
}
