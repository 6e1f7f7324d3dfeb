/*
 * Reading the SQLite store.  What is told comes row by row out of a running
 * statement, which sees the file as it was when it began; others go on
 * writing meanwhile.
 *
 * How it fails: a row that is rubbish is left out and told in the log.
 */

#include "store_sqlite.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

static const char users_sql[]
    = "SELECT userId, pool, points, pointsLeft, pointsSpent, windowEndsAt,"
      " lastSessionTimestamp, isWaitingInQueue, bannedUntil, version, state"
      " FROM users WHERE userId > ?1 ORDER BY userId";

static const char blocked_sql[]
    = "SELECT blocked FROM blocked WHERE userId = ?1";

static const char sessions_sql[]
    = "SELECT * FROM sessions WHERE sessionId > ?1 AND endTime >= ?2"
      " AND expiresAt > ?3 ORDER BY sessionId";

static const char reports_sql[]
    = "SELECT * FROM reports WHERE at >= ?1 AND expiresAt > ?2 ORDER BY at";

/* The texts of one user's blocks: grows, and is used for all users. */
typedef struct {
    char **text;
    size_t n;
    size_t room;
} texts_t;


/* --- rows --- */

/* 0, or -1 when the column is no text that fits. */
static int
take_text(sqlite3_stmt *row, int column, char *out, size_t max)
{
    const unsigned char *text = sqlite3_column_text(row, column);
    int len = sqlite3_column_bytes(row, column);

    if (text == NULL || (size_t) len > max
        || memchr(text, '\0', (size_t) len) != NULL)
    {
        return -1;
    }

    memcpy(out, text, (size_t) len);
    out[len] = '\0';

    return 0;
}


static int
take_session(sqlite3_stmt *row, convo_store_session_t *session)
{
    if (take_text(row, 0, session->session_id, CONVO_SID_LEN) != 0
        || take_text(row, 1, session->user_a, CONVO_USER_MAX) != 0
        || take_text(row, 2, session->user_b, CONVO_USER_MAX) != 0)
    {
        return -1;
    }

    session->start_time = sqlite3_column_int64(row, 3);
    session->end_time = sqlite3_column_int64(row, 4);
    session->duration = sqlite3_column_int64(row, 5);
    session->expires_at = sqlite3_column_int64(row, 6);

    return convo_store_session_is_good(session) ? 0 : -1;
}


static int
take_user(sqlite3_stmt *row, convo_store_user_t *user)
{
    if (take_text(row, 0, user->user_id, CONVO_USER_MAX) != 0
        || take_text(row, 1, user->pool, CONVO_POOL_MAX) != 0)
    {
        return -1;
    }

    user->points = sqlite3_column_int64(row, 2);
    user->points_left = sqlite3_column_int64(row, 3);
    user->spent = sqlite3_column_int64(row, 4);
    user->window_end = sqlite3_column_int64(row, 5);
    user->last_session = sqlite3_column_int64(row, 6);
    user->state = convo_store_state((const char *) sqlite3_column_text(row, 10),
                                    sqlite3_column_int64(row, 7) != 0);
    user->banned_until = sqlite3_column_int64(row, 8);
    user->version = sqlite3_column_int64(row, 9);

    return convo_store_user_is_good(user) ? 0 : -1;
}


static int
take_report(sqlite3_stmt *row, convo_store_report_t *report)
{
    if (take_text(row, 0, report->session_id, CONVO_SID_LEN) != 0
        || take_text(row, 1, report->reporter, CONVO_USER_MAX) != 0
        || take_text(row, 2, report->reported, CONVO_USER_MAX) != 0
        || take_text(row, 3, report->reason, CONVO_REASON_MAX) != 0
        || take_text(row, 4, report->pool, CONVO_POOL_MAX) != 0)
    {
        return -1;
    }

    report->at = sqlite3_column_int64(row, 5);
    report->expires_at = sqlite3_column_int64(row, 6);

    return convo_store_report_is_good(report) ? 0 : -1;
}


static void
tell_rubbish(const char *what)
{
    convo_log(CONVO_LOG_ERROR, "store", "a row that is no %s is left out",
              what);
}


/* --- statements --- */

static int
prepare(convo_store_sqlite_t *self, const char *sql, sqlite3_stmt **statement)
{
    *statement = NULL;

    if (convo_store_sqlite_open(self) != 0) {
        return -1;
    }

    return sqlite3_prepare_v2(self->db, sql, -1, statement, NULL) == SQLITE_OK
               ? 0
               : convo_store_sqlite_fail(self, "reading");
}


/* The last one that was told as the first parameter; "" stands before all. */
static int
bind_after(sqlite3_stmt *statement, const char *after)
{
    return sqlite3_bind_text(statement, 1, after != NULL ? after : "", -1,
                             SQLITE_STATIC);
}


/* Ends a statement whose last step was rc. */
static int
finish(convo_store_sqlite_t *self, sqlite3_stmt *statement, int rc)
{
    sqlite3_finalize(statement);

    return rc == SQLITE_DONE || rc == SQLITE_ROW
               ? 0
               : convo_store_sqlite_fail(self, "reading");
}


/* --- users --- */

static void
add_text(texts_t *texts, const char *text)
{
    if (texts->n == texts->room) {
        texts->room = texts->room * 2 + 8;
        texts->text = realloc(texts->text,
                              texts->room * sizeof(texts->text[0]));
    }

    if (texts->text == NULL || (texts->text[texts->n] = strdup(text)) == NULL)
    {
        convo_log(CONVO_LOG_ERROR, "store", "out of memory");
        abort();
    }

    texts->n++;
}


static void
clear_texts(texts_t *texts)
{
    while (texts->n > 0) {
        free(texts->text[--texts->n]);
    }
}


/* What SQLite said last. */
static int
read_blocked(sqlite3_stmt *statement, const char *user_id, texts_t *texts)
{
    char blocked[CONVO_USER_MAX + 1];
    int rc;

    clear_texts(texts);
    sqlite3_reset(statement);
    sqlite3_bind_text(statement, 1, user_id, -1, SQLITE_STATIC);

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (take_text(statement, 0, blocked, CONVO_USER_MAX) == 0
            && blocked[0] != '\0')
        {
            add_text(texts, blocked);
        } else {
            tell_rubbish("block");
        }
    }

    return rc;
}


static int
tell_users(sqlite3_stmt *users, sqlite3_stmt *blocks, texts_t *texts,
           convo_store_user_pt told, void *data)
{
    convo_store_user_t user;
    int rc;

    while ((rc = sqlite3_step(users)) == SQLITE_ROW) {
        if (take_user(users, &user) != 0) {
            tell_rubbish("user");
            continue;
        }

        rc = read_blocked(blocks, user.user_id, texts);
        if (rc != SQLITE_DONE) {
            break;
        }

        if (told(data, &user, (const char *const *) texts->text, texts->n)) {
            break;
        }
    }

    return rc;
}


int
convo_store_sqlite_each_user(convo_store_t *store, const char *after,
                             convo_store_user_pt told, void *data)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;
    sqlite3_stmt *users, *blocks = NULL;
    texts_t texts = { 0 };
    int rc;

    if (prepare(self, users_sql, &users) != 0) {
        return -1;
    }

    bind_after(users, after);
    rc = sqlite3_prepare_v2(self->db, blocked_sql, -1, &blocks, NULL);

    if (rc == SQLITE_OK) {
        rc = tell_users(users, blocks, &texts, told, data);
    }

    sqlite3_finalize(blocks);
    clear_texts(&texts);
    free(texts.text);

    return finish(self, users, rc);
}


/* --- sessions and reports --- */

int
convo_store_sqlite_each_session(convo_store_t *store, const char *after,
                                int64_t since_s, int64_t now_s,
                                convo_store_session_pt told, void *data)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;
    convo_store_session_t session;
    sqlite3_stmt *statement;
    int rc;

    if (prepare(self, sessions_sql, &statement) != 0) {
        return -1;
    }

    bind_after(statement, after);
    sqlite3_bind_int64(statement, 2, since_s);
    sqlite3_bind_int64(statement, 3, now_s);

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (take_session(statement, &session) != 0) {
            tell_rubbish("session");
        } else if (told(data, &session)) {
            break;
        }
    }

    return finish(self, statement, rc);
}


int
convo_store_sqlite_each_report(convo_store_t *store, int64_t since_s,
                               int64_t now_s, convo_store_report_pt told,
                               void *data)
{
    convo_store_sqlite_t *self = (convo_store_sqlite_t *) store;
    convo_store_report_t report;
    sqlite3_stmt *statement;
    int rc;

    if (prepare(self, reports_sql, &statement) != 0) {
        return -1;
    }

    sqlite3_bind_int64(statement, 1, since_s);
    sqlite3_bind_int64(statement, 2, now_s);

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (take_report(statement, &report) != 0) {
            tell_rubbish("report");
        } else if (told(data, &report)) {
            break;
        }
    }

    return finish(self, statement, rc);
}
