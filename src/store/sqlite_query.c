#include "store/sqlite_query.h"

#include <errno.h>
#include <string.h>

static const char *const sql_text[SQL_COUNT_] = {
#define SQL(name, text) [SQL_##name] = text,
#include "store/sqlite_sql.def"
#undef SQL
};

static bool
is_full(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* A file system may say "no room" in its own words (quota, size limit) and
 * SQLite passes that on as an I/O error; errno is kept per file. */
static enum bv_err
io_err(sqlite3 *db)
{
    sqlite3_file *log = NULL;
    int in_db = 0, in_log = 0;

    if (db == NULL)
        return BV_E_IO;
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &in_db);
    (void)sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log != NULL && log->pMethods != NULL)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO,
                                          &in_log);
    if (is_full(sqlite3_system_errno(db)) || is_full(in_db) || is_full(in_log))
        return BV_E_DISK_FULL;
    return BV_E_IO;
}

enum bv_err
sqlite_query_err(sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return BV_OK;
    case SQLITE_FULL:
        return BV_E_DISK_FULL;
    case SQLITE_IOERR:
        return rc == SQLITE_IOERR_NOMEM ? BV_E_NO_MEMORY : io_err(db);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return BV_E_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return BV_E_CORRUPT;
    case SQLITE_CONSTRAINT:
        return BV_E_CONFLICT;
    case SQLITE_NOMEM:
        return BV_E_NO_MEMORY;
    case SQLITE_TOOBIG:
        return BV_E_TOO_LARGE;
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return BV_E_USAGE;
    default: /* READONLY, PERM, CANTOPEN, PROTOCOL, a missing table … */
        return io_err(db);
    }
}

enum bv_err
sqlite_query_open(struct sqlite *s, enum sqlite_sql sql,
                  struct sqlite_query *ret_query)
{
    sqlite3_stmt *stmt = s->kept[sql];

    *ret_query = (struct sqlite_query){.s = s, .sql = sql};
    if (stmt == NULL) {
        int rc = sqlite3_prepare_v3(s->db, sql_text[sql], -1,
                                    SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
        if (rc != SQLITE_OK)
            return sqlite_query_err(s->db, rc);
    }
    s->kept[sql] = NULL;
    ret_query->stmt = stmt;
    return BV_OK;
}

enum bv_err
sqlite_query_write(struct sqlite *s, enum sqlite_sql sql,
                   struct sqlite_query *ret_query)
{
    *ret_query = (struct sqlite_query){0};
    if (!s->in_transaction)
        return BV_E_USAGE;
    /* An error, even of a read, may have made SQLite roll back by itself: what
     * is written now would stand alone. */
    if (sqlite3_get_autocommit(s->db) != 0)
        return BV_E_IO;
    return sqlite_query_open(s, sql, ret_query);
}

void
sqlite_query_done(struct sqlite_query *query)
{
    if (query->stmt == NULL)
        return;
    (void)sqlite3_reset(query->stmt); /* its error was already returned */
    (void)sqlite3_clear_bindings(query->stmt);
    if (query->s->kept[query->sql] == NULL)
        query->s->kept[query->sql] = query->stmt;
    else
        (void)sqlite3_finalize(query->stmt);
    query->stmt = NULL;
}

void
sqlite_query_forget(struct sqlite *s)
{
    for (size_t i = 0; i < SQL_COUNT_; i++) {
        (void)sqlite3_finalize(s->kept[i]);
        s->kept[i] = NULL;
    }
}

static void
note_bind(struct sqlite_query *query, int rc)
{
    if (rc != SQLITE_OK)
        query->bind_error = rc;
}

void
sqlite_query_int(struct sqlite_query *query, int param, int64_t n)
{
    note_bind(query, sqlite3_bind_int64(query->stmt, param, n));
}

void
sqlite_query_int_or_null(struct sqlite_query *query, int param, int64_t n,
                         int64_t null)
{
    if (n != null)
        sqlite_query_int(query, param, n);
}

void
sqlite_query_text(struct sqlite_query *query, int param, const char *text)
{
    note_bind(query,
              sqlite3_bind_text(query->stmt, param, text, -1, SQLITE_STATIC));
}

void
sqlite_query_blob(struct sqlite_query *query, int param, struct span b)
{
    /* a NULL pointer would bind NULL, an empty blob is meant */
    const void *data = b.data == NULL ? (const void *)"" : b.data;
    note_bind(query, sqlite3_bind_blob64(query->stmt, param, data, b.len,
                                         SQLITE_STATIC));
}

enum bv_err
sqlite_query_row(struct sqlite_query *query, bool *ret_got)
{
    if (query->bind_error != SQLITE_OK)
        return sqlite_query_err(NULL, query->bind_error);

    int rc = sqlite3_step(query->stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_query_err(query->s->db, rc);
    *ret_got = rc == SQLITE_ROW;
    return BV_OK;
}

enum bv_err
sqlite_query_one(struct sqlite_query *query)
{
    bool got = false;
    BV_TRY(sqlite_query_row(query, &got));
    return got ? BV_OK : BV_E_NOT_FOUND;
}

enum bv_err
sqlite_query_run(struct sqlite_query *query)
{
    bool got;
    return sqlite_query_row(query, &got);
}

enum bv_err
sqlite_query_change(struct sqlite_query *query)
{
    BV_TRY(sqlite_query_run(query));
    return sqlite3_changes(query->s->db) > 0 ? BV_OK : BV_E_NOT_FOUND;
}

int64_t
sqlite_query_get_int(struct sqlite_query *query, int column)
{
    return sqlite3_column_int64(query->stmt, column);
}

struct span
sqlite_query_get_blob(struct sqlite_query *query, int column)
{
    const void *data = sqlite3_column_blob(query->stmt, column);
    return span_of(data, (size_t)sqlite3_column_bytes(query->stmt, column));
}

enum bv_err
sqlite_query_get_text(struct sqlite_query *query, int column, char *ret_text,
                      size_t cap)
{
    const unsigned char *text = sqlite3_column_text(query->stmt, column);
    size_t len = (size_t)sqlite3_column_bytes(query->stmt, column);

    if (text == NULL || len >= cap || memchr(text, 0, len) != NULL)
        return BV_E_CORRUPT;
    memcpy(ret_text, text, len + 1);
    return BV_OK;
}
