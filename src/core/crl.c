#include "core/crl.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/log.h"
#include "core/batch.h"
#include "core/job.h"
#include "core/sign.h"
#include "pki/digest.h"
#include "wire/crl.h"

#define EVERY_DEFAULT INT64_C(86400)
#define LIFE_DEFAULT  INT64_C(604800)
#define DELAY_DEFAULT 10
#define RETRY         30
#define WARN_EVERY    86400
#define BUF           65536
/* What fits MSG_SIGN with the key's name. */
#define WHOLE_MAX  65000
#define READ_WHOLE (1u << 20)

/* A CRL on its way; the job's extra. */
struct making {
    int64_t now, prune_before;
    uint64_t seen; /* the last status change there was when it was made */
    uint64_t number, entries_len, tbs_len, num;
    int64_t this_update, next_update;
    size_t outer_len;
    size_t sig_len; /* for which outer_len was left free */
    uint8_t issuer;
    char path[CORE_PATH_MAX + 8]; /* PATH.new */
    int fd;
    unsigned tries;
    enum alg_sig sig;
    uint8_t digest[DIGEST_MAX];
    size_t digest_len;
    uint8_t sha256[32];
    /* while writing */
    struct digest *hash;
    uint8_t buf[BUF];
    struct sink out;
    enum bv_err err;
};

static int64_t
or_default(int64_t value, int64_t fallback)
{
    return value > 0 ? value : fallback;
}

static bool
publishes(const struct issuer *issuer)
{
    return issuer->config->crl_path[0] != '\0' && !issuer->config->offline;
}

static enum bv_err
io_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? BV_E_DISK_FULL : BV_E_IO;
}

/* --- the schedule --- */

struct mapped {
    struct span bytes;
};

static enum bv_err
map_file(const char *path, struct mapped *ret)
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
    ret->bytes = span_of(at, (size_t)st.st_size);
    return BV_OK;
}

static void
unmap(struct mapped *file)
{
    (void)munmap((void *)(uintptr_t)file->bytes.data, file->bytes.len);
}

static uint64_t
number_of(const struct crl *crl)
{
    uint64_t number = 0;
    for (size_t i = 0; i < crl->number.len && crl->number.len <= 8; i++)
        number = number << 8 | crl->number.data[i];
    return number;
}

/* The file is the recorded CRL. Of a long one the head must do: it was read
 * back when it was made, and a start should not read 40 MB. */
static bool
is_recorded(const struct crl *crl, struct span file,
            const struct store_crl *row)
{
    uint8_t sha256[DIGEST_SHA256_LEN];
    if (number_of(crl) != row->number || crl->this_update != row->this_update)
        return false;
    if (file.len > READ_WHOLE)
        return true;
    digest_sha256(file, sha256);
    return memcmp(sha256, row->sha256, sizeof sha256) == 0;
}

/* Which status changes the newest CRL has seen: kept in meta, one row a CA. */
static void
seen_key(uint8_t issuer, char key[32])
{
    (void)snprintf(key, 32, "crl.seen.%u", issuer);
}

static bool
has_seen_all(const struct core *core, uint8_t issuer)
{
    char key[32];
    uint8_t buf[8];
    size_t len;
    uint64_t seen;
    seen_key(issuer, key);
    if (core->map == NULL || /* then the last change is not known */
        core->store->meta_get(core->store->ctx, key, buf, sizeof buf, &len) !=
            BV_OK)
        return false;
    struct span in = span_of(buf, len);
    return span_u64(&in, &seen) == BV_OK && seen == core->mark.change;
}

static enum bv_err
put_seen(struct core *core, uint8_t issuer, uint64_t change)
{
    char key[32];
    uint8_t buf[8];
    struct sink out = SINK_ARRAY(buf);
    seen_key(issuer, key);
    sink_u64(&out, change);
    return core->store->meta_put(core->store->ctx, key, sink_view(&out));
}

struct published {
    uint64_t number;
    int64_t this_update, next_update;
    bool is_recorded;
};

static struct published
look_at_file(const char *path, const struct store_crl *row)
{
    struct mapped file;
    struct crl crl;
    struct published found = {0};
    if (map_file(path, &file) != BV_OK)
        return found;
    if (crl_parse(file.bytes, &crl) == BV_OK)
        found = (struct published){number_of(&crl), crl.this_update,
                                   crl.next_update,
                                   is_recorded(&crl, file.bytes, row)};
    unmap(&file);
    return found;
}

enum bv_err
crl_open(struct core *core, struct issuer *issuer)
{
    struct store_crl row = {0};
    if (issuer->config->crl_path[0] == '\0')
        return BV_OK;
    enum bv_err err = core->store->crl_last(core->store->ctx, issuer->id, &row);
    if (err != BV_OK && err != BV_E_NOT_FOUND)
        return err;
    struct published file = look_at_file(issuer->config->crl_path, &row);
    issuer->crl_number = row.number > file.number ? row.number : file.number;
    issuer->crl_this = row.this_update;
    issuer->crl_next = row.next_update;
    /* The last one that was surely shown. */
    issuer->crl_prune_before =
        file.is_recorded ? row.this_update : file.this_update;
    issuer->crl_known = true;
    if (issuer->config->offline) {
        /* Its CRLs come from elsewhere; they are watched only. */
        if (file.next_update > row.next_update) {
            issuer->crl_this = file.this_update;
            issuer->crl_next = file.next_update;
        }
        return BV_OK;
    }
    /* The published one serves on when it is the recorded one and lists all
     * that has happened; otherwise one is made now. */
    issuer->crl_due = core_now(core);
    if (err == BV_OK && file.is_recorded && has_seen_all(core, issuer->id))
        issuer->crl_due = row.this_update +
                          or_default(issuer->config->crl_every, EVERY_DEFAULT);
    return BV_OK;
}

void
crl_touch(struct core *core, uint8_t issuer_id)
{
    struct issuer *issuer = core_issuer_of_id(core, issuer_id);
    if (issuer == NULL || !publishes(issuer) || issuer->config->crl_delay < 0)
        return;
    int64_t due =
        core_now(core) + or_default(issuer->config->crl_delay, DELAY_DEFAULT);
    if (issuer->crl_due == 0 || issuer->crl_due > due)
        issuer->crl_due = due;
}

/* --- writing --- */

/* What is in the buffer goes to the file. */
static void
drain(struct making *m)
{
    struct span bytes = sink_view(&m->out);
    while (bytes.len > 0 && m->err == BV_OK) {
        ssize_t n = write(m->fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            m->err = io_error();
        else
            bytes = span_of(bytes.data + n, bytes.len - (size_t)n);
    }
    m->out = SINK_ARRAY(m->buf);
}

static struct crl_entry
entry_of(const struct store_revoked *row)
{
    return (struct crl_entry){row->serial, row->at, row->reason};
}

/* RFC 5280 3.3: an entry stays until it was on one CRL issued beyond its
 * certificate's validity. */
static bool
is_listed(const struct making *m, const struct store_revoked *row)
{
    return row->not_after >= m->prune_before;
}

static enum bv_err
write_entry(void *user, const struct store_revoked *row)
{
    struct making *m = user;
    struct crl_entry entry = entry_of(row);
    if (!is_listed(m, row))
        return BV_OK;
    size_t before = m->out.len;
    crl_put_entry(&m->out, &entry);
    m->entries_len += m->out.len - before;
    m->num++;
    if (m->out.failed)
        return BV_E_CORRUPT;
    if (m->out.cap - m->out.len < CRL_ENTRY_MAX)
        drain(m);
    return m->err;
}

static struct crl_head
head_of(const struct making *m, const struct issuer *issuer)
{
    return (struct crl_head){.issuer = issuer->cert.subject,
                             .sig = m->sig,
                             .this_update = m->this_update,
                             .next_update = m->next_update,
                             .key_id = issuer->cert.ski,
                             .number = m->number};
}

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

static enum bv_err
open_file(struct making *m)
{
    m->fd = open(m->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    /* public, whatever the umask */
    return m->fd >= 0 && fchmod(m->fd, 0644) == 0 ? BV_OK : io_error();
}

/* How long the entries were on the last CRL, about. */
static uint64_t
guess_entries_len(const struct issuer *issuer)
{
    struct stat st;
    return stat(issuer->config->crl_path, &st) == 0 && st.st_size > 0
               ? (uint64_t)st.st_size
               : 0;
}

/* Where the entries start in the file when they have this length. */
static size_t
entries_at(struct making *m, const struct crl_head *head, uint64_t entries_len)
{
    uint8_t buf[CRL_START_MAX];
    struct sink start = SINK_ARRAY(buf);
    m->tbs_len = crl_tbs_len(head, entries_len);
    m->outer_len = crl_outer_len(m->tbs_len, m->sig, m->sig_len);
    crl_put_start(&start, head, entries_len);
    return m->outer_len + start.len;
}

/* The headers in front state the length of all entries, which is known only
 * when they are written. But how much room the headers take changes at a few
 * lengths only: the entries go to where they belong by a guess, and once more,
 * with the true length, when it was the wrong one. */
static enum bv_err
write_entries(struct core *core, struct making *m, const struct crl_head *head)
{
    uint64_t guess = m->entries_len;
    size_t at = entries_at(m, head, guess);
    m->entries_len = m->num = 0;
    m->out = SINK_ARRAY(m->buf);
    if (ftruncate(m->fd, 0) != 0 || lseek(m->fd, (off_t)at, SEEK_SET) < 0)
        return io_error();
    BV_TRY(
        core->store->revoked_each(core->store->ctx, m->issuer, write_entry, m));
    drain(m);
    BV_TRY(m->err);
    return entries_at(m, head, m->entries_len) == at ? BV_OK : BV_E_BUSY;
}

/* Reads len octets from at on through one digest or two, in small pieces. */
static enum bv_err
hash_range(struct making *m, uint64_t at, uint64_t len, struct digest *hash,
           struct digest *also)
{
    while (len > 0) {
        size_t want = len < sizeof m->buf ? (size_t)len : sizeof m->buf;
        ssize_t n = pread(m->fd, m->buf, want, (off_t)at);
        if (n <= 0)
            return BV_E_IO;
        digest_update(hash, span_of(m->buf, (size_t)n));
        if (also != NULL)
            digest_update(also, span_of(m->buf, (size_t)n));
        at += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return BV_OK;
}

static enum bv_err
write_tbs(struct core *core, struct making *m, const struct issuer *issuer)
{
    struct crl_head head = head_of(m, issuer);
    m->sig_len = longest_signature(&issuer->cert);
    m->entries_len = guess_entries_len(issuer);
    BV_TRY(open_file(m));
    enum bv_err err = write_entries(core, m, &head);
    if (err == BV_E_BUSY)
        err = write_entries(core, m, &head);
    if (err != BV_OK)
        return err;
    crl_put_end(&m->out, &head);
    drain(m);
    off_t end = lseek(m->fd, 0, SEEK_CUR);
    if (lseek(m->fd, (off_t)m->outer_len, SEEK_SET) < 0)
        return io_error();
    crl_put_start(&m->out, &head, m->entries_len);
    drain(m);
    BV_TRY(m->err);
    /* What was announced is what was written. */
    if (end != (off_t)(m->outer_len + m->tbs_len))
        return BV_E_CORRUPT;
    BV_TRY(hash_range(m, m->outer_len, m->tbs_len, m->hash, NULL));
    digest_final(m->hash, m->digest);
    m->digest_len = digest_len(digest_for(m->sig));
    return BV_OK;
}

/* --- finishing --- */

static enum bv_err
write_at(int fd, off_t at, struct span bytes)
{
    ssize_t n = pwrite(fd, bytes.data, bytes.len, at);
    return n == (ssize_t)bytes.len ? BV_OK : io_error();
}

static enum bv_err
write_frame(struct making *m, struct span signature)
{
    uint8_t buf[CRL_OUTER_MAX + CRL_SIGNATURE_MAX];
    struct sink outer = SINK_ARRAY(buf);
    crl_put_outer(&outer, m->tbs_len, m->sig, signature.len);
    if (outer.len != m->outer_len)
        return BV_E_BUSY; /* the rare header of another length: sign again */
    BV_TRY(write_at(m->fd, 0, sink_view(&outer)));
    struct sink tail = SINK_ARRAY(buf);
    crl_put_signature(&tail, m->sig, signature);
    BV_TRY(
        write_at(m->fd, (off_t)(m->outer_len + m->tbs_len), sink_view(&tail)));
    return fsync(m->fd) == 0 ? BV_OK : io_error();
}

static enum bv_err
check_crl(const struct making *m, const struct issuer *issuer, struct span der)
{
    struct crl crl;
    bv_auto(key) struct key *key = NULL;
    BV_TRY(crl_parse(der, &crl));
    if (crl.this_update != m->this_update ||
        !span_eq(crl.issuer, issuer->cert.subject))
        return BV_E_CORRUPT;
    BV_TRY(key_of_spki(&issuer->cert.spki, &key));
    return key_verify(key, crl.sig, crl.tbs, crl.signature);
}

static enum bv_err
check_digests(struct making *m)
{
    uint8_t again[DIGEST_MAX];
    struct stat st;
    bv_auto(digest) struct digest *whole = NULL;
    uint64_t tail = m->outer_len + m->tbs_len;
    if (fstat(m->fd, &st) != 0 || (uint64_t)st.st_size <= tail)
        return BV_E_IO;
    BV_TRY(digest_new(DIGEST_SHA256, &whole));
    BV_TRY(hash_range(m, 0, m->outer_len, whole, NULL));
    BV_TRY(hash_range(m, m->outer_len, m->tbs_len, whole, m->hash));
    BV_TRY(hash_range(m, tail, (uint64_t)st.st_size - tail, whole, NULL));
    digest_final(m->hash, again);
    if (memcmp(again, m->digest, m->digest_len) != 0)
        return BV_E_CORRUPT;
    digest_final(whole, m->sha256);
    return BV_OK;
}

/* What the disk gives back is what was meant. A short list is also parsed and
 * its signature verified; a long one would have to be mapped whole for that,
 * and differs in nothing but its entries. */
static enum bv_err
read_back(struct making *m, const struct issuer *issuer)
{
    struct mapped file;
    BV_TRY(check_digests(m));
    if (m->tbs_len > READ_WHOLE)
        return BV_OK;
    BV_TRY(map_file(m->path, &file));
    enum bv_err err = check_crl(m, issuer, file.bytes);
    unmap(&file);
    return err;
}

static enum bv_err
record(struct core *core, const struct making *m, const struct issuer *issuer)
{
    char detail[80];
    struct store_crl row = {.issuer = issuer->id,
                            .number = m->number,
                            .this_update = m->this_update,
                            .next_update = m->next_update};
    memcpy(row.sha256, m->sha256, sizeof row.sha256);
    (void)snprintf(detail, sizeof detail, "number %llu, %llu entries",
                   (unsigned long long)m->number, (unsigned long long)m->num);
    struct audit_event event = {
        .action = AUDIT_CRL_PUBLISH,
        .actor = AUDIT_ACTOR_SYSTEM,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_CA,
        .outcome = AUDIT_OK,
        .actor_id = SPAN_LIT("core"),
        .object_id = span_str(issuer->config->name),
        .detail = span_str(detail),
    };
    BV_TRY(batch_begin(core));
    BV_TRY(core->store->crl_put(core->store->ctx, &row));
    BV_TRY(put_seen(core, issuer->id, m->seen));
    BV_TRY(core->store->revoked_prune(core->store->ctx, issuer->id,
                                      m->prune_before));
    return batch_audit(core, &event);
}

static void
making_free(struct making *m)
{
    if (m->fd >= 0)
        (void)close(m->fd);
    digest_free(m->hash);
}

static void
give_up(struct core *core, struct job *job, enum bv_err err)
{
    struct making *m = job->extra;
    struct issuer *issuer = core_issuer_of_id(core, m->issuer);
    log_error("a CRL could not be published number=%llu err=%s",
              (unsigned long long)m->number, err_name(err));
    (void)unlink(m->path);
    if (issuer != NULL) {
        issuer->crl_busy = false;
        issuer->crl_due = core_now(core) + RETRY;
    }
    making_free(m);
    job_free(job);
}

static enum bv_err
rename_into_place(const char *from, const char *to)
{
    char copy[CORE_PATH_MAX];
    if (rename(from, to) != 0)
        return io_error();
    (void)snprintf(copy, sizeof copy, "%s", to);
    bv_auto_close int dir =
        open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir >= 0 && fsync(dir) == 0 ? BV_OK : io_error();
}

static void
schedule_next(struct issuer *issuer, const struct making *m)
{
    issuer->crl_busy = false;
    issuer->crl_warned = 0;
    issuer->crl_number = m->number;
    issuer->crl_this = issuer->crl_prune_before = m->this_update;
    issuer->crl_next = m->next_update;
    int64_t due = m->now + or_default(issuer->config->crl_every, EVERY_DEFAULT);
    /* A change while this one was made is due already. */
    if (issuer->crl_due == 0 || issuer->crl_due > due)
        issuer->crl_due = due;
}

static void
crl_done(struct core *core, struct job *job, enum bv_err err)
{
    struct making *m = job->extra;
    struct issuer *issuer = core_issuer_of_id(core, m->issuer);
    if (err == BV_OK && issuer == NULL)
        err = BV_E_NOT_FOUND;
    if (err == BV_OK) {
        issuer->crl_number = m->number; /* recorded: never used again */
        err = rename_into_place(m->path, issuer->config->crl_path);
    }
    if (err != BV_OK) {
        give_up(core, job, err);
        return;
    }
    schedule_next(issuer, m);
    log_info("CRL published ca=%s number=%llu entries=%llu",
             issuer->config->name, (unsigned long long)m->number,
             (unsigned long long)m->num);
    if (core->calls.files_changed != NULL)
        core->calls.files_changed(core->calls.user);
    making_free(m);
    job_free(job);
}

static enum bv_err
request_signature(struct core *core, struct job *job,
                  const struct issuer *issuer)
{
    struct making *m = job->extra;
    uint8_t whole[WHOLE_MAX];
    if (m->sig != ALG_SIG_ED25519)
        return job_sign_digest(core, job, issuer->config->name,
                               span_of(m->digest, m->digest_len));
    if (m->tbs_len > WHOLE_MAX)
        return BV_E_TOO_LARGE;
    if (pread(m->fd, whole, m->tbs_len, (off_t)m->outer_len) !=
        (ssize_t)m->tbs_len)
        return io_error();
    return job_sign(core, job, issuer->config->name,
                    span_of(whole, m->tbs_len));
}

static void
crl_signed(struct core *core, struct job *job, enum bv_err err,
           struct span signature)
{
    struct making *m = job->extra;
    struct issuer *issuer = core_issuer_of_id(core, m->issuer);
    if (err == BV_OK && issuer == NULL)
        err = BV_E_NOT_FOUND;
    if (err == BV_OK)
        err = write_frame(m, signature);
    if (err == BV_E_BUSY && m->tries++ < 32) {
        err = request_signature(core, job, issuer);
        if (err == BV_OK)
            return;
    }
    if (err == BV_OK)
        err = read_back(m, issuer);
    if (err == BV_OK) {
        err = record(core, m, issuer);
        if (err != BV_OK)
            batch_fail(core, err);
    }
    if (err != BV_OK)
        give_up(core, job, err);
    else
        batch_ready(core, job);
}

/* --- starting --- */

static enum bv_err
prepare(struct core *core, struct issuer *issuer, struct making *m)
{
    int64_t now = core_now(core);
    m->fd = -1;
    m->now = m->this_update = now;
    m->seen = core->mark.change;
    m->prune_before = issuer->crl_prune_before;
    /* RFC 5280 5.1.2.5: never earlier than an earlier CRL promised. */
    m->next_update = now + or_default(issuer->config->crl_life, LIFE_DEFAULT);
    if (m->next_update < issuer->crl_next)
        m->next_update = issuer->crl_next;
    m->number = issuer->crl_number + 1;
    m->issuer = issuer->id;
    m->sig = alg_sig_of_key(issuer->cert.spki.alg);
    (void)snprintf(m->path, sizeof m->path, "%s.new", issuer->config->crl_path);
    return digest_new(digest_for(m->sig), &m->hash);
}

static enum bv_err
make(struct core *core, struct job *job, struct issuer *issuer)
{
    struct making *m = job->extra;
    BV_TRY(prepare(core, issuer, m));
    BV_TRY(write_tbs(core, m, issuer));
    return request_signature(core, job, issuer);
}

enum bv_err
crl_start(struct core *core, struct issuer *issuer)
{
    if (!publishes(issuer))
        return BV_E_NOT_FOUND;
    BV_TRY(sign_clock(core, core_now(core)));
    if (issuer->crl_busy)
        return BV_E_BUSY;
    if (!issuer->crl_known)
        BV_TRY(crl_open(core, issuer));
    struct job *job = job_new();
    if (job == NULL)
        return BV_E_NO_MEMORY;
    struct making *m = calloc(1, sizeof *m);
    if (m == NULL) {
        job_free(job);
        return BV_E_NO_MEMORY;
    }
    m->fd = -1;
    m->issuer = issuer->id;
    job->extra = m;
    job->on_signed = crl_signed;
    job->on_done = crl_done;
    issuer->crl_busy = true;
    issuer->crl_due = 0;
    enum bv_err err = make(core, job, issuer);
    if (err != BV_OK)
        give_up(core, job, err);
    return err;
}

bool
crl_is_late(const struct issuer *issuer, int64_t now)
{
    int64_t life = issuer->crl_next - issuer->crl_this;
    return issuer->crl_next != 0 && now >= issuer->crl_next - life / 3;
}

/* The watchdog repeats itself each day. */
static void
watch(struct issuer *issuer, int64_t now)
{
    if (!crl_is_late(issuer, now) ||
        (issuer->crl_warned != 0 && now - issuer->crl_warned < WARN_EVERY))
        return;
    issuer->crl_warned = now;
    log_error("the CRL is late ca=%s seconds_left=%lld todo=\"%s\"",
              issuer->config->name, (long long)(issuer->crl_next - now),
              issuer->config->offline
                  ? "bring the CA's key back and do brevet crl publish"
                  : "do brevet crl publish, and see why it was not published");
}

static void
start_by_schedule(struct core *core, struct issuer *issuer)
{
    enum bv_err err = crl_start(core, issuer);
    if (err != BV_OK)
        log_debug("a CRL is tried again later err=%s", err_name(err));
}

int64_t
crl_tick(struct core *core, int64_t now)
{
    int64_t next = now + 3600;
    for (size_t i = 0; i < core->num_issuers; i++) {
        struct issuer *issuer = &core->issuers[i];
        watch(issuer, now);
        if (!publishes(issuer))
            continue;
        if (!issuer->crl_busy && core->signer != NULL && issuer->crl_due != 0 &&
            issuer->crl_due <= now)
            start_by_schedule(core, issuer);
        if (issuer->crl_due != 0 && issuer->crl_due < next)
            next = issuer->crl_due;
    }
    return next;
}
