/* brevet restore: puts a backup in the database's place, offline.
 *
 * A backup is older than the truth. What happened since is gathered from what
 * is left of the installation: the old database, if it can be read, tells how
 * far numbers were handed out and how long the audit log was; the status map
 * tells the same of certificates, and which were revoked. Numbers go on past
 * all of it, so that no serial number is used twice and a lost certificate is
 * answered "unknown", never with another one's status. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/disk.h"
#include "command.h"
#include "core/audit.h"
#include "pki/note.h"
#include "proc/identity.h"
#include "proc/statusmap.h"
#include "restore_keep.h"
#include "store/sqlite.h"

#define PATH_ROOM 4096
/* Numbers are reserved 1,024 at a time; with neither the old database nor the
 * map at hand, nobody knows how many were used since the backup. */
#define MARGIN         65536
#define MARGIN_UNKNOWN (UINT64_C(1) << 20)
/* CRLs are numbered past what may have been published since; core also looks
 * at the published files. */
#define MARGIN_CRL 65536

struct restore {
    const struct command_call *call;
    char db[PATH_ROOM], fresh[PATH_ROOM], map_path[PATH_ROOM];
    char checkpoint[PATH_ROOM];
    char problem[512];
    struct store_counts backup, old;
    uint64_t backup_audit, old_audit, signed_size;
    bool has_old;
    struct statusmap *map; /* of the database that is replaced; may be NULL */
    uint64_t map_end;      /* past the highest number in it */
    uint64_t first;        /* number the restored installation begins with */
    struct restore_keep kept;
    char who[32];       /* asked for this */
    struct store store; /* the copy being prepared */
    struct audit *audit;
};

static enum bv_err
bad(struct restore *r, enum bv_err err, const char *what, const char *why)
{
    (void)snprintf(r->problem, sizeof(r->problem), "%.300s: %.180s", what, why);
    return err;
}

/* --- what there is --- */

static enum bv_err
open_read_only(const char *path, struct store *ret, char *problem, size_t cap)
{
    const struct store_sqlite_options options = {.read_only = true};
    return store_sqlite_open(path, &options, ret, problem, cap);
}

static enum bv_err
note_size(void *user, uint64_t size, struct span note)
{
    (void)note;
    *(uint64_t *)user = size;
    return BV_OK;
}

static enum bv_err
look_at_backup(struct restore *r, const char *path)
{
    struct store store;
    BV_TRY(open_read_only(path, &store, r->problem, sizeof(r->problem)));
    enum bv_err err = store.check(store.ctx, r->problem, sizeof(r->problem));
    if (err == BV_OK)
        err = store.counts(store.ctx, &r->backup);
    if (err == BV_OK)
        err = store.audit_size(store.ctx, &r->backup_audit);
    store.close(store.ctx);
    if (err == BV_E_CORRUPT)
        return bad(r, err, path, "this backup is damaged; take an older one");
    return err;
}

/* The newest signed checkpoint is kept beside the database too; its second
 * line is the size of the log it covers. */
static void
look_at_checkpoint(struct restore *r)
{
    char text[1024] = "";
    bv_auto_close int fd = open(r->checkpoint, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    const char *line = n > 0 ? strchr(text, '\n') : NULL;
    unsigned long long size = line != NULL ? strtoull(line + 1, NULL, 10) : 0;
    if (size > r->signed_size)
        r->signed_size = size;
}

/* The old database may be damaged: then its word is not needed. */
static void
look_at_old(struct restore *r)
{
    struct store store;
    char problem[512];
    if (open_read_only(r->db, &store, problem, sizeof(problem)) != BV_OK)
        return;
    r->has_old = store.counts(store.ctx, &r->old) == BV_OK &&
                 store.audit_size(store.ctx, &r->old_audit) == BV_OK;
    enum bv_err err =
        store.checkpoint_last(store.ctx, note_size, &r->signed_size);
    if (err != BV_OK)
        r->signed_size = 0;
    store.close(store.ctx);
}

static enum bv_err
look_at_map(struct restore *r)
{
    uint8_t ours[STATUSMAP_ID_LEN], found[STATUSMAP_ID_LEN];
    size_t len;
    BV_TRY(r->store.meta_get(r->store.ctx, "db.id", ours, sizeof(ours), &len));
    int fd = open(r->map_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 ||
        statusmap_reader(fd, &r->map) != BV_OK) {
        r->map = NULL;
        return BV_OK;
    }
    statusmap_id(r->map, found);
    if (memcmp(ours, found, sizeof(ours)) != 0) {
        statusmap_free(r->map);
        r->map = NULL;
        return BV_OK;
    }
    uint64_t num = ((uint64_t)st.st_size - STATUSMAP_HEADER) / sizeof(uint64_t);
    for (uint64_t i = 0; i < num; i++)
        if (statusmap_get(r->map, i) != 0)
            r->map_end = i + 1;
    return BV_OK;
}

/* A backup that ends before a checkpoint that was signed takes acts back that
 * somebody may hold a proof of. */
static enum bv_err
check_loss(struct restore *r)
{
    uint64_t now =
        r->old_audit > r->signed_size ? r->old_audit : r->signed_size;
    uint64_t lost = now > r->backup_audit ? now - r->backup_audit : 0;
    if (lost == 0 || command_flag(r->call, "accept-loss"))
        return BV_OK;
    (void)snprintf(
        r->problem, sizeof(r->problem),
        "the database here is newer: %llu acts and %llu certificates are not "
        "in the backup (its log has %llu entries, here are %llu, %llu of them "
        "under a signed checkpoint). If the database here cannot serve any "
        "more, say --accept-loss",
        (unsigned long long)lost,
        (unsigned long long)(r->old.certs > r->backup.certs
                                 ? r->old.certs - r->backup.certs
                                 : 0),
        (unsigned long long)r->backup_audit, (unsigned long long)now,
        (unsigned long long)r->signed_size);
    return BV_E_REFUSED;
}

/* --- the copy --- */

static enum bv_err
copy_octets(int from, int to)
{
    char buf[65536];
    for (;;) {
        ssize_t n = read(from, buf, sizeof(buf));
        if (n == 0)
            return fsync(to) == 0 ? BV_OK : BV_E_IO;
        if (n < 0)
            return BV_E_IO;
        for (ssize_t done = 0; done < n;) {
            ssize_t w = write(to, buf + done, (size_t)(n - done));
            if (w <= 0)
                return errno == ENOSPC ? BV_E_DISK_FULL : BV_E_IO;
            done += w;
        }
    }
}

static enum bv_err
copy_file(struct restore *r, int from, const char *to)
{
    bv_auto_close int out =
        open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return bad(r, BV_E_IO, to, strerror(errno));
    enum bv_err err = copy_octets(from, out);
    return err == BV_OK ? BV_OK : bad(r, err, to, err_text(err));
}

/* A database that was moved aside may have its write-ahead log beside it. */
static enum bv_err
copy_files(struct restore *r, int from, int log)
{
    static const char *const left[] = {"", "-shm", "-journal", "-wal"};
    char path[PATH_ROOM + 16];
    for (size_t i = 0; i < 4; i++) { /* of an earlier attempt */
        (void)snprintf(path, sizeof(path), "%s%s", r->fresh, left[i]);
        (void)unlink(path);
    }
    BV_TRY(copy_file(r, from, r->fresh));
    return log < 0 ? BV_OK : copy_file(r, log, path);
}

static struct audit_event
event_of(const struct restore *r, enum audit_action action,
         enum audit_object object)
{
    return (struct audit_event){
        .action = action,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = object,
        .outcome = AUDIT_OK,
        .actor_id = span_str(r->who),
    };
}

/* --- what the backup does not know of --- */

static enum bv_err
note_kept(void *user, const struct audit_event *act)
{
    struct restore *r = user;
    struct audit_event event = event_of(r, act->action, act->object);
    event.object_id = act->object_id;
    event.serial = act->serial;
    event.cert_sha256 = act->cert_sha256;
    event.detail = SPAN_LIT("made after the backup; from what was here");
    return audit_append(r->audit, &event, NULL);
}

static enum bv_err
keep_from_map(struct restore *r)
{
    for (uint64_t i = 0; i < r->map_end; i++) {
        uint64_t word = statusmap_get(r->map, i);
        if (statusmap_is_revoked(word))
            BV_TRY(restore_keep_status(&r->kept, i, statusmap_reason(word),
                                       statusmap_time(word)));
    }
    return BV_OK;
}

/* What both know, the map tells although the database cannot be read; and what
 * the map cannot tell, the last CRLs do. */
static enum bv_err
keep_all(struct restore *r)
{
    struct store old;
    char problem[512], crls[PATH_ROOM];
    r->kept =
        (struct restore_keep){.fresh = &r->store, .note = note_kept, .user = r};
    if (r->has_old &&
        open_read_only(r->db, &old, problem, sizeof(problem)) == BV_OK) {
        enum bv_err err = restore_keep_old(&r->kept, &old);
        old.close(old.ctx);
        BV_TRY(err);
    }
    BV_TRY(keep_from_map(r));
    (void)snprintf(crls, sizeof(crls), "%.4000s/crl", r->call->dir);
    return r->kept.whole ? BV_OK : restore_keep_crls(&r->kept, crls, r->first);
}

/* --- numbers --- */

static uint64_t
first_number(const struct restore *r)
{
    uint64_t next = r->backup.next_seq;
    if (r->has_old && r->old.next_seq > next)
        next = r->old.next_seq;
    if (r->map_end > next)
        next = r->map_end;
    bool known = r->has_old || r->map != NULL;
    return next + (known ? MARGIN : MARGIN_UNKNOWN);
}

static enum bv_err
note_issuer(void *user, const struct store_issuer *row)
{
    ((bool *)user)[row->id] = true;
    return BV_OK;
}

static enum bv_err
skip_crl_numbers(struct restore *r)
{
    bool there[256] = {false};
    BV_TRY(r->store.issuer_each(r->store.ctx, note_issuer, there));
    for (unsigned id = 1; id < 256; id++) {
        struct store_crl row;
        enum bv_err err =
            there[id] ? r->store.crl_last(r->store.ctx, (uint8_t)id, &row)
                      : BV_E_NOT_FOUND;
        if (err == BV_E_NOT_FOUND)
            continue;
        BV_TRY(err);
        row.number += MARGIN_CRL;
        BV_TRY(r->store.crl_put(r->store.ctx, &row));
    }
    return BV_OK;
}

static enum bv_err
write_changes(struct restore *r)
{
    char detail[400];
    uint64_t ignored;
    r->first = first_number(r);
    BV_TRY(r->store.sequence_reserve(r->store.ctx,
                                     r->first - r->backup.next_seq, &ignored));
    BV_TRY(keep_all(r));
    BV_TRY(skip_crl_numbers(r));
    (void)snprintf(
        detail, sizeof(detail),
        "from a backup of %llu certificates and %llu entries; "
        "replaced: %llu certificates, %llu entries, %llu under a "
        "checkpoint; numbers go on at %llu",
        (unsigned long long)r->backup.certs,
        (unsigned long long)r->backup_audit, (unsigned long long)r->old.certs,
        (unsigned long long)r->old_audit, (unsigned long long)r->signed_size,
        (unsigned long long)r->first);
    struct audit_event event = event_of(r, AUDIT_RESTORE, AUDIT_OBJECT_SERVER);
    event.detail = span_str(detail);
    return audit_append(r->audit, &event, NULL);
}

static enum bv_err
read_vkey(struct restore *r, struct tlog_vkey *ret)
{
    char path[PATH_ROOM], text[512] = "";
    (void)snprintf(path, sizeof(path), "%s/ca/log.pub", r->call->dir);
    bv_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    if (note_vkey_parse(span_of(text, strcspn(text, "\n")), ret) != BV_OK)
        return bad(r, BV_E_NOT_FOUND, path, "the audit log's key is needed");
    return BV_OK;
}

/* Numbers are counted from what the backup was seen to hold. */
static enum bv_err
check_same(struct restore *r)
{
    struct store_counts counts;
    uint64_t audit;
    BV_TRY(r->store.counts(r->store.ctx, &counts));
    BV_TRY(r->store.audit_size(r->store.ctx, &audit));
    if (counts.next_seq == r->backup.next_seq &&
        counts.certs == r->backup.certs && audit == r->backup_audit)
        return BV_OK;
    return bad(r, BV_E_BUSY, command_text(r->call, "path"),
               "it changed while it was copied; is it a database in use?");
}

static enum bv_err
change_copy(struct restore *r)
{
    struct tlog_vkey vkey;
    BV_TRY(check_same(r));
    BV_TRY(read_vkey(r, &vkey));
    const struct audit_options options = {
        .origin = vkey.name,
        .log_key = vkey.key,
        .known = span_str(command_text(r->call, "known"))};
    BV_TRY(look_at_map(r));
    BV_TRY(audit_open(&r->store, &options, &r->audit, r->problem,
                      sizeof(r->problem)));
    BV_TRY(r->store.begin(r->store.ctx));
    enum bv_err err = write_changes(r);
    if (err == BV_OK)
        err = r->store.commit(r->store.ctx);
    if (err != BV_OK)
        r->store.rollback(r->store.ctx);
    return err;
}

/* Opening it brings an older schema up to ours. */
static enum bv_err
prepare_copy(struct restore *r)
{
    BV_TRY(store_sqlite_open(r->fresh, NULL, &r->store, r->problem,
                             sizeof(r->problem)));
    enum bv_err err = change_copy(r);
    if (err == BV_OK)
        err = r->store.check(r->store.ctx, r->problem, sizeof(r->problem));
    audit_free(r->audit);
    statusmap_free(r->map);
    r->store.close(r->store.ctx);
    return err;
}

/* --- the exchange --- */

static enum bv_err
move(struct restore *r, const char *from, const char *to)
{
    if (rename(from, to) == 0 || errno == ENOENT)
        return BV_OK;
    return bad(r, BV_E_IO, from, strerror(errno));
}

/* The write-ahead log goes with its database: left behind, it would be
 * replayed into the other one. */
static enum bv_err
move_aside(struct restore *r, const char *suffix, const char *stamp)
{
    char from[PATH_ROOM + 16], to[PATH_ROOM + 64];
    (void)snprintf(from, sizeof(from), "%s%s", r->db, suffix);
    (void)snprintf(to, sizeof(to), "%s.old-%s%s", r->db, stamp, suffix);
    return move(r, from, to);
}

static enum bv_err
sync_folder(struct restore *r)
{
    enum bv_err err = disk_sync_folder(r->db);
    return err == BV_OK ? BV_OK : bad(r, err, r->db, strerror(errno));
}

static enum bv_err
exchange(struct restore *r)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    char stamp[24], path[PATH_ROOM + 64];
    (void)snprintf(stamp, sizeof(stamp), "%lld", (long long)clock_wall());
    for (size_t i = 0; i < 3; i++)
        BV_TRY(move_aside(r, suffixes[i], stamp));
    (void)snprintf(path, sizeof(path), "%s.old-%s", r->checkpoint, stamp);
    BV_TRY(move(r, r->checkpoint, path));
    if (rename(r->fresh, r->db) < 0)
        return bad(r, BV_E_IO, r->db, strerror(errno));
    if (unlink(r->map_path) < 0 && errno != ENOENT)
        return bad(r, BV_E_IO, r->map_path, strerror(errno));
    (void)snprintf(path, sizeof(path), "%s.lock", r->fresh);
    (void)unlink(path);
    return sync_folder(r);
}

/* --- all --- */

/* take_lock keeps a daemon from starting meanwhile. */
static enum bv_err
take_lock(struct restore *r, int *ret_fd)
{
    char path[PATH_ROOM];
    (void)snprintf(path, sizeof(path), "%s/run/brevetd.lock", r->call->dir);
    bv_auto_close int fd =
        open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return bad(r, BV_E_IO, path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return bad(r, BV_E_BUSY, r->call->dir,
                   "a daemon serves this installation; stop it first");
    *ret_fd = fd;
    fd = -1;
    return BV_OK;
}

/* The database's directory is core's to write: from here on root works in it as
 * core, so that no link laid there leads it elsewhere. */
static enum bv_err
become_owner(struct restore *r)
{
    char dir[PATH_ROOM];
    struct stat st;
    (void)snprintf(dir, sizeof(dir), "%.4000s/db", r->call->dir);
    if (stat(dir, &st) < 0)
        return bad(r, BV_E_IO, dir, strerror(errno));
    const struct identity owner = {st.st_uid, st.st_gid};
    if (geteuid() != 0 || st.st_uid == 0)
        return BV_OK;
    return identity_drop(&owner) == BV_OK
               ? BV_OK
               : bad(r, BV_E_REFUSED, dir, "cannot work as its owner");
}

static enum bv_err
restore_all(struct restore *r, const char *backup)
{
    char log_path[PATH_ROOM + 16];
    bv_auto_close int lock = -1;
    bv_auto_close int from = open(backup, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return bad(r, BV_E_NOT_FOUND, backup, strerror(errno));
    (void)snprintf(log_path, sizeof(log_path), "%.4000s-wal", backup);
    bv_auto_close int log = open(log_path, O_RDONLY | O_CLOEXEC);
    if (log < 0 && errno != ENOENT)
        return bad(r, BV_E_IO, log_path, strerror(errno));
    BV_TRY(take_lock(r, &lock));
    BV_TRY(look_at_backup(r, backup));
    BV_TRY(become_owner(r));
    look_at_old(r);
    look_at_checkpoint(r);
    BV_TRY(check_loss(r));
    enum bv_err err = copy_files(r, from, log);
    if (err == BV_OK)
        err = prepare_copy(r);
    if (err != BV_OK) {
        (void)unlink(r->fresh);
        return err;
    }
    return exchange(r);
}

static void
say_what_next(const struct restore *r)
{
    static const char lost[] =
        "  the database that was here cannot be read: claim codes used after "
        "the\n"
        "  backup work again (brevet token list, and brevet token revoke "
        "those),\n"
        "  devices and keys blocked since then are not, and of revocations "
        "make "
        "sure\n"
        "  (brevet cert list --status revoked; of certificates that are lost: "
        "the CRL)\n";
    (void)printf(
        "restored %llu certificates; numbers go on at %llu\n"
        "kept of what was done after the backup: %u certificates revoked or "
        "held\n"
        "  (and %u that are lost, by their CRL), %u devices and %u keys "
        "blocked,\n"
        "  %u claim codes used or revoked\n"
        "the database that was here is %s.old-*\n"
        "\n"
        "What to do next:\n"
        "  start the daemon, then: brevet audit verify\n"
        "  certificates issued after the backup are answered \"unknown\": let "
        "their\n"
        "  devices enrol again\n"
        "%s",
        (unsigned long long)r->backup.certs, (unsigned long long)r->first,
        r->kept.statuses, r->kept.entries, r->kept.devices, r->kept.keys,
        r->kept.tokens, r->db, r->has_old ? "" : lost);
}

static int
restore(const struct command_call *call)
{
    bv_auto_free struct restore *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return command_fail("restore", BV_E_NO_MEMORY);
    r->call = call;
    (void)snprintf(r->who, sizeof(r->who), "uid %u", (unsigned)getuid());
    (void)snprintf(r->db, sizeof(r->db), "%.4000s/db/brevet.db", call->dir);
    (void)snprintf(r->fresh, sizeof(r->fresh), "%.4000s/db/restore.db",
                   call->dir);
    (void)snprintf(r->checkpoint, sizeof(r->checkpoint),
                   "%.4000s/db/checkpoint", call->dir);
    (void)snprintf(r->map_path, sizeof(r->map_path), "%.4000s/db/status.map",
                   call->dir);
    enum bv_err err = restore_all(r, command_text(call, "path"));
    if (err != BV_OK) {
        (void)fprintf(stderr, "brevet: nothing was restored: %s\n",
                      r->problem[0] != '\0' ? r->problem : err_text(err));
        return err == BV_E_REFUSED || err == BV_E_NOT_FOUND ? COMMAND_REFUSED
                                                            : COMMAND_FAILED;
    }
    if (call->as_json)
        (void)printf("{\"certs\": %llu, \"next_seq\": %llu, "
                     "\"revocations_kept\": %u}\n",
                     (unsigned long long)r->backup.certs,
                     (unsigned long long)r->first,
                     r->kept.statuses + r->kept.entries);
    else
        say_what_next(r);
    return COMMAND_OK;
}

static const struct command_option options[] = {
    {"accept-loss", NULL, COMMAND_FLAG, NULL,
     "although the database here is newer"},
    {"known", NULL, COMMAND_FILE, "FILE",
     "a checkpoint kept elsewhere: the backup must contain it"},
    {NULL, NULL, 0, NULL, NULL}};

const struct command cmd_restore[] = {
    {.group = "restore",
     .summary = "put a backup in the database's place, offline",
     .run = restore,
     .example = "systemctl stop 'brevetd*'\n"
                "brevet restore /backup/brevet-2026-11-21.db\n",
     .options = options,
     .positional = {"FILE", "path", COMMAND_PATH, NULL, NULL}},
    {.group = NULL},
};
