/* Is the file whole? At once, at a start; or read through afterwards, a piece
 * at a time, when it is so large that a start would be long. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "store/sqlite_query.h"

/* A millisecond or two, with what they bring along. */
#define ROWS_PER_STEP 256

/* Where the pages are. The rest is found damaged by who uses it: an index is no
 * more than that, and small tables are read all the time. */
static const char *const tables[] = {
    "cert",  "audit",   "device", "tile",       "request",
    "token", "pending", "change", "checkpoint", "issuer",
};
#define NUM_TABLES (sizeof(tables) / sizeof(tables[0]))

/* A connection of its own: the writer's cache keeps what requests need. */
struct sqlite_reading {
    sqlite3 *db;
    size_t table;
    int64_t after;
};

static void
reading_free(struct sqlite_reading *reading)
{
    if (reading != NULL)
        (void)sqlite3_close(reading->db);
    free(reading);
}

enum bv_err
sqlite_check_whole(sqlite3 *db, char *ret_problem, size_t cap)
{
    sqlite3_stmt *stmt = NULL;
    enum bv_err err = BV_E_CORRUPT;
    const char *found = "it cannot be read";

    int rc = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        found = (const char *)sqlite3_column_text(stmt, 0);
    else
        err = sqlite_query_err(db, rc);
    if (found != NULL && strcmp(found, "ok") == 0)
        err = BV_OK;
    else
        (void)snprintf(ret_problem, cap,
                       "the database is damaged (%.200s): stop, keep the file "
                       "for study, and put back the last backup with brevet "
                       "restore",
                       found == NULL ? "no memory" : found);
    (void)sqlite3_finalize(stmt);
    return err;
}

static enum bv_err
check(void *ctx, char *ret_problem, size_t cap)
{
    return sqlite_check_whole(((struct sqlite *)ctx)->db, ret_problem, cap);
}

/* --- reading through --- */

static enum bv_err
open_reading(struct sqlite_reading *r, const char *path)
{
    int rc = sqlite3_open_v2(path, &r->db,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(r->db,
                          "PRAGMA cache_size = -256;"
                          "PRAGMA cell_size_check = ON",
                          NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_query_err(r->db, rc);
    (void)sqlite3_extended_result_codes(r->db, 1);
    (void)sqlite3_busy_timeout(r->db, SQLITE_BUSY_MS);
    r->after = INT64_MIN;
    return BV_OK;
}

static enum bv_err
begin_reading(struct sqlite *s)
{
    struct sqlite_reading *reading = calloc(1, sizeof(*reading));
    enum bv_err err =
        reading != NULL ? open_reading(reading, s->path) : BV_E_NO_MEMORY;

    if (err != BV_OK)
        reading_free(reading);
    else
        s->reading = reading;
    return err;
}

/* The next rows with all they hold; fewer than were asked for are the last. */
static int
read_rows(struct sqlite_reading *r, int *ret_num)
{
    char sql[100];
    sqlite3_stmt *stmt = NULL;

    (void)snprintf(sql, sizeof(sql),
                   "SELECT rowid, * FROM %s WHERE rowid > ?1 ORDER BY rowid "
                   "LIMIT ?2",
                   tables[r->table]);
    int rc = sqlite3_prepare_v2(r->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, r->after);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int(stmt, 2, ROWS_PER_STEP);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    for (*ret_num = 0; rc == SQLITE_ROW; (*ret_num)++) {
        r->after = sqlite3_column_int64(stmt, 0);
        rc = sqlite3_step(stmt);
    }
    (void)sqlite3_finalize(stmt);
    return rc;
}

static enum bv_err
step(struct sqlite_reading *r, bool *ret_more)
{
    int num = 0;
    int rc = read_rows(r, &num);

    *ret_more = true;
    if (rc != SQLITE_DONE)
        return sqlite_query_err(r->db, rc);
    if (num == ROWS_PER_STEP)
        return BV_OK;
    r->after = INT64_MIN;
    *ret_more = ++r->table < NUM_TABLES;
    return BV_OK;
}

void
sqlite_check_stop(struct sqlite *s)
{
    reading_free(s->reading);
    s->reading = NULL;
    s->unread = false;
}

static enum bv_err
check_step(void *ctx, bool *ret_more)
{
    struct sqlite *s = ctx;

    *ret_more = false;
    if (!s->unread)
        return BV_OK;
    if (s->reading == NULL)
        BV_TRY(begin_reading(s));
    enum bv_err err = step(s->reading, ret_more);
    if (err != BV_OK || !*ret_more)
        sqlite_check_stop(s);
    return err;
}

/* --- doubt --- */

static void
name_doubt(const struct sqlite *s, char ret_path[SQLITE_PATH_MAX + 8])
{
    (void)snprintf(ret_path, SQLITE_PATH_MAX + 8, "%s.doubt", s->path);
}

static enum bv_err
doubt(void *ctx)
{
    char path[SQLITE_PATH_MAX + 8];

    name_doubt(ctx, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 && close(fd) == 0 ? BV_OK : BV_E_IO;
}

bool
sqlite_check_is_doubted(const struct sqlite *s)
{
    char path[SQLITE_PATH_MAX + 8];

    name_doubt(s, path);
    return access(path, F_OK) == 0;
}

void
sqlite_check_believe(const struct sqlite *s)
{
    char path[SQLITE_PATH_MAX + 8];

    name_doubt(s, path);
    (void)unlink(path); /* if it stays, the next start is long, too */
}

void
sqlite_check_fill(struct store *store)
{
    store->check = check;
    store->check_step = check_step;
    store->doubt = doubt;
}
