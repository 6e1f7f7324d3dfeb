/*
 * Whether the worker is to stop; see stop.h.
 *
 * A pipe that is written to once and never read wakes every sleeping job; it
 * is also what makes the signal handler safe, as it only sets flags, writes a
 * byte and sets the alarm.
 */

#include "stop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define EXIT_CUT_OFF 1

static atomic_int stopping;
static atomic_int exit_code;
static int wake[2] = { -1, -1 };
static unsigned int drain_limit_s;


static void
request(void)
{
    int saved = errno;

    if (atomic_exchange(&stopping, 1) == 0) {
        alarm(drain_limit_s);
        if (write(wake[1], "", 1) < 0) {
            _exit(EXIT_CUT_OFF);
        }
    }

    errno = saved;
}


static void
on_signal(int signo)
{
    static const char late[] =
        "convo worker: the drain took too long: exiting at once\n";

    if (signo == SIGALRM) {
        if (write(STDERR_FILENO, late, sizeof(late) - 1) < 0) {
            _exit(EXIT_CUT_OFF);
        }
        _exit(EXIT_CUT_OFF);
    }

    if (atomic_load(&stopping)) {
        _exit(EXIT_CUT_OFF);
    }

    request();
}


int
convo_stop_install(unsigned int drain_s)
{
    static const int signals[] = { SIGTERM, SIGINT, SIGALRM };
    struct sigaction action;

    drain_limit_s = drain_s;

    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) != 0) {
        return -1;
    }

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        if (sigaction(signals[i], &action, NULL) != 0) {
            return -1;
        }
    }

    action.sa_handler = SIG_IGN;

    return sigaction(SIGPIPE, &action, NULL);
}


void
convo_stop(int code)
{
    atomic_store(&exit_code, code);
    request();
}


int
convo_stopping(void)
{
    return atomic_load(&stopping);
}


int
convo_stop_wait(int64_t ms)
{
    struct pollfd fd = { .fd = wake[0], .events = POLLIN };

    if (!convo_stopping() && ms > 0) {
        (void) poll(&fd, 1, ms < INT_MAX ? (int) ms : INT_MAX);
    }

    return convo_stopping();
}


int
convo_stop_code(void)
{
    return atomic_load(&exit_code);
}
