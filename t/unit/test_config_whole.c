/*
 * The worker's configuration as a whole: what its times promise together, for
 * every file that is accepted.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "config.h"

#define REST                                                                  \
    "livekit url=http://127.0.0.1:7880 key=k secret_file=secret\n"            \
    "history sqlite history.db\n"

static char folder[] = "/tmp/convo-config-XXXXXX";
static char path[64], secret[64];
static convo_config_t config;
static char error[CONVO_CONFIG_ERROR];


static int
load(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    error[0] = '\0';

    return convo_config_load(&config, path, error);
}


static void
accepted(const char *text)
{
    if (load(text) != 0) {
        fail_msg("%s", error);
    }
}


static void
refused(const char *text, const char *message)
{
    assert_int_equal(load(text), -1);
    if (strstr(error, message) == NULL) {
        fail_msg("%s", error);
    }
}


static void
lost_webhooks_are_repaired_in_time(void **state)
{
    (void) state;

    accepted("redis redis://h\nprobe_interval 4250ms\n" REST);
    refused("redis redis://h\nprobe_interval 4251ms\n" REST,
            ": probe_interval \"4251ms\": expected at most 4250ms, or a "
            "shorter timeout of redis: with 5 times that and what LiveKit "
            "takes, a lost webhook is repaired within 10 s");

    accepted("redis redis://h timeout=50ms\nprobe_interval 9s\n" REST);
    refused("redis redis://h timeout=51ms\nprobe_interval 9s\n" REST,
            "\"9s\": expected at most 8995ms, or");
    refused("redis redis://h timeout=2s\nlease 1m\n" REST,
            "\"4s\": expected at most 0ms, or");

    accepted("redis redis://h timeout=2s\nlease 1m\nprobe_interval off\n"
             REST);
    assert_int_equal(config.probe_interval_ms, 0);
}


static void
a_drain_waits_for_what_is_under_way(void **state)
{
    static const char livekit[]
        = "redis redis://h timeout=20ms\nhistory sqlite history.db\n"
          "livekit url=http://h key=k secret_file=secret timeout=10s\n";
    static const char dynamodb[]
        = "redis redis://h timeout=20ms\nlease 2m\n"
          "livekit url=http://h key=k secret_file=secret timeout=1s\n"
          "history dynamodb region=eu-central-1 timeout=1m\n";

    (void) state;

    accepted("redis redis://h\n" REST);
    assert_int_equal(convo_config_drain_ms(&config), 26000);

    /* deletions, and a look at what is there */
    accepted(livekit);
    assert_int_equal(convo_config_drain_ms(&config), 20100);

    accepted(dynamodb);
    assert_int_equal(convo_config_drain_ms(&config), 66100);
}


static void
a_late_write_is_waited_for(void **state)
{
    (void) state;

    accepted("redis redis://h\n" REST);
    assert_int_equal(convo_config_late_ms(&config), 22000);

    accepted("redis redis://h\nlivekit url=http://h key=k secret_file=secret\n"
             "history dynamodb region=eu-central-1 timeout=1s\n");
    assert_int_equal(convo_config_late_ms(&config), 90000);
}


static void
assert_rooms_outlive_sessions(void)
{
    const convo_livekit_config_t *livekit = &config.livekit;

    /* nobody comes to a room that was made at the beginning of the round */
    assert_true(livekit->empty_s * 1000
                >= convo_config_round_ms(&config) + config.no_show_ms + 10000);

    /* somebody came, went at once, and may come back */
    assert_true(livekit->departure_s * 1000
                >= config.no_show_ms + config.absence_ms + 10000);

    /* both went, and no webhook said so */
    assert_true(livekit->departure_s * 1000
                >= CONVO_REPAIR_MS + config.absence_ms + 10000);
}


static void
rooms_outlive_their_sessions(void **state)
{
    static const char *const redis[] = { "timeout=10ms", "timeout=1s" };
    static const char *const livekit[] = { "timeout=100ms", "timeout=1m" };
    static const char *const times[] = {
        "", "no_show 80s\n", "absence 50s\n", "no_show 1s\nabsence 1s\n",
        "no_show 1s\nabsence 50s\n", "no_show 80s\nabsence 50s\n",
        "no_show 80s\nabsence 1s\n", "no_show 1001ms\nabsence 1001ms\n",
    };
    char text[512];

    (void) state;

    for (size_t i = 0; i < 2 * 2 * sizeof(times) / sizeof(times[0]); i++) {
        snprintf(text, sizeof(text),
                 "redis redis://h %s\nhistory sqlite history.db\nlease 10m\n"
                 "livekit url=http://h key=k secret_file=secret %s\n%s",
                 redis[i % 2], livekit[i / 2 % 2], times[i / 4]);
        accepted(text);
        assert_rooms_outlive_sessions();
    }
}


static int
set_up(void **state)
{
    (void) state;

    if (mkdtemp(folder) == NULL) {
        return -1;
    }

    snprintf(path, sizeof(path), "%s/worker.conf", folder);
    snprintf(secret, sizeof(secret), "%s/secret", folder);

    return load("0123456789abcdef0123456789abcdef\n") == -1
           && rename(path, secret) == 0 && chmod(secret, 0600) == 0
               ? 0
               : -1;
}


static int
tear_down(void **state)
{
    (void) state;

    unlink(path);
    unlink(secret);

    return rmdir(folder);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_webhooks_are_repaired_in_time),
        cmocka_unit_test(rooms_outlive_their_sessions),
        cmocka_unit_test(a_drain_waits_for_what_is_under_way),
        cmocka_unit_test(a_late_write_is_waited_for),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
