#include "core/crl_wait.h"

#include <stdio.h>

#include "core/batch.h"
#include "core/job.h"

/* The job's extra until it has its result. */
struct waiting {
    int64_t until;
    size_t num;
    struct {
        uint8_t issuer;
        uint64_t turn;
    } of[];
};

enum bv_err
crl_wait(struct admin_call *call, const uint64_t *wanted)
{
    struct core *core = call->core;
    struct waiting *w =
        calloc(1, sizeof *w + core->num_issuers * sizeof w->of[0]);
    if (w == NULL)
        return BV_E_NO_MEMORY;
    w->until = core_now(core) + CRL_WAIT_MAX;
    for (size_t i = 0; i < core->num_issuers; i++) {
        if (wanted[i] == 0)
            continue;
        w->of[w->num].issuer = core->issuers[i].id;
        w->of[w->num++].turn = wanted[i];
    }
    call->job->extra = w;
    call->job->next = core->crl_waits;
    core->crl_waits = call->job;
    call->deferred = true;
    return BV_OK;
}

/* The first of its CRLs that will not come; NULL: none. */
static const struct issuer *
failed(struct core *core, const struct waiting *w)
{
    for (size_t i = 0; i < w->num; i++) {
        const struct issuer *issuer = core_issuer_of_id(core, w->of[i].issuer);
        if (issuer != NULL && issuer->crl_served < w->of[i].turn &&
            issuer->crl_failed >= w->of[i].turn)
            return issuer;
    }
    return NULL;
}

static bool
is_served(struct core *core, const struct waiting *w, size_t i)
{
    const struct issuer *issuer = core_issuer_of_id(core, w->of[i].issuer);
    return issuer == NULL || issuer->crl_served >= w->of[i].turn;
}

static bool
are_served(struct core *core, const struct waiting *w)
{
    for (size_t i = 0; i < w->num; i++)
        if (!is_served(core, w, i))
            return false;
    return true;
}

static json_t *
result(struct core *core, const struct waiting *w)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < w->num; i++) {
        const struct issuer *issuer = core_issuer_of_id(core, w->of[i].issuer);
        if (issuer == NULL)
            continue;
        (void)json_array_append_new(
            rows, json_pack("{s:s, s:I, s:I, s:b}", "ca", issuer->config->name,
                            "crl_number", (json_int_t)issuer->crl_number,
                            "crl_next_update", (json_int_t)issuer->crl_next,
                            "served", (int)is_served(core, w, i)));
    }
    return json_pack("{s:o, s:n}", "rows", rows, "next");
}

static void
end(struct core *core, struct job *job, const struct issuer *culprit)
{
    job->err = admin_set_result(job, result(core, job->extra));
    if (culprit != NULL) {
        job->err = BV_E_UNAVAILABLE;
        (void)snprintf(job->reply.detail, sizeof job->reply.detail,
                       "the CRL of CA %s could not be published; it is tried "
                       "again: see the log",
                       culprit->config->name);
    }
    batch_ready(core, job);
}

void
crl_wait_look(struct core *core, int64_t now)
{
    struct job **at = &core->crl_waits;
    while (*at != NULL) {
        struct job *job = *at;
        const struct waiting *w = job->extra;
        const struct issuer *culprit = failed(core, w);
        if (culprit == NULL && !are_served(core, w) && now < w->until) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        job->next = NULL;
        end(core, job, culprit);
    }
}

void
crl_wait_fail_all(struct core *core, enum bv_err err)
{
    while (core->crl_waits != NULL) {
        struct job *job = core->crl_waits;
        core->crl_waits = job->next;
        job->next = NULL;
        job->on_done(core, job, err);
    }
}

void
core_files_served(struct core *core)
{
    for (size_t i = 0; i < core->num_issuers; i++)
        core->issuers[i].crl_served = core->issuers[i].crl_shown;
    crl_wait_look(core, core_now(core));
}
