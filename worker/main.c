/*
 * convo-worker: pairs waiting users, creates and ends LiveKit rooms, settles
 * sessions and writes their history.  One thread for each job (jobs.h), all
 * state in Redis; any number of workers run side by side.
 *
 * How it ends: SIGTERM or SIGINT drains (0); a second one, or a drain that
 * takes too long, exits at once (1); a bad command line is 2, a bad
 * configuration 1.
 */

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

#define EXIT_USAGE 2

static const char usage[]
    = "Usage: convo-worker [-c FILE] [--check]\n"
      "\n"
      "  -c, --config FILE  the configuration (" DEFAULT_CONFIG ")\n"
      "      --check        test the configuration and exit\n"
      "      --version      tell the version and exit\n"
      "      --help         tell this and exit\n"
      "\n"
      "SIGTERM ends it after the work in hand; a second one at once.\n";

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
    { .name = "history", .run = convo_history },
};

#define JOBS (sizeof(jobs) / sizeof(jobs[0]))


/* The path of the configuration; ends the process where that is all. */
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

    while ((c = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
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
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        default:
            fputs(usage, stderr);
            exit(EXIT_USAGE);
        }
    }

    if (optind != argc) {
        fprintf(stderr, "convo-worker: unexpected \"%s\"\n%s", argv[optind],
                usage);
        exit(EXIT_USAGE);
    }

    return path;
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
    return (unsigned int) (convo_config_round_ms(config) / 1000) + 5;
}


int
main(int argc, char **argv)
{
    static convo_config_t config;
    char error[CONVO_CONFIG_ERROR];
    const char *path;
    int check;

    path = read_options(argc, argv, &check);

    if (convo_config_load(&config, path, error) != 0) {
        fprintf(stderr, "convo-worker: %s\n", error);
        return EXIT_FAILURE;
    }

    if (check) {
        printf("convo-worker: %s is good\n", path);
        return EXIT_SUCCESS;
    }

    umask(027);
    convo_log_set_level(config.log_level);

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0
        || convo_stop_install(drain_s(&config)) != 0)
    {
        convo_log(CONVO_LOG_ERROR, "worker", "cannot start: %s",
                  strerror(errno));
        return EXIT_FAILURE;
    }

    convo_log(CONVO_LOG_INFO, "worker", "%s starts (version " VERSION ")",
              config.name);

    if (convo_heartbeat_first(&config) == 0) {
        convo_log(CONVO_LOG_INFO, "worker", "serving %zu pools",
                  config.npools);
        start_jobs(&config);
        wait_for_jobs();
    }

    convo_log(CONVO_LOG_INFO, "worker", "%s has stopped", config.name);
    curl_global_cleanup();

    return convo_stop_code();
}
