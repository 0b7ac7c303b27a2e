/* OCSP responder certificates: the signer makes the key, core the certificate.
 * One that the signer has from before is used on. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/batch.h"
#include "core/infra.h"
#include "core/job.h"
#include "core/names.h"
#include "core/sequence.h"
#include "core/sign.h"
#include "pki/digest.h"

#define OCSP_LIFE (INT64_C(14) * 86400)
#define RETRY     30

static struct profile
ocsp_profile(const struct core *core, const struct issuer *issuer)
{
    struct profile p;
    const struct profile *configured = core_profile(core, "ocsp");
    if (configured != NULL)
        p = *configured;
    else if (profile_default("ocsp", &p) != BV_OK)
        memset(&p, 0, sizeof p);
    memcpy(p.ca, issuer->config->name, sizeof p.ca);
    p.lifetime =
        issuer->config->ocsp_life > 0 ? issuer->config->ocsp_life : OCSP_LIFE;
    return p;
}

static void
ocsp_end(struct core *core, struct job *job, enum bv_err err)
{
    struct issuer *issuer = core_issuer(core, job->d.ca);
    if (issuer != NULL) {
        struct profile p = ocsp_profile(core, issuer);
        issuer->ocsp_busy = false;
        issuer->ocsp_due = err == BV_OK ? infra_renew_at(&p, job->d.not_before,
                                                         job->d.not_after)
                                        : core_now(core) + RETRY;
    }
    if (err == BV_OK)
        log_info("OCSP responder certificate ready ca=%s", job->d.ca);
    else
        log_warn(
            "OCSP responder certificate failed ca=%s error=%s detail=\"%s\"",
            job->d.ca, err_name(err), job->reply.detail);
    job_free(job);
}

static void
ocsp_installed(struct core *core, struct job *job, enum bv_err err,
               struct span result)
{
    (void)result;
    ocsp_end(core, job, err);
}

static void
ocsp_committed(struct core *core, struct job *job, enum bv_err err)
{
    job->on_signed = ocsp_installed;
    if (err == BV_OK)
        err = job_ocsp_cert(core, job, job->d.ca,
                            span_of(job->cert, job->cert_len));
    if (err != BV_OK)
        ocsp_end(core, job, err);
}

static void
ocsp_signed(struct core *core, struct job *job, enum bv_err err,
            struct span signature)
{
    if (err == BV_OK)
        err = infra_store(core, job, signature, AUDIT_OCSP_CERT, job->d.ca);
    if (err != BV_OK)
        ocsp_end(core, job, err);
    else
        batch_ready(core, job);
}

static enum bv_err
ocsp_build(struct core *core, struct job *job, struct span spki)
{
    struct issuer *issuer = core_issuer(core, job->d.ca);
    uint8_t buf[LIMIT_NAME];
    struct sink subject = SINK_ARRAY(buf);
    char cn[LIMIT_DEVICE_NAME + 1];
    if (issuer == NULL)
        return BV_E_NOT_FOUND;
    struct profile p = ocsp_profile(core, issuer);
    (void)snprintf(cn, sizeof cn, "%.40s OCSP responder", job->d.ca);
    BV_TRY(sign_clock(core, core_now(core)));
    BV_TRY(names_subject(&p, cn, &subject));
    BV_TRY(sequence_ensure(core));
    digest_sha256(spki, job->d.key_hash);
    memcpy(job->d.profile, p.name, sizeof job->d.profile);
    job->on_signed = ocsp_signed;
    job->on_done = ocsp_committed;
    const struct sign_cert cert = {&p, issuer, sink_view(&subject), spki,
                                   SPAN_EMPTY};
    return sign_start(core, job, &cert, core_now(core));
}

static void
ocsp_key_made(struct core *core, struct job *job, enum bv_err err,
              struct span spki)
{
    if (err == BV_OK)
        err = ocsp_build(core, job, spki);
    if (err != BV_OK)
        ocsp_end(core, job, err);
}

static enum bv_err
ocsp_adopt(struct core *core, struct issuer *issuer, struct span der)
{
    struct profile p = ocsp_profile(core, issuer);
    struct cert cert;
    int64_t now = core_now(core);
    BV_TRY(cert_parse(der, &cert));
    int64_t due = infra_renew_at(&p, cert.not_before, cert.not_after);
    if (cert.not_before > now || due <= now ||
        !infra_is_ours(core, &cert, issuer))
        return BV_E_EXPIRED;
    issuer->ocsp_due = due;
    return BV_OK;
}

static void ocsp_start(struct core *core, struct issuer *issuer);

/* The signer may have one from before, from its file. */
static void
ocsp_has(struct core *core, struct job *job, enum bv_err err, struct span cert)
{
    struct issuer *issuer = core_issuer(core, job->d.ca);
    job_free(job);
    if (issuer == NULL)
        return;
    issuer->ocsp_busy = false;
    issuer->ocsp_asked = err == BV_OK || err == BV_E_NOT_FOUND;
    if (err == BV_OK && ocsp_adopt(core, issuer, cert) == BV_OK)
        return;
    if (issuer->ocsp_asked && core->signer != NULL)
        ocsp_start(core, issuer);
}

static enum bv_err
ocsp_first_step(struct core *core, const struct issuer *issuer, struct job *job)
{
    job->on_signed = issuer->ocsp_asked ? ocsp_key_made : ocsp_has;
    if (issuer->ocsp_asked)
        return job_ocsp_key(core, job, job->d.ca);
    return job_ocsp_have(core, job, job->d.ca);
}

static void
ocsp_start(struct core *core, struct issuer *issuer)
{
    struct job *job = job_new();
    issuer->ocsp_due = core_now(core) + RETRY;
    if (job == NULL)
        return;
    issuer->ocsp_busy = true;
    memcpy(job->d.ca, issuer->config->name, sizeof job->d.ca);
    enum bv_err err = ocsp_first_step(core, issuer, job);
    if (err != BV_OK)
        ocsp_end(core, job, err);
}

static bool
has_responder(const struct issuer *issuer)
{
    return !issuer->config->offline && issuer->config->ocsp_life >= 0;
}

void
infra_signer_changed(struct core *core)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        if (!has_responder(&core->issuers[i]))
            continue;
        core->issuers[i].ocsp_due = core_now(core);
        core->issuers[i].ocsp_asked = false;
    }
}

int64_t
infra_ocsp_tick(struct core *core, int64_t now, int64_t next)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        struct issuer *issuer = &core->issuers[i];
        if (!has_responder(issuer) || issuer->ocsp_busy ||
            issuer->ocsp_due == 0)
            continue;
        if (issuer->ocsp_due <= now && core->signer != NULL)
            ocsp_start(core, issuer);
        if (!issuer->ocsp_busy && issuer->ocsp_due < next)
            next = issuer->ocsp_due;
    }
    return next;
}
