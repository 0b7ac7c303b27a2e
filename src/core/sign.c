#include "core/sign.h"

#include <stdio.h>
#include <string.h>

#include "core/cas.h"
#include "core/issue.h"
#include "core/job.h"
#include "core/sequence.h"
#include "pki/random.h"

/* 2026-01-01: no certificate of this program is older than the program. */
#define CLOCK_FLOOR INT64_C(1767225600)
#define DAY         INT64_C(86400)
/* Refused: a clock this far behind, or ahead of, the newest committed fact. */
#define CLOCK_BEHIND DAY
#define CLOCK_AHEAD  (400 * DAY)
/* One certificate in so many gets the second opinion. */
#define ORACLE_SAMPLE 256

enum bv_err
sign_clock(const struct core *core, int64_t now)
{
    if (now < CLOCK_FLOOR || now < core->newest - CLOCK_BEHIND)
        return BV_E_BAD_CLOCK;
    if (core->newest != 0 && now > core->newest + CLOCK_AHEAD)
        return BV_E_BAD_CLOCK;
    return BV_OK;
}

static bool
wants_oracle(struct core *core, const struct sign_cert *cert, uint64_t seq)
{
    size_t index = (size_t)(cert->profile - core->config->profiles);
    bool listed = index < 64 && index < core->config->num_profiles;
    uint64_t bit = listed ? UINT64_C(1) << index : 0;
    bool first = bit == 0 || (cert->issuer->oracle_seen & bit) == 0;
    cert->issuer->oracle_seen |= bit;
    return first || core->config->lint_full || seq % ORACLE_SAMPLE == 0 ||
           cert->issuer->constrained;
}

static enum bv_err
say_unfit(struct job *job, const struct issuer *issuer, const char *why)
{
    (void)snprintf(job->reply.detail, sizeof job->reply.detail,
                   "the certificate of CA %.40s %s", issuer->config->name, why);
    job->reply.retry_after = SIGN_RETRY_OPERATOR;
    return BV_E_UNAVAILABLE;
}

/* Nobody who asks can do anything about it: the operator has to. */
static enum bv_err
check_ca(const struct core *core, struct job *job, const struct sign_cert *cert,
         int64_t now)
{
    const struct issuer *issuer = cert->issuer;
    if (cas_is_revoked(core, issuer))
        return say_unfit(job, issuer, "is revoked");
    if (now > issuer->cert.not_after)
        return say_unfit(job, issuer, "has expired");
    if (now < issuer->cert.not_before)
        return say_unfit(job, issuer, "is not valid yet");
    if (issue_is_barred(cert->profile, issuer->barred))
        return say_unfit(job, issuer, "is not for these extended key usages");
    return BV_OK;
}

enum bv_err
sign_start(struct core *core, struct job *job, const struct sign_cert *cert,
           int64_t now)
{
    uint8_t buf[ISSUE_TBS_MAX];
    struct sink tbs = SINK_ARRAY(buf);
    struct issue_result result;
    struct decision *d = &job->d;
    BV_TRY(check_ca(core, job, cert, now));
    BV_TRY(sequence_take(core, &d->seq));
    serial_make(core->serial, d->seq, random_u64(), d->serial);
    const struct issue_spec spec = {
        .profile = cert->profile,
        .issuer = &cert->issuer->cert,
        .crl_url = span_str(cert->issuer->config->crl_url),
        .ocsp_url = span_str(cert->issuer->config->ocsp_url),
        .issuer_url = span_str(cert->issuer->config->issuer_url),
        .serial = SPAN_ARRAY(d->serial),
        .subject = cert->subject,
        .spki = cert->spki,
        .san = cert->san,
        .now = now,
        .oracle = wants_oracle(core, cert, d->seq),
        .above = cert->issuer->config->chain,
        .num_above =
            cert->issuer->constrained ? cert->issuer->config->num_chain : 0,
    };
    BV_TRY(issue_build(&spec, &tbs, &result, job->reply.detail,
                       sizeof job->reply.detail));
    job->reply.detail[0] = '\0';
    d->not_before = result.not_before;
    d->not_after = result.not_after;
    d->sig_alg = result.sig_alg;
    d->issuer = cert->issuer->id;
    memcpy(d->ca, cert->issuer->config->name, sizeof d->ca);
    job->tbs = malloc(tbs.len);
    if (job->tbs == NULL)
        return BV_E_NO_MEMORY;
    memcpy(job->tbs, buf, tbs.len);
    job->tbs_len = tbs.len;
    return job_sign(core, job, d->ca, sink_view(&tbs));
}
