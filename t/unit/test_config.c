/*
 * The worker's configuration: what every directive takes, what it refuses,
 * and that each refusal names line, directive, value and what was expected,
 * and no secret.
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
#include "convo_url.h"
#include "log.h"

#define SECRET  "0123456789abcdef0123456789abcdef"
#define REDIS   "redis redis://127.0.0.1:6379\n"
#define LIVEKIT "livekit url=http://127.0.0.1:7880 key=k secret_file=secret\n"
#define HISTORY "history sqlite history.db\n"
#define WHOLE   REDIS LIVEKIT HISTORY

static char folder[] = "/tmp/convo-config-XXXXXX";
static char path[64];
static convo_config_t config;
static char error[CONVO_CONFIG_ERROR];


static void
write_bytes(const char *name, const char *text, size_t len)
{
    char file_path[128];
    FILE *file;

    snprintf(file_path, sizeof(file_path), "%s/%s", folder, name);
    file = fopen(file_path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}


static void
write_file(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}


static int
load(const char *text)
{
    write_file("worker.conf", text);
    error[0] = '\0';

    return convo_config_load(&config, path, error);
}


/* The text is refused with exactly this message after the file's name. */
static void
refused(const char *text, const char *message)
{
    char whole[1024];

    snprintf(whole, sizeof(whole), "%s:%s", path, message);
    assert_int_equal(load(text), -1);
    assert_string_equal(error, whole);
}


static void
accepted(const char *text)
{
    if (load(text) != 0) {
        fail_msg("%s", error);
    }
}


static void
what_is_left_out_has_its_default(void **state)
{
    (void) state;

    accepted(WHOLE);

    assert_string_equal(config.redis.host, "127.0.0.1");
    assert_int_equal(config.redis.port, 6379);
    assert_int_equal(config.redis_timeout_ms, 1000);
    assert_int_equal(config.npools, 1);
    assert_string_equal(config.pools[0].name, "default");
    assert_int_equal(config.pools[0].len, 7);
    assert_string_equal(config.livekit.url, "http://127.0.0.1:7880");
    assert_string_equal(config.livekit.key, "k");
    assert_string_equal(config.livekit.secrets.secret[0].text, SECRET);
    assert_int_equal(config.livekit.timeout_ms, 5000);
    assert_int_equal(config.match_interval_ms, 250);
    assert_int_equal(config.batch, 64);
    assert_int_equal(config.lease_ms, 30000);
    assert_int_equal(config.silent_after_ms, 15000);
    assert_int_equal(config.drop_after_ms, 45000);
    assert_int_equal(config.restart_grace_ms, 60000);
    assert_int_equal(config.no_show_ms, 30000);
    assert_int_equal(config.absence_ms, 15000);
    assert_int_equal(config.probe_interval_ms, 4000);
    assert_int_equal(config.sweep_interval_ms, 60000);
    assert_int_equal(config.ticket_tries, 5);
    assert_int_equal(config.log_level, CONVO_LOG_INFO);
    assert_true(strlen(config.name) > 8);
}


static void
every_directive_is_taken(void **state)
{
    char history[128];

    (void) state;

    write_file("password", "opensesame\n");
    snprintf(history, sizeof(history), "%s/history.db", folder);

    accepted("# a comment\n"
             "\n"
             "  \t# another\n"
             "name  worker-1.a_b\r\n"
             "redis unix:/run/redis.sock password_file=password timeout=20ms\n"
             "pool b a-1 0\n"
             "livekit timeout=1m secret_file=secret key=K_-9 "
             "url=https://lk.example/base//\n"
             "\thistory sqlite ./history.db\n"
             "match_interval 10ms\n"
             "batch 256\n"
             "lease 10m\n"
             "silent_after 2s\n"
             "drop_after 3s\n"
             "restart_grace 0s\n"
             "no_show 80s\n"
             "absence 50s\n"
             "probe_interval 100ms\n"
             "sweep_interval 1h\n"
             "ticket_tries 1\n"
             "log_level debug");

    assert_string_equal(config.name, "worker-1.a_b");
    assert_string_equal(config.redis.path, "/run/redis.sock");
    assert_string_equal(config.redis.password, "opensesame");
    assert_int_equal(config.redis_timeout_ms, 20);
    assert_int_equal(config.npools, 3);
    assert_string_equal(config.pools[0].name, "b");
    assert_string_equal(config.pools[2].name, "0");
    assert_string_equal(config.livekit.url, "https://lk.example/base");
    assert_string_equal(config.livekit.key, "K_-9");
    assert_int_equal(config.livekit.timeout_ms, 60000);
    assert_non_null(strstr(config.history_path, "/./history.db"));
    assert_int_equal(config.match_interval_ms, 10);
    assert_int_equal(config.batch, 256);
    assert_int_equal(config.lease_ms, 600000);
    assert_int_equal(config.silent_after_ms, 2000);
    assert_int_equal(config.drop_after_ms, 3000);
    assert_int_equal(config.restart_grace_ms, 0);
    assert_int_equal(config.no_show_ms, 80000);
    assert_int_equal(config.probe_interval_ms, 100);
    assert_int_equal(config.sweep_interval_ms, 3600000);
    assert_int_equal(config.absence_ms, 50000);
    assert_int_equal(config.ticket_tries, 1);
    assert_int_equal(config.log_level, CONVO_LOG_DEBUG);
}


static void
relative_paths_begin_beside_the_file(void **state)
{
    char expected[128];

    (void) state;

    accepted(WHOLE);
    snprintf(expected, sizeof(expected), "%s/history.db", folder);
    assert_string_equal(config.history_path, expected);
}


static void
what_is_missing_is_named(void **state)
{
    (void) state;

    refused(LIVEKIT HISTORY, " redis: missing, expected redis URL");
    refused(REDIS HISTORY, " livekit: missing, expected livekit url=URL "
                           "key=KEY secret_file=PATH");
    refused(REDIS LIVEKIT,
            " history: missing, expected history sqlite PATH or history "
            "dynamodb region=REGION");
}


static void
unknown_and_repeated_directives_are_refused(void **state)
{
    (void) state;

    refused("\n\nnonsense 1\n", "3: nonsense: unknown directive");
    refused("Batch 64\n", "1: Batch: unknown directive");
    refused("batch 64\n\nbatch 64\n",
            "3: batch: expected once, is in line 1 already");
    refused("batch\n", "1: batch: expected 1 value, found 0");
    refused("batch 2 4\n", "1: batch: expected 1 value, found 2");
    refused("history sqlite\n",
            "1: history: expected 2 to 6 values, found 1");
}


static void
times_are_checked(void **state)
{
    static const struct {
        const char *name;
        const char *low;  /* the first that is too short */
        const char *high; /* the first that is too long */
        const char *range;
    } cases[] = {
        { "match_interval", "9ms", "60001ms", "10ms to 1m" },
        { "lease", "999ms", "601s", "1s to 10m" },
        { "silent_after", "999ms", "601s", "1s to 10m" },
        { "drop_after", "999ms", "3601s", "1s to 1h" },
        { "restart_grace", "-1s", "3601s", "0ms to 1h" },
        { "no_show", "999ms", "81s", "1s to 80s" },
        { "absence", "999ms", "51s", "1s to 50s" },
        { "probe_interval", "99ms", "9001ms", "100ms to 9s" },
        { "sweep_interval", "99ms", "3601s", "100ms to 1h" },
    };

    (void) state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *values[] = { cases[i].low, cases[i].high, "15", "soon",
                                 "1.5s" };

        for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
            char text[64], message[128];

            snprintf(text, sizeof(text), "%s %s\n", cases[i].name, values[j]);
            snprintf(message, sizeof(message),
                     "1: %s \"%s\": expected a time from %s", cases[i].name,
                     values[j], cases[i].range);
            refused(text, message);
        }
    }
}


static void
numbers_are_checked(void **state)
{
    static const char *const batches[] = { "0", "1", "257", "-2", "+2", "2x",
                                           "0x2", "1e1",
                                           "99999999999999999999" };

    (void) state;

    for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
        char text[64], message[128];

        snprintf(text, sizeof(text), "batch %s\n", batches[i]);
        snprintf(message, sizeof(message),
                 "1: batch \"%s\": expected a number from 2 to 256",
                 batches[i]);
        refused(text, message);
    }

    refused("batch 63\n", "1: batch \"63\": expected an even number");
    refused("ticket_tries 0\n",
            "1: ticket_tries \"0\": expected a number from 1 to 100");
    refused("ticket_tries 101\n",
            "1: ticket_tries \"101\": expected a number from 1 to 100");
}


static void
words_are_checked(void **state)
{
    (void) state;

    refused("log_level loud\n", "1: log_level \"loud\": expected error, warn, "
                                "info or debug");
    refused("name a/b\n", "1: name \"a/b\": expected letters, digits, \"-\", "
                          "\"_\" and \".\" only");
    refused("name 123456789012345678901234567890123456789012345678901234567890"
            "1234\n",
            "1: name \"12345678901234567890123456789012345678901234567890"
            "12345678901234\": expected at most 63 characters");
    refused("pool a B\n",
            "1: pool \"B\": expected 1 to 63 of a-z, 0-9 and \"-\"");
    refused("pool a b a\n", "1: pool \"a\": expected each pool once");
    refused("history dynamo x\n",
            "1: history \"dynamo\": expected sqlite PATH or dynamodb "
            "region=REGION");
    refused("history sqlite /nowhere/at/all.db\n",
            "1: history \"/nowhere/at/all.db\": expected a file in a folder "
            "that can be written to");
    refused("history sqlite history.db more\n",
            "1: history: expected sqlite PATH");
    refused("history sqlite .\n",
            "1: history \".\": expected a file, found a folder");
    refused("history sqlite pipe\n",
            "1: history \"pipe\": expected a file, found no file");
}


static void
redis_is_checked_and_its_password_never_told(void **state)
{
    (void) state;

    refused("redis http://127.0.0.1\n",
            "1: redis: expected redis://[USER[:PASSWORD]@]HOST[:PORT][/DB] or "
            "unix:PATH");

    assert_int_equal(load("redis redis://:opensesame@127.0.0.1:x\n"), -1);
    assert_null(strstr(error, "opensesame"));

    refused("redis redis://127.0.0.1 timeout=9ms\n",
            "1: redis \"timeout=9ms\": expected a time from 10ms to 1m");
    refused("redis redis://127.0.0.1 cluster\n",
            "1: redis \"cluster\": expected password_file=PATH or "
            "timeout=TIME");
    refused("redis redis://127.0.0.1 timeout=1s timeout=2s\n",
            "1: redis \"timeout=2s\": expected each option once");
    refused("redis redis://127.0.0.1 password_file=none\n",
            "1: redis \"password_file=none\": expected a file that can be "
            "read: No such file or directory");
    refused("redis redis://127.0.0.1 password_file=.\n",
            "1: redis \"password_file=.\": expected a file that can be read: "
            "Is a directory");

    write_file("password", "opensesame\n");
    refused("redis redis://:x@127.0.0.1 password_file=password\n",
            "1: redis \"password_file=password\": expected one password: in "
            "the URL or in a file");

    write_file("password", "\n");
    assert_int_equal(load("redis redis://127.0.0.1 password_file=password\n"),
                     -1);
    assert_non_null(strstr(error, "expected a file of secrets: "));
}


static void
livekit_is_checked_and_its_secret_never_told(void **state)
{
    static const char *const urls[] = {
        "",          "127.0.0.1:7880",       "ws://127.0.0.1",
        "http://",   "http:///path",         "http://user:pw@host",
        "http://h?", "http://h/#fragment",   "http://h:99999",
    };

    (void) state;

    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char text[128], message[256];

        snprintf(text, sizeof(text), "livekit url=%s key=k secret_file=secret",
                 urls[i]);
        snprintf(message, sizeof(message),
                 "1: livekit \"url=%s\": expected http://HOST[:PORT][/PATH] "
                 "or the same with https: this %s",
                 urls[i], convo_url_error(urls[i], strlen(urls[i]), "http"));
        refused(text, message);
    }

    refused("livekit url=http://h key=k\n",
            "1: livekit: expected url=URL key=KEY secret_file=PATH");
    refused("livekit url=http://h secret_file=secret\n",
            "1: livekit: expected url=URL key=KEY secret_file=PATH");
    refused("livekit key=a:b\n", "1: livekit \"key=a:b\": expected 1 to 128 "
                                 "letters, digits, \"-\" and \"_\"");
    refused("livekit token=x\n", "1: livekit \"token=x\": expected url=, "
                                 "key=, secret_file= or timeout=");
    refused("livekit key=a key=a\n",
            "1: livekit \"key=a\": expected each option once");
    refused("livekit timeout=99ms\n", "1: livekit \"timeout=99ms\": expected "
                                      "a time from 100ms to 1m");

    write_file("short", "tooshortsecret\n");
    assert_int_equal(load("livekit secret_file=short\n"), -1);
    assert_non_null(strstr(error, "livekit \"secret_file=short\": expected a "
                                  "file of secrets: "));
    assert_null(strstr(error, "tooshortsecret"));
}


static void
dynamodb_is_taken(void **state)
{
    (void) state;

    accepted(REDIS LIVEKIT "history dynamodb region=eu-central-1\n");
    assert_int_equal(config.history, CONVO_HISTORY_DYNAMODB);
    assert_string_equal(config.dynamodb.region, "eu-central-1");
    assert_string_equal(config.dynamodb.endpoint,
                        "https://dynamodb.eu-central-1.amazonaws.com");
    assert_string_equal(config.dynamodb.prefix, "convo-");
    assert_string_equal(config.dynamodb.profile, "");
    assert_int_equal(config.dynamodb.timeout_ms, 2000);

    accepted(REDIS LIVEKIT "history dynamodb region=cn-north-1 prefix=\n");
    assert_string_equal(config.dynamodb.endpoint,
                        "https://dynamodb.cn-north-1.amazonaws.com.cn");
    assert_string_equal(config.dynamodb.prefix, "");

    accepted(REDIS LIVEKIT "history dynamodb timeout=1m profile=a.b/c@d "
                           "endpoint=http://[::1]:8000/ region=r\n"
                           "lease 2m\n");
    assert_string_equal(config.dynamodb.endpoint, "http://[::1]:8000");
    assert_string_equal(config.dynamodb.profile, "a.b/c@d");
    assert_int_equal(config.dynamodb.timeout_ms, 60000);

    accepted(WHOLE);
    assert_int_equal(config.history, CONVO_HISTORY_SQLITE);
}


static void
dynamodb_is_checked(void **state)
{
    (void) state;

    refused("history dynamodb prefix=x\n",
            "1: history: expected region=REGION");
    refused("history dynamodb region=\n",
            "1: history: expected region=REGION");
    refused("history dynamodb region=eu.west\n",
            "1: history \"region=eu.west\": expected letters, digits and "
            "\"-\" only");
    refused("history dynamodb region=r prefix=a/b\n",
            "1: history \"prefix=a/b\": expected letters, digits and "
            "\"-_.\" only");
    refused("history dynamodb region=r prefix="
            "1234567890123456789012345678901234567890123456789012345678901234"
            "5\n",
            "1: history \"prefix="
            "1234567890123456789012345678901234567890123456789012345678901234"
            "5\": expected at most 64 characters");
    refused("history dynamodb region=r region=s\n",
            "1: history \"region=s\": expected each option once");
    refused("history dynamodb region=r endpoint=localhost:8000\n",
            "1: history \"endpoint=localhost:8000\": expected "
            "http://HOST[:PORT][/PATH] or the same with https: this begins "
            "with another scheme");
    refused("history dynamodb region=r endpoint=http://h/path\n",
            "1: history \"endpoint=http://h/path\": expected no path");
    refused("history dynamodb region=r timeout=99ms\n",
            "1: history \"timeout=99ms\": expected a time from 100ms to 1m");
    refused("history dynamodb region=r secret=x\n",
            "1: history \"secret=x\": expected region=, endpoint=, prefix=, "
            "profile= or timeout=");
}


static void
the_lease_exceeds_a_round(void **state)
{
    (void) state;

    refused(WHOLE "lease 26s\n",
            " lease \"26s\": expected more than 26s, which the calls of one "
            "round may take together (21 times the timeout of redis and once "
            "that of livekit)");
    accepted(WHOLE "lease 27s\n");

    refused("redis redis://h timeout=2s\n" LIVEKIT HISTORY,
            " lease \"30s\": expected more than 47s, which the calls of one "
            "round may take together (21 times the timeout of redis and once "
            "that of livekit)");
}


/* Between two renewals lies the longest call of the store. */
static void
the_lease_exceeds_a_call_of_the_store(void **state)
{
    (void) state;

#define FAST "redis redis://h timeout=100ms\n" LIVEKIT                         \
             "history dynamodb region=r timeout="
    refused(FAST "2s\nlease 7320ms\n",
            " lease \"7320ms\": expected more than 7320ms, as it is renewed "
            "between calls of DynamoDB (its timeout, that of redis and 4s, and "
            "a fifth of that)");
    accepted(FAST "2s\nlease 7321ms\n");
    refused(FAST "1m\n",
            " lease \"30s\": expected more than 76920ms, as it is renewed "
            "between calls of DynamoDB (its timeout, that of redis and 4s, and "
            "a fifth of that)");
}


static void
dropping_comes_after_silence(void **state)
{
    (void) state;

    refused(WHOLE "silent_after 45s\n",
            " drop_after \"45s\": expected more than silent_after, which is "
            "45s");
}


static void
strange_files_are_refused(void **state)
{
    static char line[CONVO_CONFIG_LINE + 100];
    char none[64];

    (void) state;

    write_bytes("worker.conf", "batch 64\0\nlease 1s\n", 19);
    assert_int_equal(convo_config_load(&config, path, error), -1);

    memset(line, 'x', sizeof(line) - 1);
    refused(line, "1: expected a line of at most 4094 bytes and no NUL");

    memset(line, 0, sizeof(line));
    strcpy(line, "pool");
    for (int i = 0; i < 65; i++) {
        strcat(line, " a");
    }
    refused(line, "1: pool: expected at most 64 values");

    snprintf(none, sizeof(none), "%s/none.conf", folder);
    assert_int_equal(convo_config_load(&config, none, error), -1);
    assert_non_null(strstr(error, "expected a file that can be read: No such "
                                  "file"));
}


static int
set_up(void **state)
{
    char pipe_path[128];

    (void) state;

    if (mkdtemp(folder) == NULL) {
        return -1;
    }

    snprintf(path, sizeof(path), "%s/worker.conf", folder);
    write_file("secret", SECRET "\n");
    snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", folder);

    return mkfifo(pipe_path, 0600);
}


static int
tear_down(void **state)
{
    static const char *const names[] = { "worker.conf", "secret", "password",
                                         "short", "pipe" };
    char file_path[128];

    (void) state;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(file_path, sizeof(file_path), "%s/%s", folder, names[i]);
        unlink(file_path);
    }

    return rmdir(folder);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_left_out_has_its_default),
        cmocka_unit_test(every_directive_is_taken),
        cmocka_unit_test(relative_paths_begin_beside_the_file),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(unknown_and_repeated_directives_are_refused),
        cmocka_unit_test(times_are_checked),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(words_are_checked),
        cmocka_unit_test(redis_is_checked_and_its_password_never_told),
        cmocka_unit_test(livekit_is_checked_and_its_secret_never_told),
        cmocka_unit_test(dynamodb_is_taken),
        cmocka_unit_test(dynamodb_is_checked),
        cmocka_unit_test(the_lease_exceeds_a_round),
        cmocka_unit_test(the_lease_exceeds_a_call_of_the_store),
        cmocka_unit_test(dropping_comes_after_silence),
        cmocka_unit_test(strange_files_are_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
