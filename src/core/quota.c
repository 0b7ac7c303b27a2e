#include "core/quota.h"

#include "core/enroll.h"

#define LIVE_DEFAULT   8
#define ISSUES_DEFAULT 60
/* What issues_per_hour is counted in. */
#define ISSUE_WINDOW 3600

/* A client that runs wild makes a new key each time. */
enum bv_err
quota_count(struct work *w)
{
    const struct core_config *c = w->core->config;
    struct span device = span_str(w->job->d.device);
    unsigned hourly = c->issues_per_hour ? c->issues_per_hour : ISSUES_DEFAULT;
    if (rates_count(w->core->rates, RATES_ISSUE_DEVICE, device, w->now,
                    ISSUE_WINDOW) >= hourly)
        return work_say(w, BV_E_RATE_LIMITED,
                        "the device asks for certificates too often");
    rates_add(w->core->rates, RATES_ISSUE_DEVICE, device, w->now, ISSUE_WINDOW);
    w->job->d.counted_at = w->now;
    return BV_OK;
}

static enum bv_err
is_full(struct core *core, int64_t device, bool *ret_full)
{
    const struct core_config *c = core->config;
    unsigned live, max = c->live_per_device ? c->live_per_device : LIVE_DEFAULT;
    BV_TRY(core->store->cert_count_live(core->store->ctx, device,
                                        core_now(core), max, &live));
    *ret_full = live >= max;
    return BV_OK;
}

enum bv_err
quota_check(struct work *w)
{
    bool full = false;
    if (w->exists && w->r->op != CORE_REENROLL)
        BV_TRY(is_full(w->core, w->device.id, &full));
    if (full)
        return work_say(w, BV_E_REFUSED,
                        "the device has too many valid certificates");
    return quota_count(w);
}

enum bv_err
quota_check_again(struct core *core, const struct job *job, int64_t device)
{
    bool full = false;
    if (device != 0 && job->op != CORE_REENROLL)
        BV_TRY(is_full(core, device, &full));
    return full ? BV_E_REFUSED : BV_OK;
}

/* What failed through no fault of the device's does not count against it. */
void
quota_uncount(struct core *core, const struct job *job, enum bv_err err)
{
    if (job->d.counted_at != 0 && err != BV_OK &&
        err_fault(err) == BV_FAULT_SELF)
        rates_take_back(core->rates, RATES_ISSUE_DEVICE,
                        span_str(job->d.device), job->d.counted_at,
                        ISSUE_WINDOW);
}
