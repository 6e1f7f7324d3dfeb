/*
 * Keeps a load generator awake: preloaded into one, it asks for events again
 * and again where the program would sleep for them.
 *
 * To wake a process on another core costs a server several microseconds.  It
 * has to do so with every answer when it is slow, and never when it is so fast
 * that the generator always has work: the slower of two servers would be
 * charged with that, too.
 */

#define _GNU_SOURCE
#include <stddef.h>
#include <sys/epoll.h>

int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    (void) timeout;

    return epoll_pwait(fd, events, max, 0, NULL);
}
