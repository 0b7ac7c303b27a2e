#include "core/piece.h"

#include <assert.h>

void
piece_add(struct core *core, struct job *job)
{
    struct job **tail = &core->pieces;
    while (*tail != NULL)
        tail = &(*tail)->next;
    job->next = NULL;
    *tail = job;
}

static struct job *
take_first(struct core *core)
{
    struct job *job = core->pieces;
    if (job != NULL)
        core->pieces = job->next;
    if (job != NULL)
        job->next = NULL;
    return job;
}

void
piece_fail_all(struct core *core, enum bv_err err)
{
    struct job *job;
    while ((job = take_first(core)) != NULL)
        job->on_done(core, job, err);
}

bool
core_has_pieces(const struct core *core)
{
    return core->pieces != NULL;
}

void
core_piece(struct core *core)
{
    assert(!core->batch.open);
    struct job *job = take_first(core);
    if (job != NULL)
        job->on_piece(core, job);
}
