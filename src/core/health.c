#include "core/health.h"

#include "base/log.h"
#include "core/job.h"
#include "core/piece.h"

static void
over(struct core *core, struct job *job, enum bv_err err)
{
    (void)core;
    (void)err;
    job_free(job);
}

static void
read_on(struct core *core, struct job *job)
{
    bool more = false;
    enum bv_err err = core->store->check_step(core->store->ctx, &more);
    if (err == BV_OK && more) {
        piece_add(core, job);
        return;
    }
    core->broken |= err == BV_E_CORRUPT; /* more would only spoil more */
    if (err != BV_OK && err != BV_E_CORRUPT)
        log_warn("the database could not be read through error=%s",
                 err_name(err));
    job_free(job);
}

enum bv_err
health_start(struct core *core)
{
    bool more = false;
    BV_TRY(core->store->check_step(core->store->ctx, &more));
    if (!more)
        return BV_OK;
    struct job *job = job_new();
    if (job == NULL)
        return BV_E_NO_MEMORY;
    job->on_piece = read_on;
    job->on_done = over;
    piece_add(core, job);
    return BV_OK;
}
