/*
 * Commands of convo-worker: what an operator asks for once, beside the
 * daemon.  One file for each, command_NAME.c, with a convo_command_t that
 * main.c lists.
 *
 *     convo-worker [-c FILE] NAME [ARGUMENT ...]
 *
 * A command reads its own arguments first, so that a wrong line is told
 * without a configuration; then it loads that, and works without threads.
 * What was asked for goes to stdout and everything else to stderr.  It waits
 * for nobody: a Redis or a store that does not answer within its own timeouts
 * ends it.
 *
 * Exit status: CONVO_COMMAND_DONE, CONVO_COMMAND_FAILED, CONVO_COMMAND_WRONG.
 */

#ifndef CONVO_COMMAND_H
#define CONVO_COMMAND_H

#include "config.h"
#include "redis.h"
#include "rows.h"
#include "store.h"

#include <stdint.h>

#define CONVO_COMMAND_DONE 0
#define CONVO_COMMAND_FAILED 1
#define CONVO_COMMAND_WRONG 2 /* the line makes no sense */

typedef struct convo_command convo_command_t;

struct convo_command {
    const char *name;
    const char *arguments; /* what follows the name, for the usage; or "" */
    const char *does;      /* half a sentence for the list of commands */

    /*
     * argv[0] is the name; path is that of the configuration.  Returns the
     * exit status.
     */
    int (*run)(const convo_command_t *self, const char *path, int argc,
               char **argv);
};

extern const convo_command_t convo_command_init;
extern const convo_command_t convo_command_reports;
extern const convo_command_t convo_command_ban;
extern const convo_command_t convo_command_revoke;
extern const convo_command_t convo_command_dead;
extern const convo_command_t convo_command_export;

/* --- reading the line --- */

/* "--NAME VALUE" or "--NAME=VALUE" or, when it takes none, "--NAME". */
typedef struct {
    const char *name;
    int has_value;
    const char *value; /* out: NULL when it is not there; "" without one */
} convo_command_option_t;

/*
 * Sets the values of options[n] and moves the words that are none, in their
 * order, to argv[1] ... argv[*words].  "--" ends the options.  Returns -1, or
 * the exit status when that is all: --help was asked for, or the line is
 * wrong, which has been told.
 */
int convo_command_options(const convo_command_t *self, int argc, char **argv,
                          convo_command_option_t *options, size_t n,
                          int *words);

/* Tells what is wrong with the line, and the usage: CONVO_COMMAND_WRONG. */
int convo_command_wrong(const convo_command_t *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* --- doing it --- */

/* Tells why the command failed: CONVO_COMMAND_FAILED. */
int convo_command_failed(const convo_command_t *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Tells something on stderr that is no failure. */
void convo_command_note(const convo_command_t *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The configuration, or NULL when it is bad, which has been told.  It lives
 * as long as the process. */
const convo_config_t *convo_command_load(const char *path);

/* Runs the collected calls on a connection that is made when there is none:
 * 0, or -1 when Redis does not answer, which has been told. */
int convo_command_redis(const convo_command_t *self, convo_redis_t *redis);

#endif /* CONVO_COMMAND_H */
