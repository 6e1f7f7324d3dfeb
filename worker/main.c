/*
 * convo-worker: pairs waiting users, creates and ends LiveKit rooms, settles
 * sessions and writes their history.  One thread for each job (jobs.h), all
 * state in Redis; any number of workers run side by side.  With the name of a
 * command (command.h) it does that one thing instead.
 *
 * How it ends: SIGTERM or SIGINT drains (0); a second one, or a drain that
 * takes too long, exits at once (1); a bad command line is 2, a bad
 * configuration 1.
 */

#include "command.h"
#include "config.h"
#include "jobs.h"
#include "log.h"
#include "stop.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION "0.1.0"

#define DEFAULT_CONFIG "/etc/convo/worker.conf"

static const char usage[]
    = "Usage: convo-worker [-c FILE] [--check]\n"
      "       convo-worker [-c FILE] COMMAND [ARGUMENT ...]\n"
      "\n"
      "  -c, --config FILE  the configuration (" DEFAULT_CONFIG ")\n"
      "      --check        test the configuration and exit\n"
      "      --version      tell the version and exit\n"
      "      --help         tell this and exit\n"
      "\n"
      "SIGTERM ends it after the work in hand; a second one at once.\n";

static const convo_command_t *const commands[] = {
    &convo_command_init,
    &convo_command_reports,
    &convo_command_ban,
    &convo_command_revoke,
    &convo_command_dead,
    &convo_command_export,
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

typedef struct {
    const char *name;
    convo_job_pt run;
    const convo_config_t *config;
    pthread_t thread;
} job_t;

static job_t jobs[] = {
    { .name = "heartbeat", .run = convo_heartbeat },
    { .name = "match", .run = convo_match },
    { .name = "events", .run = convo_events },
    { .name = "sessions", .run = convo_sessions },
    { .name = "rooms", .run = convo_rooms },
    { .name = "probes", .run = convo_probes },
    { .name = "sweep", .run = convo_sweep },
    { .name = "history", .run = convo_history },
    { .name = "reports", .run = convo_reports },
    { .name = "users", .run = convo_users },
    { .name = "restore", .run = convo_restore },
};

#define JOBS (sizeof(jobs) / sizeof(jobs[0]))


static void
tell_usage(FILE *file)
{
    fputs(usage, file);
    fputs("\nCommands (COMMAND --help tells more):\n\n", file);

    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(file, "  %-10s %s\n", commands[i]->name, commands[i]->does);
    }
}


/* The path of the configuration, with optind at the command; ends the process
 * where that is all. */
static const char *
read_options(int argc, char **argv, int *check)
{
    static const struct option options[] = {
        { "config", required_argument, NULL, 'c' },
        { "check", no_argument, NULL, 't' },
        { "version", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *path = DEFAULT_CONFIG;
    int c;

    *check = 0;

    while ((c = getopt_long(argc, argv, "+c:", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            path = optarg;
            break;
        case 't':
            *check = 1;
            break;
        case 'v':
            puts("convo-worker " VERSION);
            exit(EXIT_SUCCESS);
        case 'h':
            tell_usage(stdout);
            exit(EXIT_SUCCESS);
        default:
            tell_usage(stderr);
            exit(CONVO_COMMAND_WRONG);
        }
    }

    return path;
}


/* Runs the command that argv[0] names: the exit status. */
static int
run_command(const char *path, int argc, char **argv)
{
    /* a reader that has gone is an error of a write */
    signal(SIGPIPE, SIG_IGN);

    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i]->name, argv[0]) == 0) {
            return commands[i]->run(commands[i], path, argc, argv);
        }
    }

    fprintf(stderr, "convo-worker: unknown command \"%s\"\n", argv[0]);
    tell_usage(stderr);

    return CONVO_COMMAND_WRONG;
}


static void *
run_job(void *data)
{
    const job_t *job = data;

    job->run(job->config);

    return NULL;
}


/* Signals come to the main thread alone: no job's call is interrupted. */
static void
start_jobs(const convo_config_t *config)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);

    for (size_t i = 0; i < JOBS; i++) {
        int error;

        jobs[i].config = config;
        error = pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]);
        if (error != 0) {
            convo_log(CONVO_LOG_ERROR, "worker", "no thread for %s: %s",
                      jobs[i].name, strerror(error));
            exit(EXIT_FAILURE);
        }
    }

    pthread_sigmask(SIG_SETMASK, &before, NULL);
}


static void
wait_for_jobs(void)
{
    for (size_t i = 0; i < JOBS; i++) {
        pthread_join(jobs[i].thread, NULL);
    }
}


/* How long finishing what is in hand may take. */
static unsigned int
drain_s(const convo_config_t *config)
{
    return (unsigned int) (convo_config_drain_ms(config) / 1000) + 5;
}


/* The daemon: until it is told to stop. */
static int
serve(const convo_config_t *config)
{
    convo_log_set_level(config->log_level);

    if (convo_stop_install(drain_s(config)) != 0) {
        convo_log(CONVO_LOG_ERROR, "worker", "cannot start: %s",
                  strerror(errno));
        return EXIT_FAILURE;
    }

    convo_log(CONVO_LOG_INFO, "worker", "%s starts (version " VERSION ")",
              config->name);

    if (convo_heartbeat_first(config) == 0) {
        convo_log(CONVO_LOG_INFO, "worker", "serving %zu pools",
                  config->npools);
        start_jobs(config);
        wait_for_jobs();
    }

    convo_log(CONVO_LOG_INFO, "worker", "%s has stopped", config->name);

    return convo_stop_code();
}


/* The configuration, then its check or the daemon. */
static int
load_and_serve(const char *path, int check)
{
    static convo_config_t config;
    char error[CONVO_CONFIG_ERROR];

    if (convo_config_load(&config, path, error) != 0) {
        fprintf(stderr, "convo-worker: %s\n", error);
        return EXIT_FAILURE;
    }

    if (check) {
        printf("convo-worker: %s is good\n", path);
        return EXIT_SUCCESS;
    }

    return serve(&config);
}


int
main(int argc, char **argv)
{
    const char *path;
    int check, status;

    path = read_options(argc, argv, &check);

    if (check && optind < argc) {
        fprintf(stderr, "convo-worker: --check is no part of a command\n");
        tell_usage(stderr);
        return CONVO_COMMAND_WRONG;
    }

    umask(027);

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        fprintf(stderr, "convo-worker: libcurl cannot be used\n");
        return EXIT_FAILURE;
    }

    status = optind < argc ? run_command(path, argc - optind, argv + optind)
                           : load_and_serve(path, check);

    curl_global_cleanup();

    return status;
}
