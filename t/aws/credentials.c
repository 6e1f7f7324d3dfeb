/*
 * The worker's AWS credentials for a test: a command on each line of its
 * input, an answer in JSON on each line of its output.
 *
 *   key [PROFILE]   {"id", "secret", "session", "expires"}, or {"why"}; the
 *                   profile counts the first time
 *   refused         {}: the service did not take the last key
 *   later SECONDS   {}: so much later it is from now on, for all clocks
 *
 * The log goes to stderr.  Two addresses that no test can serve lead to ports
 * of this machine: those of a container's and of an instance's endpoint, to
 * CONVO_CONTAINER_PORT and CONVO_INSTANCE_PORT.
 */

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "aws_credentials.h"

static time_t later_s;


/* Stand before the C library's, for all that is linked with this. */
int
clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int) syscall(SYS_clock_gettime, clock, now);

    now->tv_sec += later_s;

    return result;
}


time_t
time(time_t *now_s)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (now_s != NULL) {
        *now_s = now.tv_sec;
    }

    return now.tv_sec;
}


/* The port that stands in for the address, or 0. */
static int
stand_in(const struct sockaddr_in *in)
{
    const char *port = NULL;

    if (in->sin_family == AF_INET && in->sin_port == htons(80)) {
        if (in->sin_addr.s_addr == inet_addr("169.254.170.2")) {
            port = getenv("CONVO_CONTAINER_PORT");
        } else if (in->sin_addr.s_addr == inet_addr("169.254.169.254")) {
            port = getenv("CONVO_INSTANCE_PORT");
        }
    }

    return port != NULL ? (int) strtol(port, NULL, 10) : 0;
}


int
connect(int socket, const struct sockaddr *address, socklen_t len)
{
    struct sockaddr_in in = { .sin_family = AF_UNSPEC };
    int port;

    if (len == sizeof(in)) {
        memcpy(&in, address, sizeof(in));
    }

    port = stand_in(&in);
    if (port != 0) {
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons((uint16_t) port);
        address = (const struct sockaddr *) &in;
    }

    return (int) syscall(SYS_connect, socket, address, len);
}


static void
answer(json_t *object)
{
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(object);
}


static void
answer_key(convo_aws_credentials_t *credentials)
{
    const convo_aws_key_t *key = convo_aws_credentials_key(credentials);

    answer(key != NULL
               ? json_pack("{s:s, s:s, s:s, s:I}", "id", key->id, "secret",
                           key->secret, "session", key->session, "expires",
                           (json_int_t) key->expires_s)
               : json_pack("{s:s}", "why",
                           convo_aws_credentials_why(credentials)));
}


int
main(void)
{
    static char profile[512];
    convo_aws_credentials_t *credentials = NULL;
    char line[512];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';

        if (credentials == NULL) {
            snprintf(profile, sizeof(profile), "%s",
                     strncmp(line, "key ", 4) == 0 ? line + 4 : "");
            credentials = convo_aws_credentials_new(profile);
        }

        if (strncmp(line, "later ", 6) == 0) {
            later_s += strtol(line + 6, NULL, 10);
            answer(json_object());

        } else if (strcmp(line, "refused") == 0) {
            convo_aws_credentials_refused(credentials);
            answer(json_object());

        } else {
            answer_key(credentials);
        }
    }

    if (credentials != NULL) {
        convo_aws_credentials_free(credentials);
    }

    return EXIT_SUCCESS;
}
