/*
 * The SQLite store's own: what its files share.  The store is opened, made
 * and emptied in store_sqlite.c, written in store_sqlite_write.c and read in
 * store_sqlite_read.c.
 */

#ifndef CONVO_STORE_SQLITE_H
#define CONVO_STORE_SQLITE_H

#include "store.h"

#include <sqlite3.h>

typedef struct {
    convo_store_t store; /* first: a store is one of these */
    const char *path;
    sqlite3 *db; /* NULL: not open */
} convo_store_sqlite_t;

/* Opens the file unless it is, and makes its tables.  0 or -1. */
int convo_store_sqlite_open(convo_store_sqlite_t *self);

/* Keeps SQLite's words, with what was being done, and closes the file, which
 * takes an open transaction back; statements are finalized before.  -1. */
int convo_store_sqlite_fail(convo_store_sqlite_t *self, const char *what);

/* Runs statements without answers on the open file.  0 or -1. */
int convo_store_sqlite_run(convo_store_sqlite_t *self, const char *sql,
                           const char *what);

/* Those functions of a store. */
int convo_store_sqlite_write(convo_store_t *store,
                             const convo_store_session_t *sessions, size_t n,
                             char *refused);
int convo_store_sqlite_put_users(convo_store_t *store,
                                 const convo_store_user_t *users, size_t n,
                                 char *refused);
int convo_store_sqlite_put_reports(convo_store_t *store,
                                   const convo_store_report_t *reports,
                                   size_t n, char *refused);
int convo_store_sqlite_each_user(convo_store_t *store, const char *after,
                                 convo_store_user_pt told, void *data);
int convo_store_sqlite_each_session(convo_store_t *store, const char *after,
                                    int64_t since_s, int64_t now_s,
                                    convo_store_session_pt told, void *data);
int convo_store_sqlite_each_report(convo_store_t *store, int64_t since_s,
                                   int64_t now_s, convo_store_report_pt told,
                                   void *data);

#endif /* CONVO_STORE_SQLITE_H */
