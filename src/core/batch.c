#include "core/batch.h"

#include <assert.h>

#include "base/log.h"
#include "core/sequence.h"
#include "core/sign.h"

/* How much newer than the recorded newest fact a commit must be for the
 * record to move: one small write an hour. */
#define NEWEST_STEP 3600

static enum bv_err
open_batch(struct core *core)
{
    if (core->batch.open)
        return BV_OK;
    BV_TRY(core->store->begin(core->store->ctx));
    core->batch.open = true;
    core->batch.dirty = core->batch.own_changed = false;
    core->batch.mark = core->mark;
    return BV_OK;
}

enum bv_err
batch_begin(struct core *core)
{
    BV_TRY(open_batch(core));
    core->batch.dirty = core->batch.touched = true;
    return BV_OK;
}

void
batch_look(struct core *core)
{
    enum bv_err err = open_batch(core);
    (void)err; /* whoever writes will meet it again */
}

void
batch_ready(struct core *core, struct job *job)
{
    job->next = NULL;
    *core->batch.tail = job;
    core->batch.tail = &job->next;
}

enum bv_err
batch_map(struct core *core, uint64_t seq, uint64_t word, uint64_t change)
{
    struct batch *b = &core->batch;
    if (b->num_puts == b->cap_puts) {
        size_t cap = b->cap_puts == 0 ? 256 : 2 * b->cap_puts;
        struct map_put *grown = realloc(b->puts, cap * sizeof *grown);
        if (grown == NULL)
            return BV_E_NO_MEMORY;
        b->puts = grown;
        b->cap_puts = cap;
    }
    b->puts[b->num_puts++] = (struct map_put){seq, word};
    if (seq > b->mark.seq)
        b->mark.seq = seq;
    if (change > b->mark.change)
        b->mark.change = change;
    return BV_OK;
}

enum bv_err
batch_audit(struct core *core, const struct audit_event *event)
{
    BV_TRY(batch_begin(core));
    return audit_append(core->audit, event, NULL);
}

/* What was refused stays refused; "wait" is a promise that there is a row. */
static enum bv_err
outcome_of(const struct job *job, enum bv_err err)
{
    bool promised = job->err == BV_OK || job->err == BV_E_PENDING;
    return promised && err != BV_OK ? err : job->err;
}

/* The jobs leave the batch first: ending one may start another batch. */
static void
end_jobs(struct core *core, enum bv_err err)
{
    struct job *job = core->batch.head;
    core->batch.head = NULL;
    core->batch.tail = &core->batch.head;
    while (job != NULL) {
        struct job *next = job->next;
        job->next = NULL;
        job->on_done(core, job, outcome_of(job, err));
        job = next;
    }
}

enum bv_err
batch_error(enum bv_err err)
{
    return err_fault(err) == BV_FAULT_PEER ? BV_E_UNAVAILABLE : err;
}

void
batch_fail(struct core *core, enum bv_err err)
{
    assert(err != BV_OK);
    log_error("a batch was undone error=%s", err_name(err));
    core->broken |= err == BV_E_CORRUPT; /* more would only spoil more */
    err = batch_error(err);
    if (core->batch.open) {
        core->store->rollback(core->store->ctx);
        core->batch.open = false;
        enum bv_err audit_err = audit_rollback(core->audit);
        if (audit_err != BV_OK) {
            log_error("the audit log cannot be read back error=%s",
                      err_name(audit_err));
            core->broken = true;
        }
    }
    sequence_rolled_back(&core->sequence);
    core->batch.num_puts = 0;
    end_jobs(core, err);
}

/* A time that is not believed is no fact: recorded, it would be believed. */
static bool
is_newer(const struct core *core, int64_t now)
{
    return now >= core->newest + NEWEST_STEP && sign_clock(core, now) == BV_OK;
}

static enum bv_err
record_newest(struct core *core)
{
    int64_t now = core_now(core);
    if (!is_newer(core, now))
        return BV_OK;
    uint8_t buf[8];
    struct sink out = SINK_ARRAY(buf);
    sink_u64(&out, (uint64_t)now);
    return core->store->meta_put(core->store->ctx, "clock.newest",
                                 sink_view(&out));
}

static enum bv_err
write_all(struct core *core)
{
    BV_TRY(sequence_refill(core));
    BV_TRY(record_newest(core));
    if (core->map != NULL && core->batch.num_puts > 0)
        BV_TRY(statusmap_reserve(core->map, core->batch.mark.seq));
    return core->store->commit(core->store->ctx);
}

/* After the commit nothing may fail any more: the room was reserved. */
static void
publish_map(struct core *core)
{
    struct batch *b = &core->batch;
    for (size_t i = 0; core->map != NULL && i < b->num_puts; i++) {
        if (statusmap_put(core->map, b->puts[i].seq, b->puts[i].word) != BV_OK)
            core->broken = true;
    }
    b->num_puts = 0;
    core->mark = b->mark;
}

static void
committed(struct core *core)
{
    int64_t now = core_now(core);
    core->stats.commits++;
    if (is_newer(core, now))
        core->newest = now;
    core->own_changed |= core->batch.own_changed;
    sequence_committed(&core->sequence);
    publish_map(core);
}

enum bv_err
batch_commit(struct core *core)
{
    if (core->batch.open) {
        enum bv_err err = core->batch.dirty
                              ? write_all(core)
                              : core->store->commit(core->store->ctx);
        if (err != BV_OK) {
            batch_fail(core, err);
            return core->broken ? BV_E_CORRUPT : err;
        }
        core->batch.open = false;
        if (core->batch.dirty)
            committed(core);
    }
    end_jobs(core, BV_OK);
    return core->broken ? BV_E_CORRUPT : BV_OK;
}
