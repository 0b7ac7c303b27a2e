/* cert.issue: a certificate from an operator's CSR. */
#include <stdio.h>
#include <string.h>

#include "core/admin.h"
#include "core/batch.h"
#include "core/enroll.h"
#include "core/keys.h"
#include "core/names.h"
#include "core/sequence.h"
#include "core/sign.h"
#include "pki/digest.h"
#include "wire/pem.h"

static enum bv_err
issue_problem(struct job *job, enum bv_err err, const char *sentence)
{
    (void)snprintf(job->reply.detail, sizeof job->reply.detail, "%s", sentence);
    return err;
}

/* What the signer's answer must still meet: the device as it is now. */
static enum bv_err
check_issued(struct core *core, struct job *job, struct store_device *device)
{
    bool blocked = false;
    BV_TRY(core->store->key_blocked(core->store->ctx,
                                    SPAN_ARRAY(job->d.key_hash), &blocked));
    if (blocked)
        return issue_problem(job, BV_E_BAD_KEY, "the key is blocked");
    enum bv_err err = enroll_device_find(core, job->d.device, device);
    if (err != BV_OK && err != BV_E_NOT_FOUND)
        return err;
    if (device->blocked)
        return issue_problem(job, BV_E_REFUSED,
                             "the device is blocked; brevet device unblock "
                             "ends that");
    err = keys_owner(core, job->d.key_hash, device->id);
    return err == BV_E_CONFLICT
               ? issue_problem(job, BV_E_BAD_KEY,
                               "the key belongs to another device")
               : err;
}

static enum bv_err
write_issued(struct core *core, struct job *job, struct store_device *device)
{
    struct audit_event event = {
        .action = AUDIT_CERT_ISSUE,
        .actor = AUDIT_ACTOR_OPERATOR,
        .auth = AUDIT_AUTH_LOCAL,
        .object = AUDIT_OBJECT_CERT,
        .outcome = AUDIT_OK,
        .actor_id = span_str(job->peer),
        .object_id = span_str(job->d.device),
        .serial = SPAN_ARRAY(job->d.serial),
        .detail = span_str(job->d.profile),
    };
    uint8_t hash[32];
    int64_t id;
    digest_sha256(span_of(job->cert, job->cert_len), hash);
    event.cert_sha256 = SPAN_ARRAY(hash);
    memcpy(device->name, job->d.device, sizeof device->name);
    memcpy(device->profile, job->d.profile, sizeof device->profile);
    device->last_seen = core_now(core);
    BV_TRY(core->store->device_put(core->store->ctx, device, &id));
    BV_TRY(enroll_put(core, job, id));
    return batch_audit(core, &event);
}

static enum bv_err
store_issued(struct core *core, struct job *job, struct span signature)
{
    struct store_device device = {.created_at = core_now(core)};
    BV_TRY(enroll_assemble(core, job, signature));
    BV_TRY(batch_begin(core));
    BV_TRY(check_issued(core, job, &device));
    return batch_error(write_issued(core, job, &device));
}

static json_t *
issued_json(const struct job *job)
{
    return json_pack("{s:o, s:s, s:s, s:o}", "serial",
                     admin_hex(SPAN_ARRAY(job->d.serial)), "device",
                     job->d.device, "profile", job->d.profile, "pem",
                     admin_pem(span_of(job->cert, job->cert_len)));
}

static void
issue_signed(struct core *core, struct job *job, enum bv_err err,
             struct span signature)
{
    if (err == BV_OK)
        err = store_issued(core, job, signature);
    if (err == BV_OK)
        err = admin_set_result(job, issued_json(job));
    if (err != BV_OK && err_fault(err) != BV_FAULT_PEER)
        batch_fail(core, err);
    job->err = err;
    core->stats.issued += err == BV_OK;
    batch_ready(core, job);
}

struct issue_names {
    uint8_t subject_buf[LIMIT_NAME], san_buf[4096];
    struct sink subject, san;
};

static enum bv_err
issue_names(struct admin_call *call, const struct profile *p,
            const struct csr *csr, struct issue_names *names)
{
    char *device = call->job->d.device;
    const char *wanted = admin_text(call, "device");
    if (wanted != NULL)
        BV_TRY(admin_name(call, "device", device, LIMIT_DEVICE_NAME + 1));
    else
        BV_TRY(names_of_subject(csr->subject, false, device));
    if (names_check_id(p, span_str(device)) != BV_OK)
        return admin_problem(call, BV_E_BAD_NAME,
                             "the name has not the form the profile wants");
    names->subject = SINK_ARRAY(names->subject_buf);
    names->san = SINK_ARRAY(names->san_buf);
    BV_TRY(names_san(p, device, csr->san, &names->san, call->detail,
                     sizeof call->detail));
    return names_subject(p, device, &names->subject);
}

/* Without a CA named in it, a CA profile was given whichever CA is here; one
 * that may have no CA below it is so because the root's key is away. */
static enum bv_err
check_ca_issuer(struct admin_call *call, const struct profile *p,
                const struct issuer *issuer)
{
    const struct issuer *away = NULL;
    if (!p->is_ca || issuer->cert.pathlen != 0)
        return BV_OK;
    for (size_t i = 0; i < call->core->num_issuers; i++) {
        const struct issuer *other = &call->core->issuers[i];
        if (other->config->offline && other->cert.pathlen != 0)
            away = other;
    }
    if (away == NULL)
        return BV_OK;
    (void)snprintf(call->detail, sizeof call->detail,
                   "CA %.30s may have no CA below it, and the key of CA %.30s "
                   "is not here: sign where it is (brevet ca sign), or bring "
                   "it back, reload and repeat",
                   issuer->config->name, away->config->name);
    return BV_E_REFUSED;
}

/* Who holds such a certificate speaks for the whole CA. */
static bool
is_authority(const struct profile *p)
{
    bool found = p->is_ca;
    for (unsigned i = 0; i < p->num_eku; i++)
        found |= p->eku[i] == PROFILE_EKU_OCSP_SIGNING ||
                 p->eku[i] == PROFILE_EKU_CMC_RA;
    return found;
}

static enum bv_err
check_issue_role(struct admin_call *call, const struct profile *p)
{
    if (call->caller->role >= CORE_ROLE_ADMIN || !is_authority(p))
        return BV_OK;
    admin_denied(call, "cert.issue");
    return admin_problem(call, BV_E_REFUSED,
                         "only an admin may issue a CA's, an OCSP responder's "
                         "or a registration authority's certificate");
}

static enum bv_err
issue_start(struct admin_call *call, const struct profile *p, struct span der)
{
    struct csr csr;
    struct issue_names names;
    struct job *job = call->job;
    struct core *core = call->core;
    struct issuer *issuer = core_issuer(core, p->ca);
    if (issuer == NULL || issuer->config->offline)
        return admin_problem(call, BV_E_REFUSED,
                             "the key of the profile's CA is not here: sign "
                             "where it is (brevet ca sign), or bring it back, "
                             "reload and repeat");
    BV_TRY(check_ca_issuer(call, p, issuer));
    if (sign_clock(core, core_now(core)) != BV_OK)
        return admin_problem(call, BV_E_BAD_CLOCK, ADMIN_BAD_CLOCK);
    BV_TRY(keys_check_csr(core, p, der, &csr, job->d.key_hash, call->detail,
                          sizeof call->detail));
    BV_TRY(issue_names(call, p, &csr, &names));
    memcpy(job->d.profile, p->name, sizeof job->d.profile);
    (void)snprintf(job->peer, sizeof job->peer, "%.63s", call->actor);
    job->on_signed = issue_signed;
    BV_TRY(sequence_ensure(core));
    const struct sign_cert cert = {p, issuer, sink_view(&names.subject),
                                   csr.spki.whole, sink_view(&names.san)};
    enum bv_err err = sign_start(core, job, &cert, core_now(core));
    if (err != BV_OK && job->reply.detail[0] != '\0') {
        (void)snprintf(call->detail, sizeof call->detail, "%s",
                       job->reply.detail);
        /* the CA is unfit: who can mend it is who is told */
        err = err == BV_E_UNAVAILABLE ? BV_E_REFUSED : err;
    }
    call->deferred = err == BV_OK;
    return err;
}

static enum bv_err
cert_issue(struct admin_call *call)
{
    static uint8_t der_buf[LIMIT_CSR];
    struct sink out = SINK_ARRAY(der_buf);
    struct span text = span_str(admin_text(call, "csr")), der;
    char name[LIMIT_SHORT_NAME];
    call->apart = true; /* nothing is written before the signer answered */
    BV_TRY(admin_name(call, "profile", name, sizeof name));
    const struct profile *p = core_profile(call->core, name);
    if (p == NULL)
        return admin_problem(call, BV_E_NOT_FOUND, "there is no such profile");
    BV_TRY(check_issue_role(call, p));
    if (pem_find(&text, PEM_CSR, &out, &der) != BV_OK)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"csr\" must hold a CSR in PEM form");
    return issue_start(call, p, der);
}

const struct admin_verb admin_issue_verbs[] = {
    {"cert.issue", CORE_ROLE_OPERATE, cert_issue},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
