/* Online backup and the integrity check. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "store/sqlite_query.h"

#define SNAPSHOT_PATH  (SQLITE_PATH_MAX + 16)
#define PAGES_PER_STEP 1024 /* 4 MiB between two reports of progress */

BV_AUTO_DEFINE(sqlite3, sqlite3, (void)sqlite3_close)

/* A connection of its own that keeps one read transaction open: the copy is
 * the state of this moment, and the writer is never held up nor restarts it. */
static enum bv_err
open_snapshot(const struct sqlite *s, sqlite3 **ret_db)
{
    bv_auto(sqlite3) sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(s->path, &db, SQLITE_OPEN_READONLY, NULL);

    if (rc != SQLITE_OK)
        return sqlite_query_err(db, rc);
    (void)sqlite3_busy_timeout(db, 5000);
    rc = sqlite3_exec(db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL,
                      NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_query_err(db, rc);
    *ret_db = BV_STEAL(db);
    return BV_OK;
}

static enum bv_err
copy_pages(sqlite3_backup *copy, sqlite3 *to, store_progress_fn *progress,
           void *user)
{
    int rc;

    do {
        rc = sqlite3_backup_step(copy, PAGES_PER_STEP);
        if (rc != SQLITE_OK && rc != SQLITE_DONE)
            return sqlite_query_err(to, rc);
        uint64_t total = (uint64_t)sqlite3_backup_pagecount(copy);
        uint64_t left = (uint64_t)sqlite3_backup_remaining(copy);
        if (progress != NULL)
            BV_TRY(progress(user, total - left, total));
    } while (rc != SQLITE_DONE);
    return BV_OK;
}

static enum bv_err
copy_database(const struct sqlite *s, const char *path,
              store_progress_fn *progress, void *user)
{
    bv_auto(sqlite3) sqlite3 *from = NULL;
    bv_auto(sqlite3) sqlite3 *to = NULL;

    BV_TRY(open_snapshot(s, &from));
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE, NULL);
    if (rc != SQLITE_OK)
        return sqlite_query_err(to, rc);
    sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
    if (copy == NULL)
        return sqlite_query_err(to, sqlite3_errcode(to));
    enum bv_err err = copy_pages(copy, to, progress, user);
    rc = sqlite3_backup_finish(copy);
    if (err != BV_OK)
        return err;
    return sqlite_query_err(to, rc);
}

static enum bv_err
make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return access(path, F_OK) == 0 ? BV_E_CONFLICT : BV_E_IO;
    return close(fd) == 0 ? BV_OK : BV_E_IO;
}

static enum bv_err
backup(void *ctx, const char *path, store_progress_fn *progress, void *user)
{
    const struct sqlite *s = ctx;

    if (s->in_transaction)
        return BV_E_USAGE;
    BV_TRY(make_file(path));
    enum bv_err err = copy_database(s, path, progress, user);
    if (err != BV_OK)
        (void)unlink(path);
    return err;
}

static void
snapshot_paths(const struct sqlite *s, char temp[SNAPSHOT_PATH],
               char path[SNAPSHOT_PATH])
{
    (void)snprintf(temp, SNAPSHOT_PATH, "%s.backup.new", s->path);
    (void)snprintf(path, SNAPSHOT_PATH, "%s.backup", s->path);
}

static enum bv_err
snapshot(void *ctx)
{
    char temp[SNAPSHOT_PATH], path[SNAPSHOT_PATH];

    snapshot_paths(ctx, temp, path);
    if (unlink(temp) != 0 && errno != ENOENT) /* of one that was killed */
        return BV_E_IO;
    BV_TRY(backup(ctx, temp, NULL, NULL));
    if (rename(temp, path) == 0)
        return BV_OK;
    (void)unlink(temp);
    return BV_E_IO;
}

static enum bv_err
snapshot_drop(void *ctx)
{
    char temp[SNAPSHOT_PATH], path[SNAPSHOT_PATH];

    snapshot_paths(ctx, temp, path);
    return unlink(path) == 0 || errno == ENOENT ? BV_OK : BV_E_IO;
}

enum bv_err
sqlite_backup_check(sqlite3 *db, char *ret_problem, size_t cap)
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
    return sqlite_backup_check(((struct sqlite *)ctx)->db, ret_problem, cap);
}

void
sqlite_backup_fill(struct store *store)
{
    store->backup = backup;
    store->snapshot = snapshot;
    store->snapshot_drop = snapshot_drop;
    store->check = check;
}
