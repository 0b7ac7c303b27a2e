/* Certificates of what a CA has keys for beside its own, OCSP responder and
 * SCEP registration authority: the signer makes the key, core the certificate.
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

#define DAY   INT64_C(86400)
#define RETRY 30

static const struct kind {
    const char *profile;
    const char *title; /* in names and in the log */
    enum audit_action action;
    int64_t life;
} kinds[SIGNER_SERVICES] = {
    [SIGNER_OCSP] = {"ocsp", "OCSP responder", AUDIT_OCSP_CERT, 14 * DAY},
    [SIGNER_SCEP] = {"scep-ra", "SCEP RA", AUDIT_SCEP_CERT, 365 * DAY},
};

static int64_t
life_of(const struct issuer *issuer, enum signer_service service)
{
    int64_t life = service == SIGNER_OCSP ? issuer->config->ocsp_life : 0;
    return life > 0 ? life : kinds[service].life;
}

static struct profile
service_profile(const struct core *core, const struct issuer *issuer,
                enum signer_service service)
{
    struct profile p;
    const char *name = kinds[service].profile;
    /* a profile somebody calls scep-ra is for something else */
    const struct profile *configured =
        service == SIGNER_OCSP ? core_profile(core, name) : NULL;
    if (configured != NULL)
        p = *configured;
    else if (profile_default(name, &p) != BV_OK)
        memset(&p, 0, sizeof p);
    memcpy(p.ca, issuer->config->name, sizeof p.ca);
    p.lifetime = life_of(issuer, service);
    return p;
}

static void
service_end(struct core *core, struct job *job, enum bv_err err)
{
    struct issuer *issuer = core_issuer(core, job->d.ca);
    const char *title = kinds[job->service].title;
    if (issuer != NULL) {
        struct profile p = service_profile(core, issuer, job->service);
        struct issuer_service *s = &issuer->services[job->service];
        s->busy = false;
        s->due = err == BV_OK
                     ? infra_renew_at(&p, job->d.not_before, job->d.not_after)
                     : core_now(core) + RETRY;
    }
    if (err == BV_OK)
        log_info("%s certificate ready ca=%s", title, job->d.ca);
    else
        log_warn("%s certificate failed ca=%s error=%s detail=\"%s\"", title,
                 job->d.ca, err_name(err), job->reply.detail);
    job_free(job);
}

static void
service_installed(struct core *core, struct job *job, enum bv_err err,
                  struct span result)
{
    (void)result;
    service_end(core, job, err);
}

static void
service_committed(struct core *core, struct job *job, enum bv_err err)
{
    job->on_signed = service_installed;
    if (err == BV_OK)
        err = job_service_cert(core, job, job->d.ca,
                               span_of(job->cert, job->cert_len));
    if (err != BV_OK)
        service_end(core, job, err);
}

static void
service_signed(struct core *core, struct job *job, enum bv_err err,
               struct span signature)
{
    if (err == BV_OK)
        err = infra_store(core, job, signature, kinds[job->service].action,
                          job->d.ca);
    if (err != BV_OK)
        service_end(core, job, err);
    else
        batch_ready(core, job);
}

static enum bv_err
service_build(struct core *core, struct job *job, struct span spki)
{
    struct issuer *issuer = core_issuer(core, job->d.ca);
    uint8_t buf[LIMIT_NAME];
    struct sink subject = SINK_ARRAY(buf);
    char cn[LIMIT_DEVICE_NAME + 1];
    if (issuer == NULL)
        return BV_E_NOT_FOUND;
    struct profile p = service_profile(core, issuer, job->service);
    (void)snprintf(cn, sizeof cn, "%.40s %s", job->d.ca,
                   kinds[job->service].title);
    BV_TRY(sign_clock(core, core_now(core)));
    BV_TRY(names_subject(&p, cn, &subject));
    BV_TRY(sequence_ensure(core));
    digest_sha256(spki, job->d.key_hash);
    memcpy(job->d.profile, p.name, sizeof job->d.profile);
    job->on_signed = service_signed;
    job->on_done = service_committed;
    const struct sign_cert cert = {&p, issuer, sink_view(&subject), spki,
                                   SPAN_EMPTY};
    return sign_start(core, job, &cert, core_now(core));
}

static void
service_key_made(struct core *core, struct job *job, enum bv_err err,
                 struct span spki)
{
    if (err == BV_OK)
        err = service_build(core, job, spki);
    if (err != BV_OK)
        service_end(core, job, err);
}

static enum bv_err
service_adopt(struct core *core, struct issuer *issuer,
              enum signer_service service, struct span der)
{
    struct profile p = service_profile(core, issuer, service);
    struct cert cert;
    int64_t now = core_now(core);
    BV_TRY(cert_parse(der, &cert));
    int64_t due = infra_renew_at(&p, cert.not_before, cert.not_after);
    if (cert.not_before > now || due <= now ||
        !infra_is_ours(core, &cert, issuer))
        return BV_E_EXPIRED;
    issuer->services[service].due = due;
    return BV_OK;
}

static void service_start(struct core *core, struct issuer *issuer,
                          enum signer_service service);

/* The signer may have one from before, from its file. */
static void
service_has(struct core *core, struct job *job, enum bv_err err,
            struct span cert)
{
    struct issuer *issuer = core_issuer(core, job->d.ca);
    enum signer_service service = job->service;
    job_free(job);
    if (issuer == NULL)
        return;
    struct issuer_service *s = &issuer->services[service];
    s->busy = false;
    s->asked = err == BV_OK || err == BV_E_NOT_FOUND;
    if (err == BV_OK && service_adopt(core, issuer, service, cert) == BV_OK)
        return;
    if (s->asked && core->signer != NULL)
        service_start(core, issuer, service);
}

static enum bv_err
service_first_step(struct core *core, const struct issuer *issuer,
                   struct job *job)
{
    bool asked = issuer->services[job->service].asked;
    job->on_signed = asked ? service_key_made : service_has;
    return asked ? job_service_key(core, job, job->d.ca)
                 : job_service_have(core, job, job->d.ca);
}

static void
service_start(struct core *core, struct issuer *issuer,
              enum signer_service service)
{
    struct job *job = job_new();
    issuer->services[service].due = core_now(core) + RETRY;
    if (job == NULL)
        return;
    issuer->services[service].busy = true;
    job->service = service;
    memcpy(job->d.ca, issuer->config->name, sizeof job->d.ca);
    enum bv_err err = service_first_step(core, issuer, job);
    if (err != BV_OK)
        service_end(core, job, err);
}

static bool
has_service(const struct core *core, const struct issuer *issuer,
            enum signer_service service)
{
    if (issuer->config->offline)
        return false;
    return service == SIGNER_OCSP ? issuer->config->ocsp_life >= 0
                                  : core->config->scep;
}

void
infra_signer_changed(struct core *core)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        for (int j = SIGNER_OCSP; j < SIGNER_SERVICES; j++) {
            struct issuer_service *s = &core->issuers[i].services[j];
            if (!has_service(core, &core->issuers[i], (enum signer_service)j))
                continue;
            s->due = core_now(core);
            s->asked = false;
        }
    }
}

void
infra_services_added(struct core *core)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        for (int j = SIGNER_OCSP; j < SIGNER_SERVICES; j++) {
            struct issuer_service *s = &core->issuers[i].services[j];
            if (s->due == 0 && !s->busy)
                s->due = core_now(core);
        }
    }
}

static int64_t
tick_one(struct core *core, struct issuer *issuer, enum signer_service service,
         int64_t now, int64_t next)
{
    const struct issuer_service *s = &issuer->services[service];
    if (!has_service(core, issuer, service) || s->busy || s->due == 0)
        return next;
    if (s->due <= now && core->signer != NULL)
        service_start(core, issuer, service);
    return !s->busy && s->due < next ? s->due : next;
}

int64_t
infra_service_tick(struct core *core, int64_t now, int64_t next)
{
    for (size_t i = 0; i < core->num_issuers; i++)
        for (int j = SIGNER_OCSP; j < SIGNER_SERVICES; j++)
            next = tick_one(core, &core->issuers[i], (enum signer_service)j,
                            now, next);
    return next;
}
