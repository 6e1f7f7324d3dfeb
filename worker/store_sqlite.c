/*
 * The store in a file of SQLite: for one host, without a server.
 *
 * Write-ahead log with full synchronisation: a record that was written
 * survives a loss of power.  Several workers of the host share the file; a
 * writer waits for another for CONVO_SQLITE_BUSY_MS, then says that it is busy.
 *
 * An older file gets the tables and columns that it lacks when it is opened.
 *
 * How it fails: no file, no right, a full disk, a locked or damaged file are
 * all a -1 with SQLite's words; the file is closed then and opened again at
 * the next call.  A file of a newer layout is never touched.
 *
 * Source: sqlite.org, "C interface" and "Write-Ahead Logging".
 */

#include "store_sqlite.h"
#include "log.h"

#include <stdio.h>
#include <stdlib.h>

/* PRAGMA user_version of the tables below; 1 had the sessions alone, 2 did not
 * have the state of users. */
#define LAYOUT 3

static const char create_sql[]
    = "CREATE TABLE IF NOT EXISTS sessions ("
      "  sessionId TEXT PRIMARY KEY NOT NULL,"
      "  userA TEXT NOT NULL,"
      "  userB TEXT NOT NULL,"
      "  startTime INTEGER NOT NULL,"
      "  endTime INTEGER NOT NULL,"
      "  duration INTEGER NOT NULL,"
      "  expiresAt INTEGER NOT NULL"
      ") WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS sessions_a ON sessions (userA, startTime);"
      "CREATE INDEX IF NOT EXISTS sessions_b ON sessions (userB, startTime);"
      "CREATE INDEX IF NOT EXISTS sessions_expiry ON sessions (expiresAt);"
      "CREATE TABLE IF NOT EXISTS users ("
      "  userId TEXT PRIMARY KEY NOT NULL,"
      "  pool TEXT NOT NULL,"
      "  points INTEGER NOT NULL DEFAULT 0,"
      "  pointsLeft INTEGER NOT NULL DEFAULT 0,"
      "  pointsSpent INTEGER NOT NULL DEFAULT 0,"
      "  windowEndsAt INTEGER NOT NULL DEFAULT 0,"
      "  lastSessionTimestamp INTEGER NOT NULL DEFAULT 0,"
      "  isWaitingInQueue INTEGER NOT NULL DEFAULT 0,"
      "  bannedUntil INTEGER NOT NULL DEFAULT 0,"
      "  version INTEGER NOT NULL DEFAULT 0,"
      "  state TEXT NOT NULL DEFAULT 'idle'"
      ") WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS blocked ("
      "  userId TEXT NOT NULL,"
      "  blocked TEXT NOT NULL,"
      "  PRIMARY KEY (userId, blocked)"
      ") WITHOUT ROWID;"
      "CREATE TABLE IF NOT EXISTS reports ("
      "  sessionId TEXT NOT NULL,"
      "  reporter TEXT NOT NULL,"
      "  reported TEXT NOT NULL,"
      "  reason TEXT NOT NULL,"
      "  pool TEXT NOT NULL,"
      "  at INTEGER NOT NULL,"
      "  expiresAt INTEGER NOT NULL,"
      "  PRIMARY KEY (sessionId, reporter)"
      ") WITHOUT ROWID;"
      "CREATE INDEX IF NOT EXISTS reports_expiry ON reports (expiresAt);"
      "PRAGMA user_version = 3;"
      "COMMIT;";

static const char alter_sql[]
    = "ALTER TABLE users ADD COLUMN state TEXT NOT NULL DEFAULT 'idle';"
      "UPDATE users SET state = 'waiting' WHERE isWaitingInQueue;"
      "PRAGMA user_version = 3;"
      "COMMIT;";

static const char count_sql[] = "SELECT count(*) FROM sessions";

static const char *const expire_sql[] = {
    "DELETE FROM sessions WHERE expiresAt <= ?1",
    "DELETE FROM reports WHERE expiresAt <= ?1",
};


static void
close_file(convo_store_sqlite_t *self)
{
    sqlite3_close(self->db);
    self->db = NULL;
}


int
convo_store_sqlite_fail(convo_store_sqlite_t *self, const char *what)
{
    snprintf(self->store.error, CONVO_STORE_ERROR, "%s: %.200s", what,
             self->db != NULL ? sqlite3_errmsg(self->db) : "out of memory");
    close_file(self);

    return -1;
}


int
convo_store_sqlite_run(convo_store_sqlite_t *self, const char *sql,
                       const char *what)
{
    return sqlite3_exec(self->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : convo_store_sqlite_fail(self, what);
}


/* The one integer that a statement answers, or -1. */
static int64_t
query_integer(convo_store_sqlite_t *self, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;

    if (sqlite3_prepare_v2(self->db, sql, -1, &statement, NULL) == SQLITE_OK
        && sqlite3_step(statement) == SQLITE_ROW)
    {
        value = sqlite3_column_int64(statement, 0);
    }

    sqlite3_finalize(statement);

    return value;
}


/* The layout, at most ours, or -1: it cannot be used. */
static int
check_layout(convo_store_sqlite_t *self)
{
    int64_t layout = query_integer(self, "PRAGMA user_version");

    if (layout < 0) {
        return convo_store_sqlite_fail(self, "reading it");
    }

    if (layout > LAYOUT) {
        close_file(self);
        snprintf(self->store.error, CONVO_STORE_ERROR,
                 "its layout %d is newer than this worker's", (int) layout);
        return -1;
    }

    return (int) layout;
}


/* Looked at again under the lock: another worker may have been faster, and of
 * a newer release. */
static int
prepare_layout(convo_store_sqlite_t *self)
{
    int layout = check_layout(self);

    if (layout < 0 || layout == LAYOUT) {
        return layout < 0 ? -1 : 0;
    }

    if (convo_store_sqlite_run(self, "BEGIN IMMEDIATE", "making tables") != 0) {
        return -1;
    }

    layout = check_layout(self);

    if (layout < 0) {
        return -1;
    }

    return convo_store_sqlite_run(self,
                                  layout == LAYOUT       ? "COMMIT"
                                  : layout == LAYOUT - 1 ? alter_sql
                                                         : create_sql,
                                  "making tables");
}


int
convo_store_sqlite_open(convo_store_sqlite_t *self)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                | SQLITE_OPEN_NOMUTEX;

    if (self->db != NULL) {
        return 0;
    }

    if (sqlite3_open_v2(self->path, &self->db, flags, NULL) != SQLITE_OK) {
        return convo_store_sqlite_fail(self, "opening it");
    }

    sqlite3_busy_timeout(self->db, CONVO_SQLITE_BUSY_MS);

    if (convo_store_sqlite_run(self,
                               "PRAGMA journal_mode = WAL;"
                               "PRAGMA synchronous = FULL",
                               "opening it")
        != 0)
    {
        return -1;
    }

    return prepare_layout(self);
}


/* --- the functions of a store --- */

static int
init(convo_store_t *store)
{
    return convo_store_sqlite_open((convo_store_sqlite_t *) store);
}


static int64_t
count(convo_store_t *store)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;
    int64_t sessions;

    if (convo_store_sqlite_open(self) != 0) {
        return -1;
    }

    sessions = query_integer(self, count_sql);

    return sessions >= 0 ? sessions
                         : convo_store_sqlite_fail(self, "counting");
}


/* How many rows the statement deleted, or -1. */
static int64_t
expire_with(convo_store_sqlite_t *self, const char *sql, int64_t now_s)
{
    sqlite3_stmt *statement = NULL;
    int good;

    good = sqlite3_prepare_v2(self->db, sql, -1, &statement, NULL) == SQLITE_OK
           && sqlite3_bind_int64(statement, 1, now_s) == SQLITE_OK
           && sqlite3_step(statement) == SQLITE_DONE;

    sqlite3_finalize(statement);

    return good ? sqlite3_changes(self->db)
                : convo_store_sqlite_fail(self, "expiring");
}


static int64_t
expire(convo_store_t *store, int64_t now_s)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;
    int64_t all = 0;

    if (convo_store_sqlite_open(self) != 0) {
        return -1;
    }

    for (size_t i = 0; i < sizeof(expire_sql) / sizeof(expire_sql[0]); i++) {
        int64_t gone = expire_with(self, expire_sql[i], now_s);

        if (gone < 0) {
            return -1;
        }
        all += gone;
    }

    return all;
}


static void
close_store(convo_store_t *store)
{
    close_file((convo_store_sqlite_t *) store);
    free(store);
}


convo_store_t *
convo_store_sqlite_new(const char *path)
{
    convo_store_sqlite_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, "store", "out of memory");
        abort();
    }

    self->path = path;
    self->store.init = init;
    self->store.write = convo_store_sqlite_write;
    self->store.put_users = convo_store_sqlite_put_users;
    self->store.put_reports = convo_store_sqlite_put_reports;
    self->store.each_user = convo_store_sqlite_each_user;
    self->store.each_session = convo_store_sqlite_each_session;
    self->store.each_report = convo_store_sqlite_each_report;
    self->store.count = count;
    self->store.expire = expire;
    self->store.close = close_store;

    return &self->store;
}
