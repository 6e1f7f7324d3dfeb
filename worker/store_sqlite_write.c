/*
 * Writing to the SQLite store: each batch is one transaction, so that it is
 * there whole or not at all; what is there already decides by the statement's
 * own words, not by a look before.
 *
 * How it fails: a failure closes the file, which takes the transaction back.
 */

#include "store_sqlite.h"

static const char session_sql[]
    = "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
      " ON CONFLICT (sessionId) DO NOTHING";

static const char user_sql[]
    = "INSERT INTO users SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11"
      " WHERE ?3 > 0"
      " ON CONFLICT (userId) DO UPDATE SET pool = excluded.pool,"
      " points = excluded.points, pointsLeft = excluded.pointsLeft,"
      " pointsSpent = excluded.pointsSpent,"
      " windowEndsAt = excluded.windowEndsAt,"
      " lastSessionTimestamp"
      " = max(excluded.lastSessionTimestamp, users.lastSessionTimestamp),"
      " isWaitingInQueue = excluded.isWaitingInQueue,"
      " bannedUntil = excluded.bannedUntil, version = excluded.version,"
      " state = excluded.state"
      " WHERE excluded.version > users.version OR users.points = 0";

/* Of who has not joined there is nothing to tell but the ban. */
static const char stranger_sql[]
    = "INSERT INTO users SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11"
      " WHERE ?3 = 0"
      " ON CONFLICT (userId) DO UPDATE SET"
      " bannedUntil = excluded.bannedUntil";

static const char report_sql[]
    = "INSERT INTO reports VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
      " ON CONFLICT (sessionId, reporter) DO NOTHING";

static const char known_sql[]
    = "INSERT INTO users (userId, pool) VALUES (?1, ?3), (?2, ?3)"
      " ON CONFLICT (userId) DO NOTHING";

static const char block_sql[]
    = "INSERT INTO blocked VALUES (?1, ?2), (?2, ?1)"
      " ON CONFLICT (userId, blocked) DO NOTHING";

/* Binds one record of many: SQLITE_OK or what SQLite says. */
typedef int (*bind_pt)(sqlite3_stmt *statement, const void *records,
                       size_t index);


static int
bind_text(sqlite3_stmt *statement, int index, const char *text)
{
    return sqlite3_bind_text(statement, index, text, -1, SQLITE_STATIC);
}


static int
bind_session(sqlite3_stmt *statement, const void *records, size_t index)
{
    const convo_store_session_t *session = records;
    int rc;

    session += index;
    rc = bind_text(statement, 1, session->session_id);
    rc |= bind_text(statement, 2, session->user_a);
    rc |= bind_text(statement, 3, session->user_b);
    rc |= sqlite3_bind_int64(statement, 4, session->start_time);
    rc |= sqlite3_bind_int64(statement, 5, session->end_time);
    rc |= sqlite3_bind_int64(statement, 6, session->duration);
    rc |= sqlite3_bind_int64(statement, 7, session->expires_at);

    return rc;
}


static int
bind_user(sqlite3_stmt *statement, const void *records, size_t index)
{
    const convo_store_user_t *user = records;
    int rc;

    user += index;
    rc = bind_text(statement, 1, user->user_id);
    rc |= bind_text(statement, 2, user->pool);
    rc |= sqlite3_bind_int64(statement, 3, user->points);
    rc |= sqlite3_bind_int64(statement, 4, user->points_left);
    rc |= sqlite3_bind_int64(statement, 5, user->spent);
    rc |= sqlite3_bind_int64(statement, 6, user->window_end);
    rc |= sqlite3_bind_int64(statement, 7, user->last_session);
    rc |= sqlite3_bind_int64(statement, 8, user->state == CONVO_USER_WAITING);
    rc |= sqlite3_bind_int64(statement, 9, user->banned_until);
    rc |= sqlite3_bind_int64(statement, 10, user->version);
    rc |= bind_text(statement, 11, convo_user_state_name(user->state));

    return rc;
}


static int
bind_report(sqlite3_stmt *statement, const void *records, size_t index)
{
    const convo_store_report_t *report = records;
    int rc;

    report += index;
    rc = bind_text(statement, 1, report->session_id);
    rc |= bind_text(statement, 2, report->reporter);
    rc |= bind_text(statement, 3, report->reported);
    rc |= bind_text(statement, 4, report->reason);
    rc |= bind_text(statement, 5, report->pool);
    rc |= sqlite3_bind_int64(statement, 6, report->at);
    rc |= sqlite3_bind_int64(statement, 7, report->expires_at);

    return rc;
}


/* The pair of a report, and its pool as a third where there is a place. */
static int
bind_pair(sqlite3_stmt *statement, const void *records, size_t index)
{
    const convo_store_report_t *report = records;
    int rc;

    report += index;
    rc = bind_text(statement, 1, report->reporter);
    rc |= bind_text(statement, 2, report->reported);

    if (sqlite3_bind_parameter_count(statement) > 2) {
        rc |= bind_text(statement, 3, report->pool);
    }

    return rc;
}


/* Runs the statement with each record, within the open transaction. */
static int
run_all(convo_store_sqlite_t *self, const char *sql, bind_pt bind,
        const void *records, size_t n)
{
    sqlite3_stmt *statement = NULL;
    int good;

    good = sqlite3_prepare_v2(self->db, sql, -1, &statement, NULL)
           == SQLITE_OK;

    for (size_t i = 0; good && i < n; i++) {
        good = bind(statement, records, i) == SQLITE_OK
               && sqlite3_step(statement) == SQLITE_DONE
               && sqlite3_reset(statement) == SQLITE_OK;
    }

    sqlite3_finalize(statement);

    return good ? 0 : convo_store_sqlite_fail(self, "writing");
}


static int
begin(convo_store_sqlite_t *self)
{
    return convo_store_sqlite_open(self) == 0
                   && convo_store_sqlite_run(self, "BEGIN IMMEDIATE",
                                             "writing")
                          == 0
               ? 0
               : -1;
}


static int
commit(convo_store_sqlite_t *self)
{
    return convo_store_sqlite_run(self, "COMMIT", "writing");
}


int
convo_store_sqlite_write(convo_store_t *store,
                         const convo_store_session_t *sessions, size_t n,
                         char *refused)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;

    (void) refused;

    if (begin(self) != 0
        || run_all(self, session_sql, bind_session, sessions, n) != 0)
    {
        return -1;
    }

    return commit(self);
}


int
convo_store_sqlite_put_users(convo_store_t *store,
                             const convo_store_user_t *users, size_t n,
                             char *refused)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;

    (void) refused;

    if (begin(self) != 0
        || run_all(self, user_sql, bind_user, users, n) != 0
        || run_all(self, stranger_sql, bind_user, users, n) != 0)
    {
        return -1;
    }

    return commit(self);
}


/* Both are users from then on, so that their blocks are told of them. */
int
convo_store_sqlite_put_reports(convo_store_t *store,
                               const convo_store_report_t *reports, size_t n,
                               char *refused)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;

    (void) refused;

    if (begin(self) != 0
        || run_all(self, report_sql, bind_report, reports, n) != 0
        || run_all(self, known_sql, bind_pair, reports, n) != 0
        || run_all(self, block_sql, bind_pair, reports, n) != 0)
    {
        return -1;
    }

    return commit(self);
}
