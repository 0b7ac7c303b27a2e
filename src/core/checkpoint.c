#include "core/checkpoint.h"

#include <string.h>

#include "base/log.h"
#include "core/batch.h"
#include "core/infra.h"
#include "core/job.h"

#define EVERY 60 /* seconds */

static void
end(struct core *core, struct job *job, enum bv_err err)
{
    core->checkpoint_busy = false;
    if (err != BV_OK)
        log_warn("a checkpoint failed error=%s", err_name(err));
    job_free(job);
}

/* Beside the database, so that an older one put back in its place shows. */
static void
keep(const struct core *core)
{
    static uint8_t buf[TLOG_NOTE_MAX];
    struct sink note = SINK_ARRAY(buf);
    struct tlog_checkpoint checkpoint;
    if (core->config->checkpoint_path[0] == '\0')
        return;
    enum bv_err err = audit_checkpoint_last(core->audit, &note, &checkpoint);
    if (err == BV_OK)
        err = infra_write_file(core->config->checkpoint_path, 0600,
                               sink_view(&note));
    if (err != BV_OK)
        log_warn("the checkpoint could not be kept path=%s error=%s",
                 core->config->checkpoint_path, err_name(err));
}

enum bv_err
checkpoint_kept(const struct core_config *config, struct sink *out)
{
    size_t len;
    if (config->checkpoint_path[0] == '\0')
        return BV_E_NOT_FOUND;
    BV_TRY(infra_read_file(config->checkpoint_path, out->data, out->cap, &len));
    out->len = len;
    return BV_OK;
}

static void
on_stored(struct core *core, struct job *job, enum bv_err err)
{
    if (err == BV_OK)
        keep(core);
    end(core, job, err);
}

static void
on_signed(struct core *core, struct job *job, enum bv_err err,
          struct span signature)
{
    if (err == BV_OK)
        err = batch_begin(core);
    if (err != BV_OK) {
        end(core, job, err);
        return;
    }
    err = audit_checkpoint_store(core->audit, span_of(job->tbs, job->tbs_len),
                                 core->config->log_key.data, signature);
    job->on_done = on_stored;
    if (err != BV_OK) {
        batch_fail(core, err);
        end(core, job, err);
        return;
    }
    batch_ready(core, job);
}

/* The text was remembered durably: now it may be signed. */
static void
on_noted(struct core *core, struct job *job, enum bv_err err)
{
    job->on_signed = on_signed;
    if (err == BV_OK)
        err = job_sign(core, job, "log", span_of(job->tbs, job->tbs_len));
    if (err != BV_OK)
        end(core, job, err);
}

static enum bv_err
write_text(struct core *core, struct job *job)
{
    uint8_t buf[512];
    struct sink out = SINK_ARRAY(buf);
    struct span text;
    BV_TRY(batch_begin(core));
    BV_TRY(audit_checkpoint_body(core->audit, &out));
    BV_TRY(sink_done(&out, &text));
    job->tbs = malloc(text.len);
    if (job->tbs == NULL)
        return BV_E_NO_MEMORY;
    memcpy(job->tbs, text.data, text.len);
    job->tbs_len = text.len;
    return BV_OK;
}

enum bv_err
checkpoint_start(struct core *core)
{
    if (core->config->log_key.len != 32)
        return BV_E_NOT_FOUND;
    if (core->checkpoint_busy)
        return BV_E_BUSY;
    struct job *job = job_new();
    if (job == NULL)
        return BV_E_NO_MEMORY;
    enum bv_err err = write_text(core, job);
    if (err != BV_OK) {
        batch_fail(core, err);
        job_free(job);
        return err;
    }
    core->checkpoint_busy = true;
    job->on_done = on_noted;
    batch_ready(core, job);
    return BV_OK;
}

static void
start_by_schedule(struct core *core)
{
    if (core->signer == NULL || core->config->log_key.len != 32 ||
        core->checkpoint_busy ||
        audit_size(core->audit) == audit_checkpoint_size(core->audit))
        return;
    enum bv_err err = checkpoint_start(core);
    if (err != BV_OK)
        log_warn("a checkpoint failed error=%s", err_name(err));
}

int64_t
checkpoint_tick(struct core *core, int64_t now, int64_t next)
{
    int64_t every = core->config->checkpoint_every;
    if (core->checkpoint_due <= now) {
        core->checkpoint_due = now + (every > 0 ? every : EVERY);
        start_by_schedule(core);
    }
    return core->checkpoint_due < next ? core->checkpoint_due : next;
}
