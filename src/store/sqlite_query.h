/* Private to store/sqlite*.c: the open database and its kept statements.
 *
 *     struct sqlite_query sqlite_auto q = {0};
 *     BV_TRY(sqlite_query_open(s, SQL_META_GET, &q));
 *     sqlite_query_text(&q, 1, key);
 *     BV_TRY(sqlite_query_row(&q, &got));
 *
 * A statement is prepared once and kept. While one is in use, a second user of
 * the same text (a row callback that calls the store again) gets a copy. Bind
 * errors are remembered and come out at the next row or run. */
#ifndef BV_STORE_SQLITE_QUERY_H
#define BV_STORE_SQLITE_QUERY_H

#include <sqlite3.h>

#include "store/store.h"

enum sqlite_sql {
#define SQL(name, text) SQL_##name,
#include "store/sqlite_sql.def"
#undef SQL
    SQL_COUNT_
};

/* Rows of the table counter. */
enum sqlite_counter {
    SQLITE_NEXT_SEQ,
    SQLITE_CERTS,
    SQLITE_REVOKED,
    SQLITE_DEVICES,
    SQLITE_TOKENS,
    SQLITE_PENDING,
    SQLITE_COUNTERS_
};

#define SQLITE_PATH_MAX 4096
#define SQLITE_BUSY_MS  5000 /* another process's recovery may hold us up */

struct sqlite_copy;    /* sqlite_backup.c */
struct sqlite_reading; /* sqlite_check.c */

struct sqlite {
    sqlite3 *db;
    sqlite3_stmt *kept[SQL_COUNT_];
    char path[SQLITE_PATH_MAX];
    int lock_fd; /* -1: read-only */
    bool in_transaction;
    int wal_frames;                    /* in the log after the last commit */
    int wal_pages;                     /* when to carry it over */
    int64_t counter[SQLITE_COUNTERS_]; /* committed */
    int64_t delta[SQLITE_COUNTERS_];   /* of the open transaction */
    struct sqlite_copy *copy;          /* the snapshot under way */
    bool unread;                       /* the start left the check out */
    struct sqlite_reading *reading;    /* it is made up for */
};

struct sqlite_query {
    struct sqlite *s;
    enum sqlite_sql sql;
    sqlite3_stmt *stmt;
    int bind_error;
};

#define sqlite_auto __attribute__((cleanup(sqlite_query_done)))

/* sqlite_query_open readies a statement; sqlite_query_write also demands an
 * open transaction (USAGE). */
enum bv_err sqlite_query_open(struct sqlite *s, enum sqlite_sql sql,
                              struct sqlite_query *ret_query) BV_CHECKED;
enum bv_err sqlite_query_write(struct sqlite *s, enum sqlite_sql sql,
                               struct sqlite_query *ret_query) BV_CHECKED;
void sqlite_query_done(struct sqlite_query *query);
/* sqlite_query_forget finalizes every kept statement. */
void sqlite_query_forget(struct sqlite *s);

/* Parameters count from 1, columns from 0. Text and octets are not copied:
 * they must live until the statement has run. */
void sqlite_query_int(struct sqlite_query *query, int param, int64_t n);
/* ... NULL when n is the given value */
void sqlite_query_int_or_null(struct sqlite_query *query, int param, int64_t n,
                              int64_t null);
void sqlite_query_text(struct sqlite_query *query, int param, const char *text);
void sqlite_query_blob(struct sqlite_query *query, int param, struct span b);

/* sqlite_query_row steps; *ret_got false at the end. */
enum bv_err sqlite_query_row(struct sqlite_query *query,
                             bool *ret_got) BV_CHECKED;
/* sqlite_query_one: NOT_FOUND unless there is a row. */
enum bv_err sqlite_query_one(struct sqlite_query *query) BV_CHECKED;
/* sqlite_query_run steps a statement that returns nothing. */
enum bv_err sqlite_query_run(struct sqlite_query *query) BV_CHECKED;
/* sqlite_query_change: run, and NOT_FOUND when no row was touched. */
enum bv_err sqlite_query_change(struct sqlite_query *query) BV_CHECKED;

int64_t sqlite_query_get_int(struct sqlite_query *query, int column);
struct span sqlite_query_get_blob(struct sqlite_query *query, int column);
/* sqlite_query_get_text: CORRUPT when it does not fit. */
enum bv_err sqlite_query_get_text(struct sqlite_query *query, int column,
                                  char *ret_text, size_t cap) BV_CHECKED;

/* sqlite_query_err says what an SQLite result code means to the store. */
enum bv_err sqlite_query_err(sqlite3 *db, int rc);

/* Each file fills in its part of the store. */
void sqlite_fill(struct store *store);
void sqlite_audit_fill(struct store *store);
void sqlite_backup_fill(struct store *store);
void sqlite_cert_fill(struct store *store);
void sqlite_check_fill(struct store *store);
void sqlite_device_fill(struct store *store);
void sqlite_status_fill(struct store *store);
void sqlite_token_fill(struct store *store);
void sqlite_walk_fill(struct store *store);

/* sqlite_counters_load reads the table counter (sqlite.c). */
enum bv_err sqlite_counters_load(struct sqlite *s) BV_CHECKED;
/* sqlite_check_whole runs PRAGMA quick_check; sqlite_check_stop gives up a
 * reading through; sqlite_check_is_doubted: doubt was called since
 * sqlite_check_believe (sqlite_check.c). */
enum bv_err sqlite_check_whole(sqlite3 *db, char *ret_problem,
                               size_t cap) BV_CHECKED;
void sqlite_check_stop(struct sqlite *s);
bool sqlite_check_is_doubted(const struct sqlite *s);
void sqlite_check_believe(const struct sqlite *s);
/* sqlite_backup_stop gives up a snapshot that is under way;
 * sqlite_backup_tidy removes what a killed snapshot left. */
void sqlite_backup_stop(struct sqlite *s);
void sqlite_backup_tidy(const struct sqlite *s);
/* sqlite_open_migrate brings db from its user_version to num_steps in one
 * transaction. UNSUPPORTED when it is newer (sqlite_open.c). */
enum bv_err sqlite_open_migrate(sqlite3 *db, const char *const *steps,
                                unsigned num_steps, char *ret_problem,
                                size_t cap) BV_CHECKED;

#endif
