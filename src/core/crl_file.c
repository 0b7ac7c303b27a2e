#include "core/crl_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/disk.h"
#include "base/flush.h"
#include "pki/key.h"

/* A millisecond or two each; stale entries take some more. */
#define PIECE_ROWS   4096
#define PIECE_OCTETS (1u << 20)
/* Longer ones are not read as a whole once more. */
#define READ_WHOLE (1u << 20)

/* --- beginning --- */

static enum digest_alg
digest_for(enum alg_sig sig)
{
    if (sig == ALG_SIG_ECDSA_SHA384 || sig == ALG_SIG_RSA_SHA384)
        return DIGEST_SHA384;
    if (sig == ALG_SIG_ECDSA_SHA512 || sig == ALG_SIG_RSA_SHA512)
        return DIGEST_SHA512;
    return DIGEST_SHA256;
}

static size_t
longest_signature(const struct cert *cert)
{
    switch (cert->spki.alg) {
    case ALG_KEY_P256:
        return 72;
    case ALG_KEY_P384:
        return 104;
    case ALG_KEY_P521:
        return 139;
    case ALG_KEY_ED25519:
        return 64;
    case ALG_KEY_RSA:
        return cert->spki.n.len;
    case ALG_KEY_NONE:
        break;
    }
    return 0;
}

static struct crl_head
head_of(const struct crl_file *f, const struct cert *ca)
{
    return (struct crl_head){.issuer = ca->subject,
                             .sig = f->sig,
                             .this_update = f->this_update,
                             .next_update = f->next_update,
                             .key_id = ca->ski,
                             .number = f->number};
}

/* Where the entries start in the file when they have this length. */
static size_t
entries_at(struct crl_file *f, const struct crl_head *head,
           uint64_t entries_len)
{
    uint8_t buf[CRL_START_MAX];
    struct sink start = SINK_ARRAY(buf);
    f->tbs_len = crl_tbs_len(head, entries_len);
    f->outer_len = crl_outer_len(f->tbs_len, f->sig, f->sig_len);
    crl_put_start(&start, head, entries_len);
    return f->outer_len + start.len;
}

static enum bv_err
open_file(struct crl_file *f)
{
    crl_file_close(f);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                 0644);
    /* public, whatever the umask */
    return f->fd >= 0 && fchmod(f->fd, 0644) == 0 ? BV_OK : disk_error();
}

enum bv_err
crl_file_begin(struct crl_file *f, const struct cert *ca, uint64_t entries_len)
{
    struct crl_head head = head_of(f, ca);
    BV_TRY(open_file(f));
    BV_TRY(digest_new(digest_for(f->sig), &f->hash));
    BV_TRY(f->store->revoked_open(f->store->ctx, f->issuer, &f->walk));
    f->sig_len = longest_signature(ca);
    f->start_len = entries_at(f, &head, entries_len);
    f->entries_len = f->num = f->hashed = 0;
    f->flushed = f->start_len;
    f->out = SINK_ARRAY(f->buf);
    f->err = BV_OK;
    return lseek(f->fd, (off_t)f->start_len, SEEK_SET) < 0 ? disk_error()
                                                           : BV_OK;
}

/* --- entries --- */

/* What is in the buffer goes to the file. */
static void
drain(struct crl_file *f)
{
    struct span bytes = sink_view(&f->out);
    while (bytes.len > 0 && f->err == BV_OK) {
        ssize_t n = write(f->fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            f->err = disk_error();
        else
            bytes = span_of(bytes.data + n, bytes.len - (size_t)n);
    }
    f->out = SINK_ARRAY(f->buf);
}

/* RFC 5280 3.3: an entry stays until it was on one CRL issued beyond its
 * certificate's validity. */
static bool
is_stale(struct crl_file *f, const struct store_revoked *row)
{
    if (row->not_after >= f->prune_before)
        return false;
    if (f->stale_first == 0)
        f->stale_first = row->seq;
    f->stale_last = row->seq;
    return true;
}

static enum bv_err
write_entry(void *user, const struct store_revoked *row)
{
    struct crl_file *f = user;
    const struct crl_entry entry = {row->serial, row->at, row->reason};
    if (is_stale(f, row))
        return BV_OK;
    size_t before = f->out.len;
    crl_put_entry(&f->out, &entry);
    f->entries_len += f->out.len - before;
    f->num++;
    if (f->out.failed)
        return BV_E_CORRUPT;
    if (f->out.cap - f->out.len < CRL_ENTRY_MAX)
        drain(f);
    return f->err;
}

static void
flush(struct crl_file *f)
{
    uint64_t end = f->start_len + f->entries_len;
    if (end - f->flushed < PIECE_OCTETS)
        return;
    flush_piece(f->fd, f->flushed, end);
    f->flushed = end;
}

/* What stands before and after the entries. */
static enum bv_err
write_around(struct crl_file *f, const struct crl_head *head)
{
    crl_put_end(&f->out, head);
    drain(f);
    off_t end = lseek(f->fd, 0, SEEK_CUR);
    if (lseek(f->fd, (off_t)f->outer_len, SEEK_SET) < 0)
        return disk_error();
    crl_put_start(&f->out, head, f->entries_len);
    drain(f);
    BV_TRY(f->err);
    /* What was announced is what was written. */
    return end == (off_t)(f->outer_len + f->tbs_len) ? BV_OK : BV_E_CORRUPT;
}

static enum bv_err
step_entries(struct crl_file *f, const struct cert *ca)
{
    struct crl_head head = head_of(f, ca);
    bool more;
    BV_TRY(f->store->revoked_next(f->walk, PIECE_ROWS, write_entry, f, &more));
    drain(f);
    BV_TRY(f->err);
    flush(f);
    if (more)
        return BV_OK;
    f->store->revoked_close(f->walk);
    f->walk = NULL;
    if (entries_at(f, &head, f->entries_len) != f->start_len)
        return BV_E_BUSY;
    return write_around(f, &head);
}

/* --- the hash --- */

static enum bv_err
step_hash(struct crl_file *f)
{
    uint64_t end = f->hashed + PIECE_OCTETS;
    if (end > f->tbs_len)
        end = f->tbs_len;
    while (f->hashed < end) {
        uint64_t left = end - f->hashed;
        size_t want = left < sizeof f->buf ? (size_t)left : sizeof f->buf;
        ssize_t n =
            pread(f->fd, f->buf, want, (off_t)(f->outer_len + f->hashed));
        if (n <= 0)
            return BV_E_IO;
        digest_update(f->hash, span_of(f->buf, (size_t)n));
        f->hashed += (uint64_t)n;
    }
    return BV_OK;
}

enum bv_err
crl_file_step(struct crl_file *f, const struct cert *ca, bool *ret_more)
{
    f->stale_first = f->stale_last = 0;
    *ret_more = true;
    if (f->walk != NULL)
        return step_entries(f, ca);
    BV_TRY(step_hash(f));
    if (f->hashed < f->tbs_len)
        return BV_OK;
    digest_final(f->hash, f->digest);
    f->digest_len = digest_len(digest_for(f->sig));
    *ret_more = false;
    return BV_OK;
}

enum bv_err
crl_file_tbs(const struct crl_file *f, struct sink *out)
{
    if (f->tbs_len > out->cap - out->len)
        return BV_E_TOO_LARGE;
    ssize_t n = pread(f->fd, out->data + out->len, (size_t)f->tbs_len,
                      (off_t)f->outer_len);
    if (n != (ssize_t)f->tbs_len)
        return disk_error();
    out->len += f->tbs_len;
    return BV_OK;
}

/* --- completing --- */

static enum bv_err
write_at(int fd, off_t at, struct span bytes)
{
    ssize_t n = pwrite(fd, bytes.data, bytes.len, at);
    return n == (ssize_t)bytes.len ? BV_OK : disk_error();
}

enum bv_err
crl_file_complete(struct crl_file *f, struct span signature)
{
    uint8_t buf[CRL_OUTER_MAX + CRL_SIGNATURE_MAX];
    struct sink outer = SINK_ARRAY(buf);
    crl_put_outer(&outer, f->tbs_len, f->sig, signature.len);
    if (outer.len != f->outer_len)
        return BV_E_BUSY;
    BV_TRY(write_at(f->fd, 0, sink_view(&outer)));
    struct sink tail = SINK_ARRAY(buf);
    crl_put_signature(&tail, f->sig, signature);
    BV_TRY(
        write_at(f->fd, (off_t)(f->outer_len + f->tbs_len), sink_view(&tail)));
    return fsync(f->fd) == 0 ? BV_OK : disk_error();
}

void
crl_file_close(struct crl_file *f)
{
    if (f->walk != NULL)
        f->store->revoked_close(f->walk);
    if (f->fd >= 0)
        (void)close(f->fd);
    digest_free(f->hash);
    f->walk = NULL;
    f->fd = -1;
    f->hash = NULL;
}

/* --- reading back --- */

static enum bv_err
map_file(const char *path, struct span *ret_bytes)
{
    bv_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return errno == ENOENT ? BV_E_NOT_FOUND : BV_E_IO;
    if (fstat(fd, &st) != 0 || st.st_size <= 0)
        return BV_E_IO;
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return BV_E_NO_MEMORY;
    *ret_bytes = span_of(at, (size_t)st.st_size);
    return BV_OK;
}

static void
unmap(struct span bytes)
{
    (void)munmap((void *)(uintptr_t)bytes.data, bytes.len);
}

static uint64_t
number_of(const struct crl *crl)
{
    uint64_t number = 0;
    for (size_t i = 0; i < crl->number.len && crl->number.len <= 8; i++)
        number = number << 8 | crl->number.data[i];
    return number;
}

static void
fingerprint(const struct crl *crl, uint8_t ret_sha256[DIGEST_SHA256_LEN])
{
    digest_sha256(crl->whole.len > READ_WHOLE ? crl->signature : crl->whole,
                  ret_sha256);
}

static enum bv_err
look(struct span file, struct crl_file_facts *ret)
{
    struct crl crl;
    BV_TRY(crl_parse(file, &crl));
    *ret = (struct crl_file_facts){.number = number_of(&crl),
                                   .this_update = crl.this_update,
                                   .next_update = crl.next_update};
    fingerprint(&crl, ret->sha256);
    return BV_OK;
}

enum bv_err
crl_file_look(const char *path, struct crl_file_facts *ret)
{
    struct span file;
    BV_TRY(map_file(path, &file));
    enum bv_err err = look(file, ret);
    unmap(file);
    return err;
}

/* Of a long one the hash that was made of the file's own octets counts; a
 * short one is hashed once more. */
static enum bv_err
check_signature(const struct crl_file *f, const struct crl *crl,
                const struct cert *ca)
{
    bv_auto(key) struct key *key = NULL;
    BV_TRY(key_of_spki(&ca->spki, &key));
    if (crl->whole.len <= READ_WHOLE)
        return key_verify(key, crl->sig, crl->tbs, crl->signature);
    return key_verify_digest(key, crl->sig, span_of(f->digest, f->digest_len),
                             crl->signature);
}

static enum bv_err
check(struct crl_file *f, const struct cert *ca, struct span file)
{
    struct crl crl;
    BV_TRY(crl_parse(file, &crl));
    if (crl.this_update != f->this_update || number_of(&crl) != f->number ||
        crl.tbs.len != f->tbs_len || !span_eq(crl.issuer, ca->subject))
        return BV_E_CORRUPT;
    BV_TRY(check_signature(f, &crl, ca));
    fingerprint(&crl, f->sha256);
    return BV_OK;
}

enum bv_err
crl_file_check(struct crl_file *f, const struct cert *ca)
{
    struct span file;
    BV_TRY(map_file(f->path, &file));
    enum bv_err err = check(f, ca, file);
    unmap(file);
    return err;
}
