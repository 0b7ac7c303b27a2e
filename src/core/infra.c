#include "core/infra.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/disk.h"
#include "base/log.h"
#include "core/batch.h"
#include "core/ca.h"
#include "core/enroll.h"
#include "core/job.h"
#include "core/names.h"
#include "core/sequence.h"
#include "core/sign.h"
#include "pki/digest.h"
#include "proc/pulse.h"
#include "wire/pem.h"
#include "wire/san.h"

#define OCSP_LIFE  (INT64_C(14) * 86400)
#define RETRY      30
#define TLS_FILE   65536
#define CHECKPOINT 60

/* --- shared by both certificates --- */

static enum bv_err
audit_infra(struct core *core, const struct job *job, enum audit_action action,
            const char *object)
{
    uint8_t hash[32];
    digest_sha256(span_of(job->cert, job->cert_len), hash);
    struct audit_event event = {
        .action = action,
        .actor = AUDIT_ACTOR_SYSTEM,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_CERT,
        .outcome = AUDIT_OK,
        .actor_id = SPAN_LIT("core"),
        .object_id = span_str(object),
        .serial = SPAN_ARRAY(job->d.serial),
        .cert_sha256 = SPAN_ARRAY(hash),
    };
    return batch_audit(core, &event);
}

static enum bv_err
store_infra(struct core *core, struct job *job, struct span signature,
            enum audit_action action, const char *object)
{
    BV_TRY(enroll_assemble(core, job, signature));
    enum bv_err err = batch_begin(core);
    if (err == BV_OK)
        err = enroll_put(core, job, 0);
    if (err == BV_OK)
        err = audit_infra(core, job, action, object);
    if (err != BV_OK)
        batch_fail(core, err);
    return err;
}

/* The window is a part of the life that was given, from the moment of issue:
 * of a short-lived certificate most may lie before that. */
static int64_t
renew_at(const struct profile *p, int64_t not_before, int64_t not_after)
{
    int64_t issued = not_before + p->backdate;
    int64_t life = not_after - issued + 1;
    return issued + life * (int64_t)p->renew_percent / 100;
}

/* --- OCSP responder certificates --- */

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
        issuer->ocsp_due =
            err == BV_OK ? renew_at(&p, job->d.not_before, job->d.not_after)
                         : core_now(core) + RETRY;
    }
    if (err == BV_OK)
        log_info("OCSP responder certificate ready ca=%s", job->d.ca);
    else
        log_warn("OCSP responder certificate failed ca=%s err=%s detail=%s",
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
        err = store_infra(core, job, signature, AUDIT_OCSP_CERT, job->d.ca);
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

/* Of this very CA key: a CA that was made anew has no use for the old one's. */
static bool
is_signed_by(const struct cert *cert, const struct issuer *issuer)
{
    bv_auto(key) struct key *key = NULL;
    return span_eq(cert->issuer, issuer->cert.subject) &&
           key_of_spki(&issuer->cert.spki, &key) == BV_OK &&
           key_verify(key, cert->sig_alg, cert->tbs, cert->signature) == BV_OK;
}

/* One of ours that the database has forgotten or revoked is not used again. */
static bool
is_good(struct core *core, struct span serial)
{
    uint64_t seq;
    if (serial_open(core->serial, serial, &seq) != BV_OK)
        return false;
    return core->map == NULL ||
           statusmap_status(statusmap_get(core->map, seq)) == STATUSMAP_GOOD;
}

static enum bv_err
ocsp_adopt(struct core *core, struct issuer *issuer, struct span der)
{
    struct profile p = ocsp_profile(core, issuer);
    struct cert cert;
    int64_t now = core_now(core);
    BV_TRY(cert_parse(der, &cert));
    int64_t due = renew_at(&p, cert.not_before, cert.not_after);
    if (cert.not_before > now || due <= now || !is_signed_by(&cert, issuer) ||
        !is_good(core, cert.serial))
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

static int64_t
ocsp_tick(struct core *core, int64_t now, int64_t next)
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

/* --- the TLS certificate --- */

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

static enum bv_err
write_pem(const struct core *core, const struct job *job,
          const struct issuer *issuer, struct sink *out)
{
    struct span whole;
    BV_TRY(key_plain(job->key, out));
    pem_encode(out, PEM_CERTIFICATE, span_of(job->cert, job->cert_len));
    pem_encode(out, PEM_CERTIFICATE, issuer->config->cert);
    /* The root is the client's to have: everything between goes along. */
    for (size_t i = 0; i + 1 < issuer->config->num_chain; i++)
        pem_encode(out, PEM_CERTIFICATE, issuer->config->chain[i]);
    (void)core;
    return sink_done(out, &whole);
}

enum bv_err
infra_write_file(const char *path, mode_t mode, struct span text)
{
    enum pulse_work before = pulse_set(PULSE_DISK);
    enum bv_err err = disk_replace(path, mode, text);
    (void)pulse_set(before);
    return err;
}

static enum bv_err
tls_write(struct core *core, const struct job *job)
{
    static uint8_t buf[TLS_FILE];
    struct sink pem = SINK_ARRAY(buf);
    const struct issuer *issuer = core_issuer(core, job->d.ca);
    if (issuer == NULL)
        return BV_E_NOT_FOUND;
    enum bv_err err = write_pem(core, job, issuer, &pem);
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
        core->tls_due = renew_at(p, job->d.not_before, job->d.not_after);
    if (err == BV_OK)
        log_info("TLS certificate ready path=%s", core->config->tls_path);
    else
        log_error("TLS certificate failed err=%s path=%s detail=\"%s\"",
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
        err = store_infra(core, job, signature, AUDIT_TLS_CERT,
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

static enum bv_err
read_file(const char *path, uint8_t *buf, size_t cap, size_t *ret_len)
{
    bv_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, cap) : -1;
    if (n <= 0 || (size_t)n == cap)
        return BV_E_NOT_FOUND;
    *ret_len = (size_t)n;
    return BV_OK;
}

/* The certificate on disk is kept when our CA signed it and nobody revoked it,
 * it names the same hosts and is not in its renewal window. */
static enum bv_err
tls_look(struct core *core, int64_t *ret_due)
{
    static uint8_t file[TLS_FILE];
    uint8_t der_buf[LIMIT_CERT], san_buf[4096];
    struct sink der_out = SINK_ARRAY(der_buf), san = SINK_ARRAY(san_buf);
    const struct profile *p = tls_profile(core);
    size_t len;
    struct cert cert;
    BV_TRY(read_file(core->config->tls_path, file, sizeof file, &len));
    struct span text = span_of(file, len), der;
    enum bv_err err = pem_find(&text, PEM_CERTIFICATE, &der_out, &der);
    explicit_bzero(file, sizeof file);
    BV_TRY(err);
    BV_TRY(cert_parse(der, &cert));
    BV_TRY(tls_san(core, &san));
    const struct issuer *issuer = p != NULL ? core_issuer(core, p->ca) : NULL;
    if (issuer == NULL || !is_signed_by(&cert, issuer) ||
        cert.not_before > core_now(core) || !is_good(core, cert.serial) ||
        !san_eq(cert.san, sink_view(&san)))
        return BV_E_NOT_FOUND;
    *ret_due = renew_at(p, cert.not_before, cert.not_after);
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

/* --- checkpoints --- */

static void
checkpoint_end(struct core *core, struct job *job, enum bv_err err)
{
    core->checkpoint_busy = false;
    if (err != BV_OK)
        log_warn("a checkpoint failed err=%s", err_name(err));
    job_free(job);
}

/* Beside the database, so that an older one put back in its place shows. */
static void
checkpoint_keep(const struct core *core)
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
        log_warn("the checkpoint could not be kept path=%s err=%s",
                 core->config->checkpoint_path, err_name(err));
}

enum bv_err
infra_known_checkpoint(const struct core_config *config, struct sink *out)
{
    size_t len;
    if (config->checkpoint_path[0] == '\0')
        return BV_E_NOT_FOUND;
    BV_TRY(read_file(config->checkpoint_path, out->data, out->cap, &len));
    out->len = len;
    return BV_OK;
}

static void
checkpoint_stored(struct core *core, struct job *job, enum bv_err err)
{
    if (err == BV_OK)
        checkpoint_keep(core);
    checkpoint_end(core, job, err);
}

static void
checkpoint_signed(struct core *core, struct job *job, enum bv_err err,
                  struct span signature)
{
    if (err == BV_OK)
        err = batch_begin(core);
    if (err != BV_OK) {
        checkpoint_end(core, job, err);
        return;
    }
    err = audit_checkpoint_store(core->audit, span_of(job->tbs, job->tbs_len),
                                 core->config->log_key.data, signature);
    job->on_done = checkpoint_stored;
    if (err != BV_OK) {
        batch_fail(core, err);
        checkpoint_end(core, job, err);
        return;
    }
    batch_ready(core, job);
}

/* The text was remembered durably: now it may be signed. */
static void
checkpoint_noted(struct core *core, struct job *job, enum bv_err err)
{
    job->on_signed = checkpoint_signed;
    if (err == BV_OK)
        err = job_sign(core, job, "log", span_of(job->tbs, job->tbs_len));
    if (err != BV_OK)
        checkpoint_end(core, job, err);
}

static enum bv_err
checkpoint_text(struct core *core, struct job *job)
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
infra_checkpoint(struct core *core)
{
    if (core->config->log_key.len != 32)
        return BV_E_NOT_FOUND;
    if (core->checkpoint_busy)
        return BV_E_BUSY;
    struct job *job = job_new();
    if (job == NULL)
        return BV_E_NO_MEMORY;
    enum bv_err err = checkpoint_text(core, job);
    if (err != BV_OK) {
        batch_fail(core, err);
        job_free(job);
        return err;
    }
    core->checkpoint_busy = true;
    job->on_done = checkpoint_noted;
    batch_ready(core, job);
    return BV_OK;
}

static void
checkpoint_tick(struct core *core, int64_t now)
{
    int64_t every = core->config->checkpoint_every;
    if (core->checkpoint_due > now)
        return;
    core->checkpoint_due = now + (every > 0 ? every : CHECKPOINT);
    if (core->signer == NULL || core->config->log_key.len != 32 ||
        core->checkpoint_busy ||
        audit_size(core->audit) == audit_checkpoint_size(core->audit))
        return;
    enum bv_err err = infra_checkpoint(core);
    if (err != BV_OK)
        log_warn("a checkpoint failed err=%s", err_name(err));
}

static void
renew_by_schedule(struct core *core)
{
    enum bv_err err = infra_tls_renew(core);
    if (err != BV_OK)
        log_debug("TLS renewal is tried again later err=%s", err_name(err));
}

/* Somebody revoked what the server itself uses: it needs another. */
static void
look_again(struct core *core)
{
    if (!core->own_changed)
        return;
    core->own_changed = false;
    infra_open(core);
    if (core->signer != NULL)
        infra_signer_changed(core);
}

int64_t
infra_tick(struct core *core, int64_t now)
{
    int64_t next = now + 3600;
    look_again(core);
    checkpoint_tick(core, now);
    if (core->checkpoint_due < next)
        next = core->checkpoint_due;
    if (core->tls_due != 0 && !core->tls_busy && core->signer != NULL) {
        if (core->tls_due <= now)
            renew_by_schedule(core);
        if (core->tls_due < next)
            next = core->tls_due;
    }
    return ocsp_tick(core, now, next);
}
