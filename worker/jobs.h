/*
 * The worker's jobs.  Each is one thread and one readable loop with its own
 * connections; it shares nothing with the others but the configuration and
 * the wish to stop, and returns when that comes.  Any number of workers run
 * side by side.
 */

#ifndef CONVO_JOBS_H
#define CONVO_JOBS_H

#include "config.h"

typedef void (*convo_job_pt)(const convo_config_t *config);

void convo_heartbeat(const convo_config_t *config);
void convo_match(const convo_config_t *config);
void convo_events(const convo_config_t *config);
void convo_sessions(const convo_config_t *config);
void convo_rooms(const convo_config_t *config);
void convo_probes(const convo_config_t *config);
void convo_sweep(const convo_config_t *config);
void convo_history(const convo_config_t *config);
void convo_reports(const convo_config_t *config);
void convo_users(const convo_config_t *config);
void convo_restore(const convo_config_t *config);

/*
 * The first heartbeat, before the other jobs start: waits until every pool
 * has been opened to them, if not to users (see restore.c).  Returns 0, or -1
 * when the worker is to stop: it was told to, or the data is of a newer layout
 * than it knows.
 */
int convo_heartbeat_first(const convo_config_t *config);

#endif /* CONVO_JOBS_H */
