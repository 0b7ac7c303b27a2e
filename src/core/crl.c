#include "core/crl.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/disk.h"
#include "base/log.h"
#include "core/batch.h"
#include "core/crl_file.h"
#include "core/crl_wait.h"
#include "core/job.h"
#include "core/piece.h"
#include "core/sign.h"
#include "proc/pulse.h"

#define EVERY_DEFAULT INT64_C(86400)
#define LIFE_DEFAULT  INT64_C(604800)
#define DELAY_DEFAULT 10
#define RETRY         30
#define WARN_EVERY    86400
/* What fits MSG_SIGN with the key's name. */
#define WHOLE_MAX 65000
/* Wrong guesses and short signatures, before it is tried again later. */
#define TRIES_MAX 32

/* A CRL on its way; the job's extra. */
struct making {
    int64_t now;
    uint64_t seen; /* the last status change there was when it was made */
    unsigned tries;
    uint64_t turn; /* issuer.crl_begun */
    bool mend;     /* the last one was by a wrong clock: see crl.h */
    struct crl_file file;
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

/* --- the schedule --- */

bool
crl_is_ahead(const struct issuer *issuer, int64_t now)
{
    return issuer->crl_this > now + STEP_BACK;
}

int64_t
crl_next_update(const struct issuer *issuer, int64_t now)
{
    int64_t next = now + or_default(issuer->config->crl_life, LIFE_DEFAULT);
    /* RFC 5280 5.1.2.5: never earlier than an earlier CRL promised. */
    return next < issuer->crl_next && !crl_is_ahead(issuer, now)
               ? issuer->crl_next
               : next;
}

int64_t
crl_prune_before(const struct issuer *issuer, int64_t now)
{
    int64_t shown = issuer->crl_prune_before;
    return shown > now + STEP_BACK ? 0 : shown;
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

static bool
is_recorded(const struct crl_file_facts *file, const struct store_crl *row)
{
    return file->number == row->number &&
           file->this_update == row->this_update &&
           memcmp(file->sha256, row->sha256, sizeof row->sha256) == 0;
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
    struct crl_file_facts file = {0};
    enum bv_err seen = crl_file_look(issuer->config->crl_path, &file);
    issuer->crl_number = row.number > file.number ? row.number : file.number;
    issuer->crl_this = row.this_update;
    issuer->crl_next = row.next_update;
    bool recorded = seen == BV_OK && is_recorded(&file, &row);
    /* The last one that was surely shown. */
    issuer->crl_prune_before = recorded ? row.this_update : file.this_update;
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
    if (err == BV_OK && recorded && has_seen_all(core, issuer->id) &&
        !crl_is_ahead(issuer, core_now(core)))
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

/* --- finishing --- */

static enum bv_err
record(struct core *core, const struct making *m, const struct issuer *issuer)
{
    char detail[80];
    struct store_crl row = {.issuer = issuer->id,
                            .number = m->file.number,
                            .this_update = m->file.this_update,
                            .next_update = m->file.next_update};
    memcpy(row.sha256, m->file.sha256, sizeof row.sha256);
    (void)snprintf(detail, sizeof detail, "number %llu, %llu entries",
                   (unsigned long long)m->file.number,
                   (unsigned long long)m->file.num);
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
    return batch_audit(core, &event);
}

static void
give_up(struct core *core, struct job *job, enum bv_err err)
{
    struct making *m = job->extra;
    struct issuer *issuer = core_issuer_of_id(core, m->file.issuer);
    log_error("a CRL could not be published number=%llu error=%s",
              (unsigned long long)m->file.number, err_name(err));
    if (err == BV_E_TOO_LARGE && m->file.sig == ALG_SIG_ED25519)
        log_error("the CRL of an Ed25519 CA is full and its last one will run "
                  "out entries=%llu todo=\"issue from a CA with another kind "
                  "of key; what this one issued leaves the list as it "
                  "expires\"",
                  (unsigned long long)m->file.num);
    (void)unlink(m->file.path);
    if (issuer != NULL) {
        issuer->crl_busy = false;
        issuer->crl_failed = m->turn;
        issuer->crl_due = core_now(core) + RETRY;
    }
    crl_file_close(&m->file);
    job_free(job);
    crl_wait_look(core, core_now(core));
}

static void
schedule_next(struct issuer *issuer, const struct making *m)
{
    issuer->crl_busy = false;
    issuer->crl_shown = m->turn;
    issuer->crl_warned = 0;
    issuer->crl_number = m->file.number;
    issuer->crl_this = issuer->crl_prune_before = m->file.this_update;
    issuer->crl_next = m->file.next_update;
    int64_t due = m->now + or_default(issuer->config->crl_every, EVERY_DEFAULT);
    /* A change while this one was made is due already. */
    if (issuer->crl_due == 0 || issuer->crl_due > due)
        issuer->crl_due = due;
}

static void
crl_done(struct core *core, struct job *job, enum bv_err err)
{
    struct making *m = job->extra;
    struct issuer *issuer = core_issuer_of_id(core, m->file.issuer);
    if (err == BV_OK && issuer == NULL)
        err = BV_E_NOT_FOUND;
    if (err == BV_OK) {
        issuer->crl_number = m->file.number; /* recorded: never used again */
        err = disk_rename(m->file.path, issuer->config->crl_path);
    }
    if (err != BV_OK) {
        give_up(core, job, err);
        return;
    }
    schedule_next(issuer, m);
    log_info("CRL published ca=%s number=%llu entries=%llu",
             issuer->config->name, (unsigned long long)m->file.number,
             (unsigned long long)m->file.num);
    if (core->calls.files_changed != NULL)
        core->calls.files_changed(core->calls.user);
    crl_file_close(&m->file);
    job_free(job);
}

static enum bv_err
request_signature(struct core *core, struct job *job,
                  const struct issuer *issuer)
{
    const struct crl_file *f = &((struct making *)job->extra)->file;
    uint8_t whole[WHOLE_MAX];
    struct sink tbs = SINK_ARRAY(whole);
    if (f->sig != ALG_SIG_ED25519)
        return job_sign_digest(core, job, issuer->config->name,
                               span_of(f->digest, f->digest_len));
    BV_TRY(crl_file_tbs(f, &tbs));
    return job_sign(core, job, issuer->config->name, sink_view(&tbs));
}

static void
complete(struct core *core, struct job *job, enum bv_err err,
         struct span signature)
{
    struct making *m = job->extra;
    struct issuer *issuer = core_issuer_of_id(core, m->file.issuer);
    if (err == BV_OK && issuer == NULL)
        err = BV_E_NOT_FOUND;
    if (err == BV_OK)
        err = crl_file_complete(&m->file, signature);
    if (err == BV_E_BUSY && m->tries++ < TRIES_MAX) {
        err = request_signature(core, job, issuer);
        if (err == BV_OK)
            return;
    }
    if (err == BV_OK)
        err = crl_file_check(&m->file, &issuer->cert);
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

static void
crl_signed(struct core *core, struct job *job, enum bv_err err,
           struct span signature)
{
    enum pulse_work before = pulse_set(PULSE_DISK); /* all of it is synced */
    complete(core, job, err, signature);
    (void)pulse_set(before);
}

/* --- making --- */

/* How long the entries were on the last CRL, about. */
static uint64_t
guess_entries_len(const struct issuer *issuer)
{
    struct stat st;
    return stat(issuer->config->crl_path, &st) == 0 && st.st_size > 0
               ? (uint64_t)st.st_size
               : 0;
}

/* What the list will say is what is committed now. */
static enum bv_err
begin(struct core *core, const struct issuer *issuer, struct making *m,
      uint64_t entries_len)
{
    int64_t now = core_now(core);
    struct crl_file *f = &m->file;
    m->now = f->this_update = now;
    m->seen = core->mark.change;
    f->next_update = crl_next_update(issuer, now);
    return crl_file_begin(f, &issuer->cert, entries_len);
}

/* Stale entries were on the CRL before this one: they may go, whatever becomes
 * of this one. */
static enum bv_err
drop_stale(struct core *core, const struct crl_file *f)
{
    if (f->stale_first == 0)
        return BV_OK;
    enum bv_err err = batch_begin(core);
    if (err == BV_OK)
        err = core->store->revoked_prune(core->store->ctx, f->issuer,
                                         f->stale_first, f->stale_last,
                                         f->prune_before);
    if (err != BV_OK)
        batch_fail(core, err);
    return err;
}

/* What a CRL of the future let go is listed again. */
static enum bv_err
mend(struct core *core, const struct issuer *issuer, struct making *m)
{
    BV_TRY(batch_begin(core));
    enum bv_err err =
        core->store->revoked_mend(core->store->ctx, issuer->id, m->now);
    if (err != BV_OK) {
        batch_fail(core, err);
        return err;
    }
    BV_TRY(batch_commit(core));
    m->mend = false;
    return begin(core, issuer, m, guess_entries_len(issuer));
}

static enum bv_err
make_piece(struct core *core, struct job *job, const struct issuer *issuer)
{
    struct making *m = job->extra;
    bool more;
    if (m->mend)
        BV_TRY(mend(core, issuer, m));
    enum bv_err err = crl_file_step(&m->file, &issuer->cert, &more);
    if (err == BV_E_BUSY && m->tries++ < TRIES_MAX) /* a wrong guess */
        err = begin(core, issuer, m, m->file.entries_len);
    if (err == BV_OK)
        err = drop_stale(core, &m->file);
    if (err != BV_OK)
        return err;
    if (!more)
        return request_signature(core, job, issuer);
    piece_add(core, job);
    return BV_OK;
}

static void
crl_piece(struct core *core, struct job *job)
{
    struct making *m = job->extra;
    const struct issuer *issuer = core_issuer_of_id(core, m->file.issuer);
    enum bv_err err =
        issuer != NULL ? make_piece(core, job, issuer) : BV_E_NOT_FOUND;
    if (err != BV_OK)
        give_up(core, job, err);
}

static struct job *
new_job(const struct core *core, const struct issuer *issuer)
{
    int64_t now = core_now(core);
    struct job *job = job_new();
    struct making *m = calloc(1, sizeof *m);
    if (job == NULL || m == NULL) {
        free(m);
        job_free(job);
        return NULL;
    }
    struct crl_file *f = &m->file;
    f->fd = -1;
    f->store = core->store;
    f->issuer = issuer->id;
    f->number = issuer->crl_number + 1;
    f->prune_before = crl_prune_before(issuer, now);
    m->mend = crl_is_ahead(issuer, now);
    f->sig = alg_sig_of_key(issuer->cert.spki.alg);
    (void)snprintf(f->path, sizeof f->path, "%s.new", issuer->config->crl_path);
    job->extra = m;
    job->on_piece = crl_piece;
    job->on_signed = crl_signed;
    job->on_done = crl_done;
    return job;
}

/* What an open batch changed is not committed, so not on this list: what is
 * due for it stays due. */
static bool
has_changes(const struct core *core)
{
    return core->batch.open && core->batch.mark.change != core->mark.change;
}

/* thisUpdate is the date a client asks by (If-Modified-Since), in seconds: who
 * has the last one would be told that there is none newer. Not true of what a
 * clock that was ahead has made: that is not waited for. */
static bool
is_too_soon(const struct issuer *issuer, int64_t now)
{
    return now <= issuer->crl_this && !crl_is_ahead(issuer, now);
}

enum bv_err
crl_start(struct core *core, struct issuer *issuer)
{
    if (!publishes(issuer))
        return BV_E_NOT_FOUND;
    BV_TRY(sign_clock(core, core_now(core)));
    if (issuer->crl_busy)
        return BV_E_BUSY;
    if (core->signer == NULL)
        return BV_E_UNAVAILABLE;
    if (!issuer->crl_known)
        BV_TRY(crl_open(core, issuer));
    if (is_too_soon(issuer, core_now(core))) {
        issuer->crl_due = issuer->crl_this + 1;
        return BV_E_BUSY;
    }
    struct job *job = new_job(core, issuer);
    if (job == NULL)
        return BV_E_NO_MEMORY;
    issuer->crl_busy = true;
    if (!has_changes(core))
        issuer->crl_due = 0;
    ((struct making *)job->extra)->turn = ++issuer->crl_begun;
    enum bv_err err =
        begin(core, issuer, job->extra, guess_entries_len(issuer));
    if (err != BV_OK)
        give_up(core, job, err);
    else
        piece_add(core, job);
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
                  ? "bring the CA's key and do brevet ca crl"
                  : "do brevet crl publish, and see why it was not published");
}

static void
start_by_schedule(struct core *core, struct issuer *issuer)
{
    enum bv_err err = crl_start(core, issuer);
    if (err != BV_OK)
        log_debug("a CRL is tried again later error=%s", err_name(err));
}

int64_t
crl_tick(struct core *core, int64_t now)
{
    int64_t next = now + 3600;
    crl_wait_look(core, now);
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
