/* The daemon's TLS certificate, key and chain in one file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/batch.h"
#include "core/ca.h"
#include "core/infra.h"
#include "core/job.h"
#include "core/names.h"
#include "core/sequence.h"
#include "core/sign.h"
#include "pki/digest.h"
#include "wire/pem.h"
#include "wire/san.h"

#define RETRY    30
#define TLS_FILE 65536

static const struct profile *
tls_profile(const struct core *core)
{
    const char *name = core->config->tls_profile;
    return core_profile(core, name[0] != '\0' ? name : "server");
}

static enum bv_err
tls_san(const struct core *core, struct sink *out)
{
    const char *hosts[CORE_HOSTS_MAX];
    size_t num = core->config->num_hosts;
    if (num == 0 || num > CORE_HOSTS_MAX)
        return BV_E_BAD_CONFIG;
    for (size_t i = 0; i < num; i++)
        hosts[i] = core->config->hosts[i];
    return ca_host_san(hosts, num, out);
}

/* Does this certificate lead from the top of the chain to another root? */
static bool
leads_on(const struct core_ca *ca, struct span der)
{
    struct cert cross, top;
    struct span last =
        ca->num_chain > 0 ? ca->chain[ca->num_chain - 1] : ca->cert;
    return cert_parse(der, &cross) == BV_OK &&
           cert_parse(last, &top) == BV_OK && !cert_is_self_issued(&cross) &&
           span_eq(cross.subject, top.subject) &&
           span_eq(cross.spki.whole, top.spki.whole);
}

/* The root is the client's to have: everything between goes along, and what a
 * client needs that knows only the root before this one. */
static void
write_chain(const struct core_ca *ca, struct sink *out)
{
    pem_encode(out, PEM_CERTIFICATE, ca->cert);
    for (size_t i = 0; i + 1 < ca->num_chain; i++)
        pem_encode(out, PEM_CERTIFICATE, ca->chain[i]);
    for (size_t i = 0; i < ca->num_cross; i++)
        if (leads_on(ca, ca->cross[i]))
            pem_encode(out, PEM_CERTIFICATE, ca->cross[i]);
}

static enum bv_err
write_pem(const struct job *job, const struct issuer *issuer, struct sink *out)
{
    struct span whole;
    BV_TRY(key_plain(job->key, out));
    pem_encode(out, PEM_CERTIFICATE, span_of(job->cert, job->cert_len));
    write_chain(issuer->config, out);
    return sink_done(out, &whole);
}

static enum bv_err
tls_write(struct core *core, const struct job *job)
{
    static uint8_t buf[TLS_FILE];
    struct sink pem = SINK_ARRAY(buf);
    const struct issuer *issuer = core_issuer(core, job->d.ca);
    if (issuer == NULL)
        return BV_E_NOT_FOUND;
    enum bv_err err = write_pem(job, issuer, &pem);
    if (err == BV_OK)
        err = infra_write_file(core->config->tls_path, 0600, sink_view(&pem));
    explicit_bzero(buf, sizeof buf);
    return err;
}

static void
tls_end(struct core *core, struct job *job, enum bv_err err)
{
    const struct profile *p = tls_profile(core);
    core->tls_busy = false;
    core->tls_due = core_now(core) + RETRY;
    if (err == BV_OK && p != NULL)
        core->tls_due = infra_renew_at(p, job->d.not_before, job->d.not_after);
    if (err == BV_OK)
        log_info("TLS certificate ready path=%s", core->config->tls_path);
    else
        log_error("TLS certificate failed error=%s path=%s detail=\"%s\"",
                  err_name(err), core->config->tls_path,
                  job->reply.detail[0] != '\0' ? job->reply.detail
                                               : err_text(err));
    job_free(job);
    if (err == BV_OK && core->calls.files_changed != NULL)
        core->calls.files_changed(core->calls.user);
}

static void
tls_committed(struct core *core, struct job *job, enum bv_err err)
{
    if (err == BV_OK) {
        errno = 0;
        err = tls_write(core, job);
        if (err != BV_OK && errno != 0)
            (void)snprintf(job->reply.detail, sizeof job->reply.detail,
                           "it cannot be written: %.100s", strerror(errno));
    }
    tls_end(core, job, err);
}

static void
tls_signed(struct core *core, struct job *job, enum bv_err err,
           struct span signature)
{
    if (err == BV_OK)
        err = infra_store(core, job, signature, AUDIT_TLS_CERT,
                          core->config->hosts[0]);
    if (err != BV_OK)
        tls_end(core, job, err);
    else
        batch_ready(core, job);
}

static enum bv_err
tls_build(struct core *core, struct job *job)
{
    const struct profile *p = tls_profile(core);
    struct issuer *issuer = p != NULL ? core_issuer(core, p->ca) : NULL;
    uint8_t spki_buf[LIMIT_SPKI], name_buf[LIMIT_NAME], san_buf[4096];
    struct sink spki = SINK_ARRAY(spki_buf), name = SINK_ARRAY(name_buf),
                san = SINK_ARRAY(san_buf);
    char cn[LIMIT_DEVICE_NAME + 1];
    if (issuer == NULL)
        return BV_E_NOT_FOUND;
    BV_TRY(sign_clock(core, core_now(core)));
    BV_TRY(tls_san(core, &san));
    (void)snprintf(cn, sizeof cn, "%.64s", core->config->hosts[0]);
    BV_TRY(names_subject(p, cn, &name));
    BV_TRY(key_generate(ALG_KEY_P256, 0, &job->key));
    BV_TRY(key_spki(job->key, &spki));
    BV_TRY(sequence_ensure(core));
    digest_sha256(sink_view(&spki), job->d.key_hash);
    memcpy(job->d.profile, p->name, sizeof job->d.profile);
    memcpy(job->d.ca, p->ca, sizeof job->d.ca);
    job->on_signed = tls_signed;
    job->on_done = tls_committed;
    const struct sign_cert cert = {p, issuer, sink_view(&name),
                                   sink_view(&spki), sink_view(&san)};
    return sign_start(core, job, &cert, core_now(core));
}

enum bv_err
infra_tls_renew(struct core *core)
{
    if (core->config->tls_path[0] == '\0')
        return BV_E_NOT_FOUND;
    if (core->tls_busy)
        return BV_E_BUSY;
    struct job *job = job_new();
    if (job == NULL)
        return BV_E_NO_MEMORY;
    core->tls_busy = true;
    enum bv_err err = tls_build(core, job);
    if (err != BV_OK)
        tls_end(core, job, err);
    return err;
}

static bool
ends_with_chain(struct span file, const struct core_ca *ca)
{
    static uint8_t buf[TLS_FILE];
    struct sink chain = SINK_ARRAY(buf);
    write_chain(ca, &chain);
    return !chain.failed && file.len >= chain.len &&
           memcmp(file.data + file.len - chain.len, buf, chain.len) == 0;
}

/* The certificate on disk is kept when our CA signed it and nobody revoked it,
 * it names the same hosts, the chain of today follows it, and it is not in its
 * renewal window. */
static enum bv_err
tls_look(struct core *core, int64_t *ret_due)
{
    static uint8_t file[TLS_FILE];
    uint8_t der_buf[LIMIT_CERT], san_buf[4096];
    struct sink der_out = SINK_ARRAY(der_buf), san = SINK_ARRAY(san_buf);
    const struct profile *p = tls_profile(core);
    size_t len;
    struct cert cert;
    BV_TRY(infra_read_file(core->config->tls_path, file, sizeof file, &len));
    const struct issuer *issuer = p != NULL ? core_issuer(core, p->ca) : NULL;
    struct span text = span_of(file, len), der;
    bool chained = issuer != NULL && ends_with_chain(text, issuer->config);
    enum bv_err err = pem_find(&text, PEM_CERTIFICATE, &der_out, &der);
    explicit_bzero(file, sizeof file);
    BV_TRY(err);
    BV_TRY(cert_parse(der, &cert));
    BV_TRY(tls_san(core, &san));
    if (!chained || !infra_is_ours(core, &cert, issuer) ||
        cert.not_before > core_now(core) || !san_eq(cert.san, sink_view(&san)))
        return BV_E_NOT_FOUND;
    *ret_due = infra_renew_at(p, cert.not_before, cert.not_after);
    return BV_OK;
}

void
infra_open(struct core *core)
{
    core->tls_due = 0;
    if (core->config->tls_path[0] != '\0' &&
        tls_look(core, &core->tls_due) != BV_OK)
        core->tls_due = core_now(core);
}

static void
renew_by_schedule(struct core *core)
{
    enum bv_err err = infra_tls_renew(core);
    if (err != BV_OK)
        log_debug("TLS renewal is tried again later error=%s", err_name(err));
}

int64_t
infra_tls_tick(struct core *core, int64_t now, int64_t next)
{
    if (core->tls_due == 0 || core->tls_busy || core->signer == NULL)
        return next;
    if (core->tls_due <= now)
        renew_by_schedule(core);
    return core->tls_due < next ? core->tls_due : next;
}
