/*
 * The store in SQLite: the same session is kept once, whatever fails is told
 * and mends itself, and what has expired goes.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "store.h"

#define DAY_S 86400

static char folder[] = "/tmp/convo-store-XXXXXX";
static char path[64];


static void
remove_file(void)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char name[80];

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
}


/* A session whose id ends in the letter. */
static convo_store_session_t
session(char letter)
{
    convo_store_session_t s;

    memset(&s, 0, sizeof(s));
    memset(s.session_id, 'a', CONVO_SID_LEN);
    s.session_id[CONVO_SID_LEN - 1] = letter;
    strcpy(s.user_a, "o'Brien; DROP TABLE sessions;--");
    strcpy(s.user_b, "\xc3\xa4 and \"quotes\"");
    s.start_time = 1795334400;
    s.end_time = 1795334812;
    s.duration = 412;
    s.expires_at = s.end_time + 90 * DAY_S;

    return s;
}


/* Another program's look into the file: the one text that sql answers. */
static void
assert_query(const char *sql, const char *expected)
{
    sqlite3_stmt *statement;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(statement, 0), expected);
    sqlite3_finalize(statement);
    sqlite3_close(db);
}


static sqlite3 *
open_and_execute(const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);

    return db;
}


static void
a_session_is_kept_to_the_byte(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_session_t s = session('b');

    (void) state;

    assert_int_equal(store->count(store), 0);
    assert_int_equal(store->write(store, &s, 1, NULL), 0);
    store->close(store);

    assert_query("SELECT sessionId || '|' || userA || '|' || userB || '|' || "
                 "startTime || '|' || endTime || '|' || duration || '|' || "
                 "expiresAt FROM sessions",
                 "aaaaaaaaaaaaaaaaaaaaaaaaab|o'Brien; DROP TABLE sessions;--|"
                 "\xc3\xa4 and \"quotes\"|1795334400|1795334812|412|"
                 "1803110812");
}


static void
writing_twice_keeps_the_first(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_session_t batch[3];

    (void) state;

    batch[0] = session('b');
    batch[1] = session('c');
    batch[2] = session('b');
    assert_int_equal(store->write(store, batch, 3, NULL), 0);
    assert_int_equal(store->count(store), 2);

    batch[0].duration = 1;
    assert_int_equal(store->write(store, batch, 1, NULL), 0);
    assert_int_equal(store->write(store, batch, 0, NULL), 0);
    assert_int_equal(store->count(store), 2);
    store->close(store);

    assert_query("SELECT group_concat(duration) FROM sessions", "412,412");
}


static void
two_workers_share_the_file(void **state)
{
    convo_store_t *one = convo_store_sqlite_new(path);
    convo_store_t *two = convo_store_sqlite_new(path);
    convo_store_session_t s = session('b'), t = session('c');

    (void) state;

    assert_int_equal(one->write(one, &s, 1, NULL), 0);
    assert_int_equal(two->write(two, &s, 1, NULL), 0);
    assert_int_equal(two->write(two, &t, 1, NULL), 0);
    assert_int_equal(one->count(one), 2);

    one->close(one);
    two->close(two);
}


static void
a_locked_file_is_told_and_taken_later(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_session_t s = session('b');
    sqlite3 *other;

    (void) state;

    assert_int_equal(store->count(store), 0);
    other = open_and_execute("BEGIN EXCLUSIVE");

    assert_int_equal(store->write(store, &s, 1, NULL), -1);
    assert_string_equal(store->error, "writing: database is locked");

    sqlite3_close(other);
    assert_int_equal(store->write(store, &s, 1, NULL), 0);
    assert_int_equal(store->count(store), 1);
    store->close(store);
}


/* The second insert fails: the first one must not stay. */
static void
a_batch_is_written_whole_or_not_at_all(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_session_t batch[2];
    sqlite3 *other;

    (void) state;

    assert_int_equal(store->count(store), 0);
    other = open_and_execute(
        "CREATE TRIGGER full BEFORE INSERT ON sessions "
        "WHEN NEW.sessionId LIKE '%c' "
        "BEGIN SELECT RAISE(ABORT, 'no space'); END");

    batch[0] = session('b');
    batch[1] = session('c');
    assert_int_equal(store->write(store, batch, 2, NULL), -1);
    assert_string_equal(store->error, "writing: no space");
    assert_int_equal(store->count(store), 0);

    assert_int_equal(sqlite3_exec(other, "DROP TRIGGER full", NULL, NULL,
                                  NULL),
                     SQLITE_OK);
    sqlite3_close(other);
    assert_int_equal(store->write(store, batch, 2, NULL), 0);
    assert_int_equal(store->count(store), 2);
    store->close(store);
}


static void
a_missing_folder_is_told_and_mends(void **state)
{
    char deep[120], deep_folder[80];
    convo_store_t *store;
    convo_store_session_t s = session('b');

    (void) state;

    snprintf(deep_folder, sizeof(deep_folder), "%s/later", folder);
    snprintf(deep, sizeof(deep), "%s/h.db", deep_folder);
    store = convo_store_sqlite_new(deep);

    assert_int_equal(store->write(store, &s, 1, NULL), -1);
    assert_string_equal(store->error,
                        "opening it: unable to open database file");
    assert_int_equal(store->count(store), -1);
    assert_int_equal(store->expire(store, 0), -1);

    assert_int_equal(mkdir(deep_folder, 0700), 0);
    assert_int_equal(store->write(store, &s, 1, NULL), 0);
    store->close(store);

    unlink(deep);
    assert_int_equal(rmdir(deep_folder), 0);
}


static void
a_damaged_file_is_told(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_session_t s = session('b');
    FILE *file = fopen(path, "w");

    (void) state;

    for (int i = 0; i < 1000; i++) {
        fputs("this is no database\n", file);
    }
    fclose(file);

    assert_int_equal(store->write(store, &s, 1, NULL), -1);
    assert_string_equal(store->error, "opening it: file is not a database");
    store->close(store);
}


static void
a_newer_layout_is_never_touched(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_session_t s = session('b');

    (void) state;

    sqlite3_close(open_and_execute("PRAGMA user_version = 4"));

    assert_int_equal(store->write(store, &s, 1, NULL), -1);
    assert_string_equal(store->error,
                        "its layout 4 is newer than this worker's");
    store->close(store);

    assert_query("SELECT count(*) FROM sqlite_master", "0");
}


static void
what_has_expired_goes_after_90_days(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_session_t batch[2];
    int64_t end;

    (void) state;

    batch[0] = session('b');
    batch[1] = session('c');
    batch[1].expires_at++;
    end = batch[0].end_time;

    assert_int_equal(store->write(store, batch, 2, NULL), 0);
    assert_int_equal(store->expire(store, end + 90 * DAY_S - 1), 0);
    assert_int_equal(store->count(store), 2);
    assert_int_equal(store->expire(store, end + 90 * DAY_S), 1);
    assert_int_equal(store->expire(store, end + 90 * DAY_S + 1), 1);
    assert_int_equal(store->count(store), 0);
    store->close(store);
}


/* Redis forgets who stays away for long, and tells of no session then. */
static void
a_last_session_that_redis_has_forgotten_stays(void **state)
{
    convo_store_t *store = convo_store_sqlite_new(path);
    convo_store_user_t user = { .user_id = "ann", .pool = "p", .points = 15 };

    (void) state;

    user.version = 1;
    user.last_session = 1795334400;
    assert_int_equal(store->put_users(store, &user, 1, NULL), 0);

    user.version = 2;
    user.last_session = 0;
    assert_int_equal(store->put_users(store, &user, 1, NULL), 0);
    assert_query("SELECT version || '|' || lastSessionTimestamp FROM users",
                 "2|1795334400");

    user.version = 3;
    user.last_session = 1795334401;
    assert_int_equal(store->put_users(store, &user, 1, NULL), 0);
    assert_query("SELECT version || '|' || lastSessionTimestamp FROM users",
                 "3|1795334401");
    store->close(store);
}


static int
set_up(void **state)
{
    (void) state;

    remove_file();

    return 0;
}


static int
make_folder(void **state)
{
    (void) state;

    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof(path), "%s/history.db", folder);

    return 0;
}


static int
remove_folder(void **state)
{
    (void) state;

    remove_file();

    return rmdir(folder);
}


#define TEST(function) cmocka_unit_test_setup(function, set_up)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_session_is_kept_to_the_byte),
        TEST(writing_twice_keeps_the_first),
        TEST(two_workers_share_the_file),
        TEST(a_locked_file_is_told_and_taken_later),
        TEST(a_batch_is_written_whole_or_not_at_all),
        TEST(a_missing_folder_is_told_and_mends),
        TEST(a_damaged_file_is_told),
        TEST(a_newer_layout_is_never_touched),
        TEST(what_has_expired_goes_after_90_days),
        TEST(a_last_session_that_redis_has_forgotten_stays),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
