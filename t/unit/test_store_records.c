/*
 * The store in SQLite: users, reports and blocks, what is read back, and a
 * file of the first layout that gets the tables it lacks.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "store.h"

#define DAY_S 86400
#define NOW_S 1795334400
#define WRITERS 4
#define EACH 50

static char folder[] = "/tmp/convo-records-XXXXXX";
static char path[64];
static convo_store_t *store;

/* What was told, as one text: "a,b;" and so on. */
static char heard[4096];


static void
hear(const char *format, ...)
{
    size_t len = strlen(heard);
    va_list args;

    va_start(args, format);
    vsnprintf(heard + len, sizeof(heard) - len, format, args);
    va_end(args);
}


static convo_store_session_t
session(char letter, const char *a, const char *b, int64_t start)
{
    convo_store_session_t s;

    memset(&s, 0, sizeof(s));
    memset(s.session_id, 'a', CONVO_SID_LEN);
    s.session_id[CONVO_SID_LEN - 1] = letter;
    strcpy(s.user_a, a);
    strcpy(s.user_b, b);
    s.start_time = start;
    s.end_time = start + 60;
    s.duration = 60;
    s.expires_at = s.end_time + 90 * DAY_S;

    return s;
}


static convo_store_user_t
user(const char *id, int64_t version)
{
    convo_store_user_t u;

    memset(&u, 0, sizeof(u));
    strcpy(u.user_id, id);
    strcpy(u.pool, "p-1");
    u.points = 15;
    u.points_left = 8;
    u.spent = 7;
    u.window_end = NOW_S + DAY_S;
    u.last_session = NOW_S - 10;
    u.state = CONVO_USER_WAITING;
    u.version = version;

    return u;
}


static convo_store_report_t
report(char letter, const char *reporter, const char *reported)
{
    convo_store_report_t r;

    memset(&r, 0, sizeof(r));
    memset(r.session_id, 'a', CONVO_SID_LEN);
    r.session_id[CONVO_SID_LEN - 1] = letter;
    strcpy(r.reporter, reporter);
    strcpy(r.reported, reported);
    strcpy(r.reason, "rude'; DROP TABLE users;-- \xf0\x9f\x98\xa0");
    strcpy(r.pool, "p-1");
    r.at = NOW_S;
    r.expires_at = NOW_S + 90 * DAY_S;

    return r;
}


static int
on_user(void *data, const convo_store_user_t *u, const char *const *blocked,
        size_t nblocked)
{
    int *left = data;

    hear("%s %s %d %d %d %d %d %d %lld %lld [", u->user_id, u->pool,
         (int) u->points, (int) u->points_left, (int) u->spent,
         (int) (u->window_end ? u->window_end - NOW_S : 0),
         (int) (u->last_session ? u->last_session - NOW_S : 0),
         (int) u->state, (long long) u->banned_until, (long long) u->version);
    for (size_t i = 0; i < nblocked; i++) {
        hear(" %s", blocked[i]);
    }
    hear(" ];");

    return left != NULL && --*left == 0;
}


static int
on_name(void *data, const convo_store_user_t *u, const char *const *blocked,
        size_t nblocked)
{
    (void) data;
    (void) blocked;
    (void) nblocked;
    hear("%s ", u->user_id);

    return 0;
}


static int
on_session(void *data, const convo_store_session_t *s)
{
    int *left = data;

    hear("%c:%s-%s;", s->session_id[CONVO_SID_LEN - 1], s->user_a, s->user_b);

    return left != NULL && --*left == 0;
}


static int
on_report(void *data, const convo_store_report_t *r)
{
    int *left = data;

    hear("%c:%s-%s %s %s %d %d;", r->session_id[CONVO_SID_LEN - 1],
         r->reporter, r->reported, r->pool, r->reason, (int) (r->at - NOW_S),
         (int) ((r->expires_at - r->at) / DAY_S));

    return left != NULL && --*left == 0;
}


static void
assert_users(const char *expected)
{
    heard[0] = '\0';
    assert_int_equal(store->each_user(store, NULL, on_user, NULL), 0);
    assert_string_equal(heard, expected);
}


static void
execute(const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}


static void
the_newer_version_of_a_user_stands(void **state)
{
    convo_store_user_t u[2];

    (void) state;

    assert_users("");
    u[0] = user("ann", 100);
    u[1] = user("o'b; \xc3\xa4", 1795334400123);
    u[1].banned_until = 9007199254740991;
    u[1].state = CONVO_USER_IDLE;
    assert_int_equal(store->put_users(store, u, 2, NULL), 0);

#define SECOND "o'b; \xc3\xa4 p-1 15 8 7 86400 -10 0 9007199254740991 " \
               "1795334400123 [ ];"
    assert_users("ann p-1 15 8 7 86400 -10 1 0 100 [ ];" SECOND);

    u[0].points_left = 1;
    assert_int_equal(store->put_users(store, u, 1, NULL), 0);
    u[0].version = 99;
    assert_int_equal(store->put_users(store, u, 1, NULL), 0);
    assert_users("ann p-1 15 8 7 86400 -10 1 0 100 [ ];" SECOND);

    u[0].version = 101;
    u[0].window_end = 0;
    u[0].state = CONVO_USER_LIVE;
    assert_int_equal(store->put_users(store, u, 1, NULL), 0);
    assert_users("ann p-1 15 1 7 0 -10 3 0 101 [ ];" SECOND);
}


static void
of_one_batch_the_newest_stands_in_any_order(void **state)
{
    convo_store_user_t u[3];

    (void) state;

    for (int i = 0; i < 3; i++) {
        u[i] = user("ann", 100 + (i + 1) % 3);
        u[i].spent = 100 + (i + 1) % 3;
    }

    assert_int_equal(store->put_users(store, u, 3, NULL), 0);
    assert_users("ann p-1 15 8 102 86400 -10 1 0 102 [ ];");
}


static void
a_report_is_kept_once_and_blocks_both(void **state)
{
    convo_store_report_t r[2];
    convo_store_user_t u = user("bob", 5);

    (void) state;

    r[0] = report('b', "ann", "bob");
    r[1] = report('b', "bob", "ann");
    assert_int_equal(store->put_users(store, &u, 1, NULL), 0);
    assert_int_equal(store->put_reports(store, r, 1, NULL), 0);
    assert_int_equal(store->put_reports(store, r, 2, NULL), 0);
    r[0] = report('c', "ann", "cem");
    r[0].reason[0] = '\0';
    assert_int_equal(store->put_reports(store, r, 1, NULL), 0);
    strcpy(r[0].reason, "another");
    assert_int_equal(store->put_reports(store, r, 1, NULL), 0);

    heard[0] = '\0';
    assert_int_equal(store->each_report(store, 0, NOW_S, on_report, NULL), 0);
    assert_string_equal(heard,
                        "b:ann-bob p-1 rude'; DROP TABLE users;-- "
                        "\xf0\x9f\x98\xa0 0 90;"
                        "b:bob-ann p-1 rude'; DROP TABLE users;-- "
                        "\xf0\x9f\x98\xa0 0 90;"
                        "c:ann-cem p-1  0 90;");

    assert_users("ann p-1 0 0 0 0 0 0 0 0 [ bob cem ];"
                 "bob p-1 15 8 7 86400 -10 1 0 5 [ ann ];"
                 "cem p-1 0 0 0 0 0 0 0 0 [ ann ];");

    /* whom the store knew by a block alone is written like any other */
    u = user("cem", 1);
    assert_int_equal(store->put_users(store, &u, 1, NULL), 0);
    assert_users("ann p-1 0 0 0 0 0 0 0 0 [ bob cem ];"
                 "bob p-1 15 8 7 86400 -10 1 0 5 [ ann ];"
                 "cem p-1 15 8 7 86400 -10 1 0 1 [ ann ];");
}


static void
reports_expire_and_blocks_never(void **state)
{
    convo_store_report_t r[2];
    convo_store_session_t s = session('b', "ann", "bob", NOW_S);

    (void) state;

    r[0] = report('b', "ann", "bob");
    r[1] = report('c', "ann", "cem");
    r[1].at += 10;
    r[1].expires_at += 10;
    assert_int_equal(store->put_reports(store, r, 2, NULL), 0);
    assert_int_equal(store->write(store, &s, 1, NULL), 0);

    heard[0] = '\0';
    assert_int_equal(store->each_report(store, NOW_S + 1, NOW_S, on_report,
                                        NULL),
                     0);
    hear("/");
    assert_int_equal(store->each_report(store, 0, r[0].expires_at, on_report,
                                        NULL),
                     0);
    assert_string_equal(heard, "c:ann-cem p-1 rude'; DROP TABLE users;-- "
                               "\xf0\x9f\x98\xa0 10 90;/"
                               "c:ann-cem p-1 rude'; DROP TABLE users;-- "
                               "\xf0\x9f\x98\xa0 10 90;");

    assert_int_equal(store->expire(store, NOW_S + 90 * DAY_S), 1);
    assert_int_equal(store->expire(store, NOW_S + 91 * DAY_S), 2);
    assert_int_equal(store->count(store), 0);

    heard[0] = '\0';
    assert_int_equal(store->each_report(store, 0, 0, on_report, NULL), 0);
    assert_string_equal(heard, "");
    assert_users("ann p-1 0 0 0 0 0 0 0 0 [ bob cem ];"
                 "bob p-1 0 0 0 0 0 0 0 0 [ ann ];"
                 "cem p-1 0 0 0 0 0 0 0 0 [ ann ];");
}


static void
sessions_are_told_as_of_their_end(void **state)
{
    convo_store_session_t batch[3];
    int stop = 2;

    (void) state;

    batch[0] = session('b', "ann", "bob", NOW_S);
    batch[1] = session('c', "ann", "bob", NOW_S + 1);
    batch[2] = session('d', "ann", "bob", NOW_S + 2);
    batch[2].expires_at = NOW_S;
    assert_int_equal(store->write(store, batch, 3, NULL), 0);

    heard[0] = '\0';
    assert_int_equal(store->each_session(store, NULL, NOW_S + 61, NOW_S,
                                         on_session, NULL),
                     0);
    hear("/");
    assert_int_equal(store->each_session(store, NULL, 0, 0, on_session, NULL),
                     0);
    hear("/");
    assert_int_equal(store->each_session(store, NULL, 0, 0, on_session, &stop),
                     0);
    assert_string_equal(heard, "c:ann-bob;/"
                               "b:ann-bob;c:ann-bob;d:ann-bob;/"
                               "b:ann-bob;c:ann-bob;");
}


static void
a_reading_goes_on_behind_the_last_that_was_told(void **state)
{
    static const char *const ids[] = { "bob", "ann", "\xc3\xb6'z", "cem" };
    convo_store_session_t batch[3];

    (void) state;

    batch[0] = session('d', "ann", "bob", NOW_S);
    batch[1] = session('b', "ann", "cem", NOW_S + 1);
    batch[2] = session('c', "ann", "bob", NOW_S - 100);
    assert_int_equal(store->write(store, batch, 3, NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        convo_store_user_t u = user(ids[i], 1);

        assert_int_equal(store->put_users(store, &u, 1, NULL), 0);
    }

#define TOLD_BEHIND(after, names)                                             \
    heard[0] = '\0';                                                          \
    assert_int_equal(store->each_user(store, after, on_name, NULL), 0);       \
    assert_string_equal(heard, names)
    TOLD_BEHIND(NULL, "ann bob cem \xc3\xb6'z ");
    TOLD_BEHIND("ann", "bob cem \xc3\xb6'z ");
    TOLD_BEHIND("bobby", "cem \xc3\xb6'z ");
    TOLD_BEHIND("\xc3\xb6'z", "");

    heard[0] = '\0';
    assert_int_equal(store->each_session(store, batch[1].session_id, 0, 0,
                                         on_session, NULL),
                     0);
    hear("/");
    assert_int_equal(store->each_session(store, batch[1].session_id, NOW_S, 0,
                                         on_session, NULL),
                     0);
    assert_string_equal(heard, "c:ann-bob;d:ann-bob;/d:ann-bob;");
}


static void
rubbish_in_the_file_is_left_out(void **state)
{
    convo_store_user_t u = user("ann", 1);

    (void) state;

    assert_int_equal(store->put_users(store, &u, 1, NULL), 0);
    execute("INSERT INTO users (userId, pool) VALUES"
            " ('', 'p-1'), ('b', 'No Pool'), (x'ff', 'p-1'),"
            " (hex(zeroblob(200)), 'p-1');"
            "INSERT INTO users (userId, pool, points) VALUES"
            " ('c', 'p-1', -1);"
            "INSERT INTO blocked VALUES ('ann', ''),"
            " ('ann', hex(zeroblob(200))), ('ann', 'x');"
            "INSERT INTO sessions VALUES"
            " ('short', 'ann', 'bob', 1, 2, 3, 1e10),"
            " ('aaaaaaaaaaaaaaaaaaaaaaaaab', 'ann', 'bob', -1, 2, 3, 1e10),"
            " ('aaaaaaaaaaaaaaaaaaaaaaaaac', 'ann', '', 1, 2, 3, 1e10),"
            " ('aaaaaaaaaaaaaaaaaaaaaaaaad', 'ann', 'bob', 1, 2, 3, 1e10);"
            "INSERT INTO reports VALUES"
            " ('short', 'ann', 'bob', '', 'p-1', 1, 1e10)");

    assert_users("ann p-1 15 8 7 86400 -10 1 0 1 [ x ];");
    heard[0] = '\0';
    assert_int_equal(store->each_session(store, NULL, 0, 0, on_session, NULL),
                     0);
    assert_string_equal(heard, "d:ann-bob;");
    heard[0] = '\0';
    assert_int_equal(store->each_report(store, 0, 0, on_report, NULL), 0);
    assert_string_equal(heard, "");
}


/* What the first release of the worker made. */
static void
a_file_of_the_first_layout_gets_what_it_lacks(void **state)
{
    convo_store_user_t u = user("ann", 1);
    convo_store_session_t s = session('c', "ann", "bob", NOW_S);

    (void) state;

    execute("CREATE TABLE sessions (sessionId TEXT PRIMARY KEY NOT NULL,"
            "  userA TEXT NOT NULL, userB TEXT NOT NULL,"
            "  startTime INTEGER NOT NULL, endTime INTEGER NOT NULL,"
            "  duration INTEGER NOT NULL, expiresAt INTEGER NOT NULL"
            ") WITHOUT ROWID;"
            "CREATE INDEX sessions_a ON sessions (userA, startTime);"
            "CREATE INDEX sessions_b ON sessions (userB, startTime);"
            "CREATE INDEX sessions_expiry ON sessions (expiresAt);"
            "INSERT INTO sessions VALUES ('aaaaaaaaaaaaaaaaaaaaaaaaab',"
            " 'ann', 'bob', 1, 2, 1, 1795334400);"
            "PRAGMA user_version = 1");

    assert_int_equal(store->init(store), 0);
    assert_int_equal(store->init(store), 0);
    assert_int_equal(store->count(store), 1);
    assert_int_equal(store->write(store, &s, 1, NULL), 0);
    assert_int_equal(store->put_users(store, &u, 1, NULL), 0);
    assert_int_equal(store->count(store), 2);
    assert_users("ann p-1 15 8 7 86400 -10 1 0 1 [ ];");
}


/* Several processes make the same fresh file and write what overlaps. */
static void
processes_of_one_host_share_it(void **state)
{
    pid_t child[WRITERS];
    int status;

    (void) state;

    for (int i = 0; i < WRITERS; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);

        for (int j = 0; child[i] == 0 && j < EACH; j++) {
            convo_store_t *own = convo_store_sqlite_new(path);
            convo_store_user_t u = user("ann", i * EACH + j);
            convo_store_session_t s = session('b', "ann", "bob", NOW_S);

            s.session_id[0] = (char) ('a' + j % 20);
            while (own->write(own, &s, 1, NULL) != 0
                   || own->put_users(own, &u, 1, NULL) != 0)
            {
                usleep(1000);
            }
            own->close(own);
        }
        if (child[i] == 0) {
            _exit(0);
        }
    }

    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_int_equal(status, 0);
    }

    assert_int_equal(store->count(store), 20);
    assert_users("ann p-1 15 8 7 86400 -10 1 0 199 [ ];");
}


static void
users_of_the_second_layout_get_their_state(void **state)
{
    convo_store_user_t u = user("ann", 1);

    (void) state;

    assert_int_equal(store->put_users(store, &u, 1, NULL), 0);
    execute("ALTER TABLE users DROP COLUMN state;"
            "INSERT INTO users (userId, pool) VALUES ('bob', 'p-1');"
            "PRAGMA user_version = 2");
    store->close(store);
    store = convo_store_sqlite_new(path);

    assert_users("ann p-1 15 8 7 86400 -10 1 0 1 [ ];"
                 "bob p-1 0 0 0 0 0 0 0 0 [ ];");
    u.version = 2;
    u.state = CONVO_USER_MATCHED;
    assert_int_equal(store->put_users(store, &u, 1, NULL), 0);
    assert_users("ann p-1 15 8 7 86400 -10 2 0 2 [ ];"
                 "bob p-1 0 0 0 0 0 0 0 0 [ ];");
}


static void
failures_of_every_call_are_told(void **state)
{
    convo_store_t *none = convo_store_sqlite_new("/nowhere/at/all.db");
    convo_store_user_t u = user("ann", 1);
    convo_store_report_t r = report('b', "ann", "bob");

    (void) state;

    assert_int_equal(none->init(none), -1);
    assert_string_equal(none->error,
                        "opening it: unable to open database file");
    assert_int_equal(none->put_users(none, &u, 1, NULL), -1);
    assert_int_equal(none->put_reports(none, &r, 1, NULL), -1);
    assert_int_equal(none->each_user(none, NULL, on_user, NULL), -1);
    assert_int_equal(none->each_session(none, NULL, 0, 0, on_session, NULL),
                     -1);
    assert_int_equal(none->each_report(none, 0, 0, on_report, NULL), -1);
    none->close(none);
}


static void
what_no_store_can_hold_is_known(void **state)
{
    static const char *const bad[] = {
        "", "\xff", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "a\x80", "\xe2\x82", "\xf0\x9f\x98",
    };
    convo_store_session_t s = session('b', "ann", "\xf0\x9f\x98\xa0", 1);
    convo_store_user_t u = user("\xe2\x82\xac\xed\x9f\xbf", 1);
    convo_store_report_t r = report('b', "ann", "\xf4\x8f\xbf\xbf");

    (void) state;

    assert_int_equal(convo_store_session_is_good(&s), 1);
    assert_int_equal(convo_store_user_is_good(&u), 1);
    assert_int_equal(convo_store_report_is_good(&r), 1);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        strcpy(s.user_b, bad[i]);
        strcpy(u.user_id, bad[i]);
        strcpy(r.reported, bad[i]);
        assert_int_equal(convo_store_session_is_good(&s), 0);
        assert_int_equal(convo_store_user_is_good(&u), 0);
        assert_int_equal(convo_store_report_is_good(&r), 0);
    }

    s = session('b', "ann", "bob", -1);
    assert_int_equal(convo_store_session_is_good(&s), 0);
    s = session('1', "ann", "bob", 1);
    assert_int_equal(convo_store_session_is_good(&s), 0);
    u = user("ann", -1);
    assert_int_equal(convo_store_user_is_good(&u), 0);
    r = report('b', "ann", "bob");
    strcpy(r.pool, "A");
    assert_int_equal(convo_store_report_is_good(&r), 0);
    r = report('b', "ann", "bob");
    strcpy(r.reason, "\xff");
    assert_int_equal(convo_store_report_is_good(&r), 0);
}


static int
set_up(void **state)
{
    static const char *const ends[] = { "", "-wal", "-shm" };
    char name[80];

    (void) state;

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
    store = convo_store_sqlite_new(path);

    return 0;
}


static int
tear_down(void **state)
{
    (void) state;

    store->close(store);

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
    set_up(state);
    store->close(store);

    return rmdir(folder);
}


#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newer_version_of_a_user_stands),
        TEST(of_one_batch_the_newest_stands_in_any_order),
        TEST(a_report_is_kept_once_and_blocks_both),
        TEST(reports_expire_and_blocks_never),
        TEST(sessions_are_told_as_of_their_end),
        TEST(a_reading_goes_on_behind_the_last_that_was_told),
        TEST(rubbish_in_the_file_is_left_out),
        TEST(a_file_of_the_first_layout_gets_what_it_lacks),
        TEST(users_of_the_second_layout_get_their_state),
        TEST(processes_of_one_host_share_it),
        TEST(failures_of_every_call_are_told),
        TEST(what_no_store_can_hold_is_known),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
