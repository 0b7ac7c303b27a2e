/* Opening: the owner's lock, the file, its schema, its health. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "store/sqlite.h"
#include "store/sqlite_query.h"
#include "store/sqlite_schema.h"

#define APPLICATION_ID 0x42525654 /* "BRVT" */
#define BOOT_ID        "/proc/sys/kernel/random/boot_id"

struct problem {
    char *text;
    size_t cap;
};

#define SAY(problem, ...)                                                      \
    ((void)snprintf((problem).text, (problem).cap, __VA_ARGS__))

/* The lock file outlives its owner; the lock does not. */
static enum bv_err
take_lock(struct sqlite *s, struct problem problem)
{
    char path[SQLITE_PATH_MAX + 8], pid[24] = "";

    (void)snprintf(path, sizeof(path), "%s.lock", s->path);
    bv_auto_close int fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        SAY(problem, "%s: %s%s", path, strerror(errno),
            errno == EROFS || errno == EACCES
                ? ": the database cannot be written; make its directory "
                  "writable for the user of core"
                : "");
        return errno == ENOSPC ? BV_E_DISK_FULL : BV_E_IO;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
        pid[n > 0 ? n : 0] = '\0';
        pid[strcspn(pid, "\n")] = '\0';
        SAY(problem, "another brevetd uses this database (pid %s): %s", pid,
            s->path);
        return BV_E_BUSY;
    }
    int len = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    /* only for the message above; the lock is what counts */
    if (ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) != len)
        SAY(problem, "%s: cannot note the pid", path);
    s->lock_fd = fd;
    fd = -1;
    return BV_OK;
}

static enum bv_err
make_file(const char *path, struct problem problem)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        SAY(problem, "%s: %s", path, strerror(errno));
        return errno == ENOSPC ? BV_E_DISK_FULL : BV_E_IO;
    }
    return close(fd) == 0 ? BV_OK : BV_E_IO;
}

static enum bv_err
sqlite_problem(sqlite3 *db, int rc, const char *doing, struct problem problem)
{
    enum bv_err err = sqlite_query_err(db, rc);

    if (err == BV_E_CORRUPT)
        SAY(problem,
            "the database is damaged (%s: %s): stop, keep the file for study, "
            "and put back the last backup with brevet restore",
            doing, sqlite3_errmsg(db));
    else
        SAY(problem, "%s: %s", doing, sqlite3_errmsg(db));
    return err;
}

static enum bv_err
exec(sqlite3 *db, const char *sql, struct problem problem)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? BV_OK : sqlite_problem(db, rc, sql, problem);
}

/* One number out of a PRAGMA. */
static enum bv_err
pragma(sqlite3 *db, const char *sql, int64_t *ret_n, struct problem problem)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    int64_t n = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    (void)sqlite3_finalize(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_problem(db, rc, sql, problem);
    *ret_n = n;
    return BV_OK;
}

/* A file with a write-ahead log that nobody may touch (read-only medium) can
 * be read only as immutable, which is right when the log is empty. */
static enum bv_err
open_read_only(struct sqlite *s, struct problem problem)
{
    char uri[SQLITE_PATH_MAX + 32], wal[SQLITE_PATH_MAX + 8];
    struct stat st;

    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, "PRAGMA user_version", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return BV_OK;
    (void)snprintf(wal, sizeof(wal), "%s-wal", s->path);
    if ((rc & 0xff) != SQLITE_CANTOPEN || strpbrk(s->path, "?#%") != NULL ||
        (stat(wal, &st) == 0 && st.st_size > 0))
        return sqlite_problem(s->db, rc, s->path, problem);
    (void)sqlite3_close(s->db);
    (void)snprintf(uri, sizeof(uri), "file:%s?immutable=1", s->path);
    rc = sqlite3_open_v2(uri, &s->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                         NULL);
    return rc == SQLITE_OK ? BV_OK
                           : sqlite_problem(s->db, rc, s->path, problem);
}

/* One process, one thread, one connection: no lock around each column read. */
#define OPEN_FLAGS (SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX)

static enum bv_err
open_file(struct sqlite *s, const struct store_sqlite_options *options,
          struct problem problem)
{
    if (access(s->path, F_OK) != 0 &&
        (!options->create || options->read_only)) {
        SAY(problem, "%s: %s", s->path, strerror(errno));
        return errno == ENOENT ? BV_E_NOT_FOUND : BV_E_IO;
    }
    if (options->read_only)
        return open_read_only(s, problem);
    BV_TRY(take_lock(s, problem));
    sqlite_backup_tidy(s);
    if (options->create)
        BV_TRY(make_file(s->path, problem));
    int rc = sqlite3_open_v2(s->path, &s->db, OPEN_FLAGS, NULL);
    return rc == SQLITE_OK ? BV_OK
                           : sqlite_problem(s->db, rc, s->path, problem);
}

static int
note_log(void *ctx, sqlite3 *db, const char *name, int frames)
{
    ((struct sqlite *)ctx)->wal_frames = frames;
    return SQLITE_OK;
}

static enum bv_err
configure(struct sqlite *s, const struct store_sqlite_options *options,
          struct problem problem)
{
    char sql[128];
    unsigned cache = options->cache_kib != 0 ? options->cache_kib : 2048;

    s->wal_pages = options->wal_pages != 0 ? (int)options->wal_pages : 4000;
    (void)sqlite3_extended_result_codes(s->db, 1);
    (void)sqlite3_busy_timeout(s->db, SQLITE_BUSY_MS);
    /* damaged or hostile schemas must not run code of theirs */
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA cache_size = -%u; PRAGMA temp_store = MEMORY;"
                   "PRAGMA cell_size_check = ON",
                   cache);
    BV_TRY(exec(s->db, sql, problem));
    if (options->read_only)
        return BV_OK;
    BV_TRY(exec(s->db,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "PRAGMA journal_size_limit = 67108864;"
                "PRAGMA wal_autocheckpoint = 0",
                problem));
    (void)sqlite3_wal_hook(s->db, note_log, s);
    return BV_OK;
}

static enum bv_err
check_owner(sqlite3 *db, int64_t *ret_version, struct problem problem)
{
    int64_t id = 0, pages = 0;

    BV_TRY(pragma(db, "PRAGMA application_id", &id, problem));
    BV_TRY(pragma(db, "PRAGMA user_version", ret_version, problem));
    BV_TRY(pragma(db, "SELECT count(*) FROM sqlite_schema", &pages, problem));
    if (id == APPLICATION_ID || (id == 0 && *ret_version == 0 && pages == 0))
        return BV_OK;
    SAY(problem, "this is a database of another program, not of Brevet");
    return BV_E_UNSUPPORTED;
}

static enum bv_err
run_steps(sqlite3 *db, const char *const *steps, unsigned from, unsigned to,
          struct problem problem)
{
    char sql[128];

    for (unsigned i = from; i < to; i++)
        BV_TRY(exec(db, steps[i], problem));
    (void)snprintf(sql, sizeof(sql),
                   "PRAGMA application_id = %d; PRAGMA user_version = %u",
                   APPLICATION_ID, to);
    BV_TRY(exec(db, sql, problem));
    return exec(db, "COMMIT", problem);
}

static enum bv_err
check_not_newer(int64_t version, unsigned known, struct problem problem)
{
    if (version >= 0 && version <= known)
        return BV_OK;
    SAY(problem,
        "the database was written by a newer Brevet (schema %lld, this "
        "one knows %u): upgrade Brevet, or restore an older backup",
        (long long)version, known);
    return BV_E_UNSUPPORTED;
}

enum bv_err
sqlite_open_migrate(sqlite3 *db, const char *const *steps, unsigned num_steps,
                    char *ret_problem, size_t cap)
{
    struct problem problem = {ret_problem, cap};
    int64_t version = 0;

    BV_TRY(check_owner(db, &version, problem));
    BV_TRY(check_not_newer(version, num_steps, problem));
    if (version == num_steps)
        return BV_OK;
    BV_TRY(exec(db, "BEGIN IMMEDIATE", problem));
    enum bv_err err =
        run_steps(db, steps, (unsigned)version, num_steps, problem);
    if (err != BV_OK && sqlite3_get_autocommit(db) == 0)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}

/* A reader cannot migrate, and a backup must be readable for ever: what readers
 * read has not changed since schema 1 (a test reads it all). */
static enum bv_err
check_version(sqlite3 *db, struct problem problem)
{
    int64_t version = 0;

    BV_TRY(check_owner(db, &version, problem));
    BV_TRY(check_not_newer(version, sqlite_schema_version, problem));
    if (version > 0)
        return BV_OK;
    SAY(problem, "the database is empty");
    return BV_E_UNSUPPORTED;
}

static size_t
read_boot_id(char id[64])
{
    bv_auto_close int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, id, 63);

    return n > 0 ? (size_t)n : 0;
}

/* Was the machine started anew since this file was last opened? */
static enum bv_err
note_boot(struct sqlite *s, const struct store *store, bool *ret_changed)
{
    char now[64];
    uint8_t before[64];
    size_t now_len = read_boot_id(now), before_len = 0;
    enum bv_err err =
        store->meta_get(s, "boot", before, sizeof(before), &before_len);

    if (err != BV_OK && err != BV_E_NOT_FOUND)
        return err;
    *ret_changed = !span_eq(span_of(now, now_len), span_of(before, before_len));
    if (!*ret_changed)
        return BV_OK;
    BV_TRY(store->begin(s));
    err = store->meta_put(s, "boot", span_of(now, now_len));
    if (err == BV_OK)
        err = store->commit(s);
    if (err != BV_OK)
        store->rollback(s);
    return err;
}

static bool
has_log(const char *db_path)
{
    char path[SQLITE_PATH_MAX + 8];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s-wal", db_path);
    return stat(path, &st) == 0 && st.st_size > 0;
}

static enum bv_err
check_health(struct sqlite *s, const struct store *store,
             const struct store_sqlite_options *options, bool unclean,
             struct problem problem)
{
    uint64_t limit =
        options->check_limit != 0 ? options->check_limit : 8u << 20;
    struct stat st;
    bool boot = false;

    if (stat(s->path, &st) != 0)
        return BV_E_IO;
    if (!options->read_only)
        BV_TRY(note_boot(s, store, &boot));
    s->unread = (uint64_t)st.st_size >= limit && !(unclean && boot) &&
                !sqlite_check_is_doubted(s);
    if (s->unread)
        return BV_OK;
    BV_TRY(sqlite_check_whole(s->db, problem.text, problem.cap));
    if (!options->read_only)
        sqlite_check_believe(s);
    return BV_OK;
}

static void
close_store(void *ctx)
{
    struct sqlite *s = ctx;

    if (s == NULL)
        return;
    sqlite_backup_stop(s);
    sqlite_check_stop(s);
    sqlite_query_forget(s);
    (void)sqlite3_close(s->db);
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    free(s);
}

BV_AUTO_DEFINE(sqlite, struct sqlite, close_store)

static enum bv_err
start(struct sqlite *s, const struct store *store,
      const struct store_sqlite_options *options, struct problem problem)
{
    bool unclean = has_log(s->path);

    BV_TRY(open_file(s, options, problem));
    BV_TRY(configure(s, options, problem));
    if (options->read_only)
        BV_TRY(check_version(s->db, problem));
    else
        BV_TRY(sqlite_open_migrate(s->db, sqlite_schema_steps,
                                   sqlite_schema_version, problem.text,
                                   problem.cap));
    BV_TRY(check_health(s, store, options, unclean, problem));
    return sqlite_counters_load(s);
}

static void
fill(struct store *store, struct sqlite *s)
{
    *store = (struct store){.ctx = s, .close = close_store};
    sqlite_fill(store);
    sqlite_audit_fill(store);
    sqlite_backup_fill(store);
    sqlite_cert_fill(store);
    sqlite_check_fill(store);
    sqlite_device_fill(store);
    sqlite_status_fill(store);
    sqlite_token_fill(store);
    sqlite_walk_fill(store);
}

enum bv_err
store_sqlite_open(const char *path, const struct store_sqlite_options *options,
                  struct store *ret_store, char *ret_problem, size_t cap)
{
    static const struct store_sqlite_options none = {0};
    struct problem problem = {ret_problem, cap};
    struct store store;
    bv_auto(sqlite) struct sqlite *s = calloc(1, sizeof(*s));

    SAY(problem, "%s", "");
    if (s == NULL)
        return BV_E_NO_MEMORY;
    s->lock_fd = -1;
    if (strlen(path) >= sizeof(s->path)) {
        SAY(problem, "the database's path is too long");
        return BV_E_IO;
    }
    memcpy(s->path, path, strlen(path) + 1);
    fill(&store, s);
    enum bv_err err =
        start(s, &store, options != NULL ? options : &none, problem);
    if (err != BV_OK && cap > 0 && ret_problem[0] == '\0')
        SAY(problem, "%s: %s", path, err_text(err));
    if (err == BV_OK) {
        *ret_store = store;
        s = NULL;
    }
    return err;
}
