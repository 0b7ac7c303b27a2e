/* Snapshots of the live database, and the integrity check. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/disk.h"
#include "base/flush.h"
#include "store/sqlite_query.h"

#define SNAPSHOT_PATH  (SQLITE_PATH_MAX + 16)
#define PAGES_PER_STEP 256 /* 1 MiB: a millisecond or two */
#define RESTARTS_MAX   16

/* Source is the writer's own connection: SQLite then carries what is committed
 * between two steps over into what was copied already, so the copy neither
 * starts over nor keeps the write-ahead log from being carried away. Only a
 * rollback, which is rare, makes it start over. */
struct sqlite_copy {
    sqlite3 *to;
    sqlite3_backup *backup;
    int fd; /* of the same file, for flushing */
    uint64_t flushed;
    int left; /* pages */
    unsigned restarts;
    char temp[SNAPSHOT_PATH], path[SNAPSHOT_PATH];
};

static void
name_files(const struct sqlite *s, char temp[SNAPSHOT_PATH],
           char path[SNAPSHOT_PATH])
{
    (void)snprintf(temp, SNAPSHOT_PATH, "%s.backup.new", s->path);
    (void)snprintf(path, SNAPSHOT_PATH, "%s.backup", s->path);
}

void
sqlite_backup_tidy(const struct sqlite *s)
{
    char temp[SNAPSHOT_PATH], path[SNAPSHOT_PATH];

    name_files(s, temp, path);
    (void)unlink(temp); /* if it stays, the next one says so */
}

/* Everything but the files. */
static void
copy_free(struct sqlite_copy *copy)
{
    (void)sqlite3_backup_finish(copy->backup);
    (void)sqlite3_close(copy->to);
    if (copy->fd >= 0)
        (void)close(copy->fd);
    free(copy);
}

BV_AUTO_DEFINE(copy, struct sqlite_copy, copy_free)

static enum bv_err
make_file(struct sqlite_copy *copy)
{
    if (unlink(copy->temp) != 0 && errno != ENOENT)
        return BV_E_IO;
    copy->fd = open(copy->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (copy->fd >= 0)
        return BV_OK;
    return disk_error();
}

/* No journal and no syncing by SQLite: until it is whole, synced by us and
 * renamed, the file is nothing. */
static enum bv_err
open_copy(const struct sqlite *s, struct sqlite_copy *copy)
{
    int rc = sqlite3_open_v2(copy->temp, &copy->to,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_exec(copy->to,
                          "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                          "PRAGMA cache_size = -512",
                          NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sqlite_query_err(copy->to, rc);
    copy->backup = sqlite3_backup_init(copy->to, "main", s->db, "main");
    if (copy->backup == NULL)
        return sqlite_query_err(copy->to, sqlite3_errcode(copy->to));
    return BV_OK;
}

static enum bv_err
snapshot_start(void *ctx)
{
    struct sqlite *s = ctx;

    if (s->in_transaction)
        return BV_E_USAGE;
    if (s->copy != NULL)
        return BV_E_BUSY;
    bv_auto(copy) struct sqlite_copy *copy = calloc(1, sizeof(*copy));
    if (copy == NULL)
        return BV_E_NO_MEMORY;
    copy->fd = -1;
    name_files(s, copy->temp, copy->path);
    BV_TRY(make_file(copy));
    enum bv_err err = open_copy(s, copy);
    if (err != BV_OK) {
        (void)unlink(copy->temp);
        return err;
    }
    s->copy = BV_STEAL(copy);
    return BV_OK;
}

void
sqlite_backup_stop(struct sqlite *s)
{
    if (s->copy == NULL)
        return;
    (void)unlink(s->copy->temp);
    copy_free(s->copy);
    s->copy = NULL;
}

static void
snapshot_stop(void *ctx)
{
    sqlite_backup_stop(ctx);
}

static enum bv_err
put_in_place(const struct sqlite_copy *copy)
{
    if (fsync(copy->fd) != 0)
        return disk_error();
    return disk_rename(copy->temp, copy->path);
}

static enum bv_err
finish(struct sqlite_copy *copy)
{
    int rc = sqlite3_backup_finish(copy->backup);

    copy->backup = NULL;
    if (rc != SQLITE_OK)
        return sqlite_query_err(copy->to, rc);
    rc = sqlite3_close(copy->to);
    copy->to = NULL;
    return rc == SQLITE_OK ? put_in_place(copy) : BV_E_IO;
}

static void
flush(struct sqlite_copy *copy)
{
    struct stat st;

    if (fstat(copy->fd, &st) != 0 || (uint64_t)st.st_size <= copy->flushed)
        return;
    flush_piece(copy->fd, copy->flushed, (uint64_t)st.st_size);
    copy->flushed = (uint64_t)st.st_size;
}

/* A database that fails over and over is not copied for ever. */
static enum bv_err
count_restarts(struct sqlite_copy *copy)
{
    int left = sqlite3_backup_remaining(copy->backup);
    /* what grew at the end in one step is less than what was copied */
    if (copy->left != 0 && left >= copy->left)
        copy->restarts++;
    copy->left = left;
    return copy->restarts > RESTARTS_MAX ? BV_E_BUSY : BV_OK;
}

static enum bv_err
step(struct sqlite_copy *copy, bool *ret_more)
{
    int rc = sqlite3_backup_step(copy->backup, PAGES_PER_STEP);

    *ret_more = rc != SQLITE_DONE;
    if (rc == SQLITE_DONE)
        return finish(copy);
    /* busy: someone else reads or recovers; the next step tries again */
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        return sqlite_query_err(copy->to, rc);
    flush(copy);
    return count_restarts(copy);
}

static enum bv_err
snapshot_step(void *ctx, bool *ret_more)
{
    struct sqlite *s = ctx;

    if (s->copy == NULL || s->in_transaction)
        return BV_E_USAGE;
    enum bv_err err = step(s->copy, ret_more);
    if (err == BV_OK && *ret_more)
        return BV_OK;
    if (err != BV_OK)
        (void)unlink(s->copy->temp);
    copy_free(s->copy);
    s->copy = NULL;
    return err;
}

static enum bv_err
snapshot_drop(void *ctx)
{
    char temp[SNAPSHOT_PATH], path[SNAPSHOT_PATH];

    name_files(ctx, temp, path);
    return unlink(path) == 0 || errno == ENOENT ? BV_OK : BV_E_IO;
}

void
sqlite_backup_fill(struct store *store)
{
    store->snapshot_start = snapshot_start;
    store->snapshot_step = snapshot_step;
    store->snapshot_stop = snapshot_stop;
    store->snapshot_drop = snapshot_drop;
}
