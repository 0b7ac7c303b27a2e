/* What published CRLs tell restore: they outlive a database that cannot be
 * read, and say the serial numbers that the status map does not have. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "pki/key.h"
#include "pki/serial.h"
#include "restore_keep.h"
#include "wire/cert.h"
#include "wire/crl.h"

#define PATH_ROOM 4096

struct reading {
    struct restore_keep *keep;
    struct serial *serial;
    uint64_t end;
    struct crl crl;
    uint8_t issuer;    /* who signed it; 0: none of ours */
    int64_t not_after; /* of that CA */
};

static enum bv_err
match_signer(void *user, const struct store_issuer *row)
{
    struct reading *r = user;
    struct cert cert;
    bv_auto(key) struct key *key = NULL;
    if (cert_parse(row->cert, &cert) != BV_OK ||
        !span_eq(cert.subject, r->crl.issuer) ||
        key_of_spki(&cert.spki, &key) != BV_OK ||
        key_verify(key, r->crl.sig, r->crl.tbs, r->crl.signature) != BV_OK)
        return BV_OK;
    r->issuer = row->id;
    r->not_after = cert.not_after;
    return BV_OK;
}

/* A certificate that is lost told nobody when it ends: not after its CA. */
static enum bv_err
keep_entry(struct reading *r, const struct crl_entry *entry)
{
    struct store_revoked row = {.serial = entry->serial,
                                .reason = entry->reason,
                                .at = entry->revoked_at,
                                .not_after = r->not_after};
    if (serial_open(r->serial, entry->serial, &row.seq) != BV_OK ||
        row.seq == 0 || row.seq >= r->end)
        return BV_OK; /* not made by this installation */
    return restore_keep_entry(r->keep, r->issuer, &row);
}

static enum bv_err
keep_list(struct reading *r, struct span file)
{
    const struct store *s = r->keep->fresh;
    r->issuer = 0;
    if (crl_parse(file, &r->crl) != BV_OK)
        return BV_OK;
    BV_TRY(s->issuer_each(s->ctx, match_signer, r));
    struct span entries = r->crl.entries;
    bool got = r->issuer != 0;
    while (got) {
        struct crl_entry entry;
        if (crl_next(&entries, &got, &entry) != BV_OK)
            return BV_OK;
        if (got)
            BV_TRY(keep_entry(r, &entry));
    }
    return BV_OK;
}

static enum bv_err
keep_file(struct reading *r, const char *path)
{
    bv_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size <= 0)
        return BV_OK;
    size_t len = (size_t)st.st_size;
    void *at = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return BV_E_NO_MEMORY;
    enum bv_err err = keep_list(r, span_of(at, len));
    (void)munmap(at, len);
    return err;
}

static bool
is_crl(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".crl") == 0;
}

static enum bv_err
keep_folder(struct reading *r, const char *folder, DIR *dir)
{
    const struct dirent *file;
    while ((file = readdir(dir)) != NULL) {
        char path[PATH_ROOM + 300];
        if (!is_crl(file->d_name))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, file->d_name);
        BV_TRY(keep_file(r, path));
    }
    return BV_OK;
}

enum bv_err
restore_keep_crls(struct restore_keep *keep, const char *folder, uint64_t end)
{
    const struct store *s = keep->fresh;
    uint8_t key[SERIAL_KEY_LEN];
    size_t len;
    bv_auto(serial) struct serial *serial = NULL;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return BV_OK;
    enum bv_err err = s->meta_get(s->ctx, "serial.key", key, sizeof(key), &len);
    if (err == BV_OK)
        err = len == sizeof(key) ? serial_new(key, &serial) : BV_E_CORRUPT;
    explicit_bzero(key, sizeof(key));
    struct reading r = {.keep = keep, .serial = serial, .end = end};
    if (err == BV_OK)
        err = keep_folder(&r, folder, dir);
    (void)closedir(dir);
    return err == BV_E_NOT_FOUND ? BV_OK : err; /* none was ever made */
}
