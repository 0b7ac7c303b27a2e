/* brevet backup: the daemon writes a snapshot beside its database, the one
 * place its walls let it write; this copies it to where the caller wants it,
 * with the caller's rights, and checks the copy. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/disk.h"
#include "command.h"
#include "store/sqlite.h"

#define PIECE 1048576

struct copying {
    const struct command_call *call;
    const char *to;
    char temp[PATH_MAX]; /* beside it; "" when there is none */
    int fd;
    uint64_t audit_size; /* the snapshot holds so many entries at least */
    uint64_t octets;
};

static int
complain(const char *path, const char *what, int code)
{
    (void)fprintf(stderr, "brevet: %s: %s\n", path, what);
    return code;
}

/* --- the two calls --- */

static int
ask(const struct command_call *call, const char *verb, json_t **ret_result)
{
    const struct command command = {.verb = verb};
    struct command_call other = *call;
    other.command = &command;
    other.args = json_object(); /* the daemon is told no path */
    int code = command_ask(&other, ret_result);
    json_decref(other.args);
    return code;
}

static void
drop_snapshot(const struct command_call *call)
{
    json_t *result = NULL;
    (void)ask(call, "backup.done", &result); /* it has said why not */
    json_decref(result);
}

/* --- the destination --- */

/* Before the daemon is put to work. */
static int
open_destination(struct copying *c)
{
    struct stat st;
    if (lstat(c->to, &st) == 0)
        return complain(c->to,
                        S_ISDIR(st.st_mode)
                            ? "is a directory: name a file in it"
                            : "exists already, and a backup replaces nothing: "
                              "name another file",
                        COMMAND_REFUSED);
    int n = snprintf(c->temp, sizeof(c->temp), "%s.XXXXXX", c->to);
    if (n < 0 || (size_t)n >= sizeof(c->temp)) {
        c->temp[0] = '\0';
        return complain(c->to, "the path is too long", COMMAND_FAILED);
    }
    c->fd = mkostemp(c->temp, O_CLOEXEC); /* 0600 */
    if (c->fd >= 0)
        return COMMAND_OK;
    int err = errno;
    c->temp[0] = '\0';
    (void)fprintf(stderr, "brevet: %s: cannot be written: %s; %s\n", c->to,
                  strerror(err),
                  err == ENOENT ? "make its directory first"
                                : "name a file in a directory you can write");
    return COMMAND_FAILED;
}

/* A file that appeared meanwhile is not replaced. */
static int
put_in_place(struct copying *c)
{
    int renamed =
        renameat2(AT_FDCWD, c->temp, AT_FDCWD, c->to, RENAME_NOREPLACE);
    if (renamed != 0 && errno == EINVAL) /* a file system without this */
        renamed = rename(c->temp, c->to);
    if (renamed != 0)
        return complain(c->to, strerror(errno), COMMAND_FAILED);
    c->temp[0] = '\0';
    return disk_sync_folder(c->to) == BV_OK
               ? COMMAND_OK
               : complain(c->to, strerror(errno), COMMAND_FAILED);
}

/* --- copying --- */

static int
open_snapshot(const struct copying *c, int *ret_fd, uint64_t *ret_size)
{
    char path[PATH_MAX];
    struct stat st;
    (void)snprintf(path, sizeof(path), "%s/db/brevet.db.backup", c->call->dir);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return complain(path,
                        "only root and the daemon's user can read it: "
                        "run brevet backup as one of them",
                        COMMAND_FAILED);
    if (fd < 0 && errno == ENOENT)
        return complain(path,
                        "the snapshot is gone: another backup ended at the "
                        "same time; run it again",
                        COMMAND_FAILED);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        if (fd >= 0)
            (void)close(fd);
        return complain(path, "cannot be read", COMMAND_FAILED);
    }
    *ret_fd = fd;
    *ret_size = (uint64_t)st.st_size;
    return COMMAND_OK;
}

static void
show_progress(uint64_t done, uint64_t total)
{
    if (!isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r%3u %% of %llu MiB",
                  (unsigned)(total == 0 ? 100 : done * 100 / total),
                  (unsigned long long)(total >> 20));
    if (done >= total)
        (void)fprintf(stderr, "\n");
}

static bool
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static int
copy_octets(struct copying *c, int from, uint64_t size)
{
    bv_auto_free char *piece = malloc(PIECE);
    ssize_t n = 0;
    while (piece != NULL && (n = read(from, piece, PIECE)) > 0) {
        if (!write_all(c->fd, piece, (size_t)n))
            return complain(c->temp, strerror(errno), COMMAND_FAILED);
        c->octets += (uint64_t)n;
        show_progress(c->octets, size);
    }
    if (piece == NULL || n < 0 || c->octets != size)
        return complain("the snapshot", "cannot be read whole", COMMAND_FAILED);
    if (fsync(c->fd) != 0)
        return complain(c->temp, strerror(errno), COMMAND_FAILED);
    return COMMAND_OK;
}

static int
copy_snapshot(struct copying *c, int *ret_from)
{
    uint64_t size = 0;
    int code = open_snapshot(c, ret_from, &size);
    return code != COMMAND_OK ? code : copy_octets(c, *ret_from, size);
}

/* --- checking --- */

static void
remove_beside(const char *path, const char *tail)
{
    char name[PATH_MAX + 8];
    (void)snprintf(name, sizeof(name), "%s%s", path, tail);
    (void)unlink(name);
}

/* Opening refuses a foreign or damaged file; then every page is read. */
static int
verify(struct copying *c)
{
    const struct store_sqlite_options options = {.read_only = true};
    struct store store;
    char problem[512] = "";
    uint64_t size = 0;
    enum bv_err err =
        store_sqlite_open(c->temp, &options, &store, problem, sizeof(problem));
    if (err == BV_OK) {
        err = store.check(store.ctx, problem, sizeof(problem));
        if (err == BV_OK)
            err = store.audit_size(store.ctx, &size);
        store.close(store.ctx);
    }
    remove_beside(c->temp, "-wal");
    remove_beside(c->temp, "-shm");
    if (err == BV_OK && size >= c->audit_size) {
        c->audit_size = size;
        return COMMAND_OK;
    }
    (void)fprintf(stderr, "brevet: the copy does not verify: %s\n",
                  err == BV_OK         ? "audit entries are missing"
                  : problem[0] != '\0' ? problem
                                       : err_text(err));
    return COMMAND_FAILED;
}

/* --- all --- */

static int
fetch(struct copying *c)
{
    json_t *result = NULL;
    int code = ask(c->call, "backup", &result);
    if (code != COMMAND_OK)
        return code;
    c->audit_size =
        (uint64_t)json_integer_value(json_object_get(result, "audit_size"));
    json_decref(result);
    /* Open until it is removed: to free a large file takes long, and is then
     * done here and not by the daemon. */
    bv_auto_close int from = -1;
    code = copy_snapshot(c, &from);
    drop_snapshot(c->call);
    if (code == COMMAND_OK)
        code = verify(c);
    return code == COMMAND_OK ? put_in_place(c) : code;
}

static void
tell(const struct copying *c)
{
    if (c->call->as_json) {
        json_t *json = json_pack("{s:s, s:I, s:I}", "file", c->to, "octets",
                                 (json_int_t)c->octets, "audit_size",
                                 (json_int_t)c->audit_size);
        (void)json_dumpf(json, stdout, JSON_INDENT(2));
        (void)printf("\n");
        json_decref(json);
    } else {
        (void)printf("%s: %llu octets, %llu audit entries, verified\n", c->to,
                     (unsigned long long)c->octets,
                     (unsigned long long)c->audit_size);
    }
}

static int
backup(const struct command_call *call)
{
    struct copying c = {
        .call = call, .to = command_text(call, "out"), .fd = -1};
    if (c.to == NULL)
        return complain("backup", "say where to: brevet backup --out FILE",
                        COMMAND_USAGE);
    int code = open_destination(&c);
    if (code == COMMAND_OK)
        code = fetch(&c);
    if (c.fd >= 0)
        (void)close(c.fd);
    if (c.temp[0] != '\0')
        (void)unlink(c.temp);
    if (code == COMMAND_OK)
        tell(&c);
    return code;
}

static const struct command_option options[] = {
    {"out", NULL, COMMAND_PATH, "FILE", "the same as FILE without --out"},
    {NULL, NULL, 0, NULL, NULL},
};

const struct command cmd_backup[] = {
    {.group = "backup",
     .summary = "copy the live database to a new file",
     .run = backup,
     .example = "brevet backup --out /backup/brevet-2026-11-21.db\n",
     .options = options,
     .positional = {"FILE", "out", COMMAND_PATH, NULL, NULL},
     .positional_optional = true},
    {.group = NULL},
};
