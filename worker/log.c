/*
 * Log lines on stderr; see log.h.
 */

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = { "error", "warn", "info", "debug" };

static convo_log_level_e highest = CONVO_LOG_INFO;


int
convo_log_level_by_name(const char *name)
{
    for (int i = 0; i <= CONVO_LOG_DEBUG; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }

    return -1;
}


void
convo_log_set_level(convo_log_level_e level)
{
    highest = level;
}


static int
add_head(char *line, convo_log_level_e level, const char *who)
{
    struct timespec now;
    struct tm utc;
    int n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);

    n = (int) strftime(line, 32, "%Y-%m-%dT%H:%M:%S", &utc);

    return n
           + snprintf(line + n, CONVO_LOG_LINE - 32, ".%03ldZ [%s] convo %s: ",
                      now.tv_nsec / 1000000, names[level], who);
}


void
convo_log(convo_log_level_e level, const char *who, const char *format, ...)
{
    char line[CONVO_LOG_LINE];
    int len;
    va_list args;

    if (level > highest) {
        return;
    }

    len = add_head(line, level, who);

    va_start(args, format);
    len += vsnprintf(line + len, sizeof(line) - (size_t) len, format, args);
    va_end(args);

    if (len > (int) sizeof(line) - 1) {
        len = sizeof(line) - 1;
    }

    for (int i = 0; i < len; i++) {
        if (line[i] < ' ' || line[i] > '~') {
            line[i] = '?';
        }
    }

    line[len++] = '\n';
    if (write(STDERR_FILENO, line, (size_t) len) < 0) {
        return;
    }
}
