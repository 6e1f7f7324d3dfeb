/*
 * The store by hand, for tests: commands come as JSON, one in a line, and each
 * is answered in one line.
 *
 *     store_tool worker.conf
 *     {"do": "write", "records": [{"sessionId": "..."}]}
 *     {"result": 0, "error": "", "told": []}
 *
 * Names of members are those of the tables, see docs/stores.md.
 */

#include "log.h"
#include "store.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN (4 * 1024 * 1024)

typedef struct {
    json_t *told;
    int64_t left; /* how many more are wanted */
} listener_t;


static void
text_of(const json_t *record, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(record, name));

    snprintf(out, size, "%s", text != NULL ? text : "");
}


static int64_t
number_of(const json_t *record, const char *name)
{
    return json_integer_value(json_object_get(record, name));
}


static void
read_session(const json_t *r, convo_store_session_t *s)
{
    text_of(r, "sessionId", s->session_id, sizeof(s->session_id));
    text_of(r, "userA", s->user_a, sizeof(s->user_a));
    text_of(r, "userB", s->user_b, sizeof(s->user_b));
    s->start_time = number_of(r, "startTime");
    s->end_time = number_of(r, "endTime");
    s->duration = number_of(r, "duration");
    s->expires_at = number_of(r, "expiresAt");
}


static json_t *
session_json(const convo_store_session_t *s)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "sessionId",
                     s->session_id, "userA", s->user_a, "userB", s->user_b,
                     "startTime", s->start_time, "endTime", s->end_time,
                     "duration", s->duration, "expiresAt", s->expires_at);
}


static void
read_user(const json_t *r, convo_store_user_t *u)
{
    text_of(r, "userId", u->user_id, sizeof(u->user_id));
    text_of(r, "pool", u->pool, sizeof(u->pool));
    u->points = number_of(r, "points");
    u->points_left = number_of(r, "pointsLeft");
    u->spent = number_of(r, "pointsSpent");
    u->window_end = number_of(r, "windowEndsAt");
    u->last_session = number_of(r, "lastSessionTimestamp");
    u->state = convo_store_state(
        json_string_value(json_object_get(r, "state")),
        json_is_true(json_object_get(r, "isWaitingInQueue")));
    u->banned_until = number_of(r, "bannedUntil");
    u->version = number_of(r, "version");
}


static void
read_report(const json_t *r, convo_store_report_t *p)
{
    text_of(r, "sessionId", p->session_id, sizeof(p->session_id));
    text_of(r, "reporter", p->reporter, sizeof(p->reporter));
    text_of(r, "reported", p->reported, sizeof(p->reported));
    text_of(r, "reason", p->reason, sizeof(p->reason));
    text_of(r, "pool", p->pool, sizeof(p->pool));
    p->at = number_of(r, "at");
    p->expires_at = number_of(r, "expiresAt");
}


static int
hear(listener_t *listener, json_t *record)
{
    json_array_append_new(listener->told, record);

    return --listener->left == 0;
}


static int
on_user(void *data, const convo_store_user_t *u, const char *const *blocked,
        size_t nblocked)
{
    json_t *record = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:I, s:I, s:[]}",
        "userId",
        u->user_id, "pool", u->pool, "points", u->points, "pointsLeft",
        u->points_left, "pointsSpent", u->spent, "windowEndsAt",
        u->window_end, "lastSessionTimestamp", u->last_session,
        "isWaitingInQueue", u->state == CONVO_USER_WAITING, "state",
        convo_user_state_name(u->state), "bannedUntil", u->banned_until,
        "version", u->version, "blocked");

    for (size_t i = 0; i < nblocked; i++) {
        json_array_append_new(json_object_get(record, "blocked"),
                              json_string(blocked[i]));
    }

    return hear(data, record);
}


static int
on_session(void *data, const convo_store_session_t *s)
{
    return hear(data, session_json(s));
}


static int
on_report(void *data, const convo_store_report_t *p)
{
    return hear(data, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}",
                                "sessionId", p->session_id, "reporter",
                                p->reporter, "reported", p->reported, "reason",
                                p->reason, "pool", p->pool, "at", p->at,
                                "expiresAt", p->expires_at));
}


/* Writes the records of a command with one call; told are those that were
 * refused, by their ids. */
static int64_t
put(convo_store_t *store, const char *what, const json_t *records,
    json_t *told)
{
    size_t n = json_array_size(records);
    convo_store_session_t *sessions = calloc(n + 1, sizeof(*sessions));
    convo_store_user_t *users = calloc(n + 1, sizeof(*users));
    convo_store_report_t *reports = calloc(n + 1, sizeof(*reports));
    char *refused = calloc(n + 1, 1);
    int64_t result;

    for (size_t i = 0; i < n; i++) {
        read_session(json_array_get(records, i), &sessions[i]);
        read_user(json_array_get(records, i), &users[i]);
        read_report(json_array_get(records, i), &reports[i]);
    }

    if (strcmp(what, "write") == 0) {
        result = store->write(store, sessions, n, refused);
    } else if (strcmp(what, "put_users") == 0) {
        result = store->put_users(store, users, n, refused);
    } else {
        result = store->put_reports(store, reports, n, refused);
    }

    for (size_t i = 0; i < n; i++) {
        if (refused[i]) {
            json_array_append_new(
                told, json_string(strcmp(what, "put_users") == 0
                                      ? users[i].user_id
                                      : sessions[i].session_id));
        }
    }

    free(sessions);
    free(users);
    free(reports);
    free(refused);

    return result;
}


static int64_t
run(convo_store_t *store, const json_t *command, json_t *told)
{
    const char *what = json_string_value(json_object_get(command, "do"));
    const char *after = json_string_value(json_object_get(command, "after"));
    listener_t listener = { told, number_of(command, "stop") };
    int64_t since = number_of(command, "since");
    int64_t now = number_of(command, "now");

    if (strcmp(what, "init") == 0) {
        return store->init(store);
    }
    if (strcmp(what, "count") == 0) {
        return store->count(store);
    }
    if (strcmp(what, "expire") == 0) {
        return store->expire(store, now);
    }
    if (strcmp(what, "each_user") == 0) {
        return store->each_user(store, after, on_user, &listener);
    }
    if (strcmp(what, "each_session") == 0) {
        return store->each_session(store, after, since, now, on_session,
                                   &listener);
    }
    if (strcmp(what, "each_report") == 0) {
        return store->each_report(store, since, now, on_report, &listener);
    }

    return put(store, what, json_object_get(command, "records"), told);
}


static void
answer(convo_store_t *store, const json_t *command)
{
    json_t *told = json_array(), *line;
    int64_t result;
    char *text;

    store->error[0] = '\0';
    result = run(store, command, told);

    line = json_pack("{s:I, s:s, s:o}", "result", result, "error",
                     store->error, "told", told);
    text = json_dumps(line, JSON_COMPACT);
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(line);
}


int
main(int argc, char **argv)
{
    static convo_config_t config;
    static char line[LINE_MAX_LEN];
    char error[CONVO_CONFIG_ERROR];
    convo_store_t *store;

    if (argc != 2 || convo_config_load(&config, argv[1], error) != 0) {
        fprintf(stderr, "store_tool: %s\n", argc == 2 ? error : "which file?");
        return EXIT_FAILURE;
    }

    convo_log_set_level(CONVO_LOG_DEBUG);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    store = convo_store_new(&config);

    while (fgets(line, sizeof(line), stdin) != NULL) {
        json_t *command = json_loads(line, 0, NULL);

        answer(store, command);
        json_decref(command);
    }

    store->close(store);
    curl_global_cleanup();

    return EXIT_SUCCESS;
}
