/*
 * The store in a file of SQLite: for one host, without a server.
 *
 * Write-ahead log with full synchronisation: a session that was written
 * survives a loss of power.  Several workers of the host share the file; a
 * writer waits for another for BUSY_MS and then says that it is busy.
 *
 * How it fails: no file, no right, a full disk, a locked or damaged file are
 * all a -1 with SQLite's words; the file is closed then and opened again at
 * the next call.  A file of a newer layout is never touched.
 *
 * Source: sqlite.org, "C interface" and "Write-Ahead Logging".
 */

#include "log.h"
#include "store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 2000

/* PRAGMA user_version of the tables below. */
#define LAYOUT 1

static const char create_sql[]
    = "BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS sessions ("
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
      "PRAGMA user_version = 1;"
      "COMMIT;";

static const char insert_sql[]
    = "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
      " ON CONFLICT (sessionId) DO NOTHING";

static const char count_sql[] = "SELECT count(*) FROM sessions";

static const char expire_sql[] = "DELETE FROM sessions WHERE expiresAt <= ?1";

typedef struct {
    convo_store_t store; /* first: a store is one of these */
    const char *path;
    sqlite3 *db; /* NULL: not open */
} sqlite_store_t;


static void
close_file(sqlite_store_t *self)
{
    sqlite3_close(self->db);
    self->db = NULL;
}


/* Keeps SQLite's words and closes the file. */
static int
fail(sqlite_store_t *self, const char *what)
{
    snprintf(self->store.error, CONVO_STORE_ERROR, "%s: %.200s", what,
             self->db != NULL ? sqlite3_errmsg(self->db) : "out of memory");
    close_file(self);

    return -1;
}


static int
execute(sqlite_store_t *self, const char *sql, const char *what)
{
    return sqlite3_exec(self->db, sql, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : fail(self, what);
}


/* The one integer that a statement answers, or -1. */
static int64_t
query_integer(sqlite_store_t *self, const char *sql)
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


static int
prepare_layout(sqlite_store_t *self)
{
    int64_t layout = query_integer(self, "PRAGMA user_version");

    if (layout < 0) {
        return fail(self, "reading it");
    }

    if (layout > LAYOUT) {
        close_file(self);
        snprintf(self->store.error, CONVO_STORE_ERROR,
                 "its layout %d is newer than this worker's", (int) layout);
        return -1;
    }

    return layout == LAYOUT ? 0 : execute(self, create_sql, "making tables");
}


static int
open_file(sqlite_store_t *self)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
                | SQLITE_OPEN_NOMUTEX;

    if (self->db != NULL) {
        return 0;
    }

    if (sqlite3_open_v2(self->path, &self->db, flags, NULL) != SQLITE_OK) {
        return fail(self, "opening it");
    }

    sqlite3_busy_timeout(self->db, BUSY_MS);

    if (execute(self, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
                "opening it")
        != 0)
    {
        return -1;
    }

    return prepare_layout(self);
}


/* --- the functions of a store --- */

static int
bind_session(sqlite3_stmt *statement, const convo_store_session_t *session)
{
    int rc = sqlite3_bind_text(statement, 1, session->session_id, -1,
                               SQLITE_STATIC);

    rc |= sqlite3_bind_text(statement, 2, session->user_a, -1, SQLITE_STATIC);
    rc |= sqlite3_bind_text(statement, 3, session->user_b, -1, SQLITE_STATIC);
    rc |= sqlite3_bind_int64(statement, 4, session->start_time);
    rc |= sqlite3_bind_int64(statement, 5, session->end_time);
    rc |= sqlite3_bind_int64(statement, 6, session->duration);
    rc |= sqlite3_bind_int64(statement, 7, session->expires_at);

    return rc == SQLITE_OK ? 0 : -1;
}


static int
insert_all(sqlite_store_t *self, const convo_store_session_t *sessions,
           size_t n)
{
    sqlite3_stmt *statement = NULL;
    int good;

    good = sqlite3_prepare_v2(self->db, insert_sql, -1, &statement, NULL)
           == SQLITE_OK;

    for (size_t i = 0; good && i < n; i++) {
        good = bind_session(statement, &sessions[i]) == 0
               && sqlite3_step(statement) == SQLITE_DONE
               && sqlite3_reset(statement) == SQLITE_OK;
    }

    sqlite3_finalize(statement);

    return good ? 0 : -1;
}


/* A failure closes the file, which takes the transaction back. */
static int
write_sessions(convo_store_t *store, const convo_store_session_t *sessions,
               size_t n)
{
    sqlite_store_t *self = (sqlite_store_t *) store;

    if (open_file(self) != 0
        || execute(self, "BEGIN IMMEDIATE", "writing") != 0)
    {
        return -1;
    }

    if (insert_all(self, sessions, n) != 0) {
        return fail(self, "writing");
    }

    return execute(self, "COMMIT", "writing");
}


static int64_t
count_sessions(convo_store_t *store)
{
    sqlite_store_t *self = (sqlite_store_t *) store;
    int64_t count;

    if (open_file(self) != 0) {
        return -1;
    }

    count = query_integer(self, count_sql);

    return count >= 0 ? count : fail(self, "counting");
}


static int64_t
expire_sessions(convo_store_t *store, int64_t now_s)
{
    sqlite_store_t *self = (sqlite_store_t *) store;
    sqlite3_stmt *statement = NULL;
    int good;

    if (open_file(self) != 0) {
        return -1;
    }

    good = sqlite3_prepare_v2(self->db, expire_sql, -1, &statement, NULL)
               == SQLITE_OK
           && sqlite3_bind_int64(statement, 1, now_s) == SQLITE_OK
           && sqlite3_step(statement) == SQLITE_DONE;

    sqlite3_finalize(statement);

    return good ? sqlite3_changes(self->db) : fail(self, "expiring");
}


static void
close_store(convo_store_t *store)
{
    close_file((sqlite_store_t *) store);
    free(store);
}


convo_store_t *
convo_store_sqlite_new(const char *path)
{
    sqlite_store_t *self = calloc(1, sizeof(*self));

    if (self == NULL) {
        convo_log(CONVO_LOG_ERROR, "store", "out of memory");
        abort();
    }

    self->path = path;
    self->store.write = write_sessions;
    self->store.count = count_sessions;
    self->store.expire = expire_sessions;
    self->store.close = close_store;

    return &self->store;
}
