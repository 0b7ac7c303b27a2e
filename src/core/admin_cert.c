/* cert.list, cert.show, cert.revoke, cert.hold, cert.release, cert.issue,
 * key.block, ca.list, ca.show, crl.publish. */
#include <stdio.h>
#include <string.h>

#include "core/admin.h"
#include "core/batch.h"
#include "core/crl.h"
#include "core/enroll.h"
#include "core/keys.h"
#include "core/names.h"
#include "core/revoke.h"
#include "core/sequence.h"
#include "core/sign.h"
#include "pki/digest.h"
#include "wire/name.h"
#include "wire/pem.h"

#define HOLD 6

/* --- rows --- */

static json_t *
pem_text(struct span der)
{
    size_t cap = PEM_LEN(sizeof PEM_CERTIFICATE, der.len) + 16;
    char *buf = malloc(cap);
    if (buf == NULL)
        return json_null();
    struct sink out = sink_of(buf, cap);
    pem_encode(&out, PEM_CERTIFICATE, der);
    json_t *text = json_stringn(buf, out.len);
    free(buf);
    return text;
}

static enum bv_err
copy_device_name(void *user, const struct store_device *row)
{
    memcpy(user, row->name, sizeof row->name);
    return BV_OK;
}

json_t *
admin_cert_json(struct core *core, const struct store_cert *row)
{
    char device[LIMIT_DEVICE_NAME + 1] = "";
    const struct issuer *issuer = core_issuer_of_id(core, row->issuer);
    const char *status = row->reason < 0       ? "good"
                         : row->reason == HOLD ? "hold"
                                               : "revoked";
    if (row->device != 0 &&
        core->store->device_get(core->store->ctx, row->device, copy_device_name,
                                device) != BV_OK)
        device[0] = '\0';
    json_t *json = json_pack(
        "{s:I, s:o, s:s, s:s, s:s, s:I, s:I, s:s, s:s?, s:I, s:I}", "seq",
        (json_int_t)row->seq, "serial", admin_hex(row->serial), "device",
        device, "profile", row->profile, "ca",
        issuer != NULL ? issuer->config->name : "", "not_before",
        (json_int_t)row->not_before, "not_after", (json_int_t)row->not_after,
        "status", status, "reason", revoke_reason_name(row->reason),
        "revoked_at", (json_int_t)row->revoked_at, "replaces",
        (json_int_t)row->replaces);
    return json;
}

static enum bv_err
add_cert(void *user, const struct store_cert *row)
{
    struct admin_page *page = user;
    admin_page_add(page, (int64_t)row->seq,
                   admin_cert_json(page->call->core, row));
    return BV_OK;
}

static enum bv_err
copy_device_id(void *user, const struct store_device *row)
{
    *(int64_t *)user = row->id;
    return BV_OK;
}

static enum bv_err
read_status(struct admin_call *call, int *ret_status)
{
    static const struct {
        const char *name;
        int status; /* as in store_cert_filter */
    } all[] = {{"any", -2}, {"good", -1}, {"revoked", -3}};
    const char *text = admin_text(call, "status");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(text != NULL ? text : "any", all[i].name) != 0)
            continue;
        *ret_status = all[i].status;
        return BV_OK;
    }
    return admin_problem(call, BV_E_BAD_MESSAGE,
                         "\"status\" is any, good or revoked");
}

static enum bv_err
no_device(struct admin_call *call, enum bv_err err)
{
    return err == BV_E_NOT_FOUND
               ? admin_problem(call, err, "there is no such device")
               : err;
}

static enum bv_err
cert_list(struct admin_call *call)
{
    const struct store *store = call->core->store;
    const char *device = admin_text(call, "device");
    struct store_cert_filter filter = {
        .after = (uint64_t)admin_int(call, "after", 0),
        .expires_before = admin_int(call, "expires_before", 0),
        .limit = admin_limit(call),
    };
    BV_TRY(read_status(call, &filter.status));
    if (filter.expires_before != 0)
        filter.expires_after = core_now(call->core);
    if (device != NULL)
        BV_TRY(no_device(call,
                         store->device_find(store->ctx, device, copy_device_id,
                                            &filter.device)));
    struct admin_page page = admin_page_start(call);
    enum bv_err err = store->cert_list(store->ctx, &filter, add_cert, &page);
    if (err != BV_OK) {
        json_decref(page.rows);
        return err;
    }
    return admin_page_end(&page);
}

/* --- which certificate --- */

static enum bv_err
seq_of_call(struct admin_call *call, uint64_t *ret_seq)
{
    uint8_t serial[LIMIT_SERIAL];
    size_t len;
    const char *text = admin_text(call, "serial");
    int64_t seq = admin_int(call, "seq", 0);
    if (text == NULL && seq > 0) {
        *ret_seq = (uint64_t)seq;
        return BV_OK;
    }
    if (text == NULL)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "say which: a serial number, a device or a key");
    if (span_unhex(span_str(text), serial, sizeof serial, &len) != BV_OK)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"serial\" must be a serial number in hex");
    if (serial_open(call->core->serial, span_of(serial, len), ret_seq) != BV_OK)
        return admin_problem(call, BV_E_NOT_FOUND,
                             "no certificate has this serial number");
    return BV_OK;
}

static enum bv_err
show_cert(void *user, const struct store_cert *row)
{
    struct admin_call *call = user;
    call->result = admin_cert_json(call->core, row);
    (void)json_object_set_new(call->result, "pem", pem_text(row->der));
    (void)json_object_set_new(call->result, "key_sha256",
                              admin_hex(row->key_hash));
    return BV_OK;
}

static enum bv_err
cert_show(struct admin_call *call)
{
    uint64_t seq = 0;
    BV_TRY(seq_of_call(call, &seq));
    return call->core->store->cert_find(call->core->store->ctx, seq, show_cert,
                                        call);
}

/* --- status --- */

static enum bv_err
key_of_call(struct admin_call *call, uint8_t ret_hash[32])
{
    size_t len = 0;
    const char *text = admin_text(call, "key");
    if (span_unhex(span_str(text), ret_hash, 32, &len) != BV_OK || len != 32)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"key\" must be the SHA-256 of a public key");
    return BV_OK;
}

static enum bv_err
change_one(struct admin_call *call, int reason,
           const struct revoke_actor *actor, unsigned *ret_num)
{
    uint64_t seq = 0;
    bool changed = false;
    BV_TRY(seq_of_call(call, &seq));
    enum bv_err err = revoke_cert(call->core, seq, reason, actor, &changed);
    if (err == BV_E_CONFLICT)
        return admin_problem(call, err,
                             reason == REVOKE_RELEASE
                                 ? "only a hold can be released"
                                 : "it is revoked already, for "
                                   "another reason");
    if (err == BV_E_REFUSED)
        return admin_problem(call, err,
                             "a root, and what another CA issued, is not "
                             "revoked here: tell those who trust it");
    BV_TRY(err);
    *ret_num = changed;
    return BV_OK;
}

static enum bv_err
change_device(struct admin_call *call, const char *device, int reason,
              const struct revoke_actor *actor, unsigned *ret_num)
{
    enum bv_err err = revoke_device(call->core, device, reason, actor, ret_num);
    return err == BV_E_NOT_FOUND
               ? admin_problem(call, err,
                               "there is no such device, or it has no "
                               "certificate that is still valid or may "
                               "still renew itself")
               : err;
}

static enum bv_err
change_status(struct admin_call *call, int reason)
{
    const struct revoke_actor actor = {AUDIT_ACTOR_OPERATOR, AUDIT_AUTH_LOCAL,
                                       call->actor};
    const char *device = admin_text(call, "device");
    uint8_t key_hash[32];
    unsigned num = 0;
    if (device != NULL) {
        BV_TRY(change_device(call, device, reason, &actor, &num));
    } else if (admin_text(call, "key") != NULL) {
        BV_TRY(key_of_call(call, key_hash));
        BV_TRY(revoke_key(call->core, key_hash, reason, &actor, &num));
    } else {
        BV_TRY(change_one(call, reason, &actor, &num));
    }
    call->result = json_pack("{s:i}", "changed", (int)num);
    return BV_OK;
}

static enum bv_err
cert_revoke(struct admin_call *call)
{
    const char *name = admin_text(call, "reason");
    int reason = 0;
    if (name != NULL && revoke_reason_of_name(name, &reason) != BV_OK)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "\"reason\" is not a reason of RFC 5280");
    return change_status(call, reason);
}

static enum bv_err
cert_hold(struct admin_call *call)
{
    return change_status(call, HOLD);
}

static enum bv_err
cert_release(struct admin_call *call)
{
    return change_status(call, REVOKE_RELEASE);
}

static enum bv_err
key_block(struct admin_call *call)
{
    uint8_t hash[32];
    const char *why = admin_text(call, "why");
    BV_TRY(key_of_call(call, hash));
    BV_TRY(batch_begin(call->core));
    BV_TRY(call->core->store->key_block(
        call->core->store->ctx, SPAN_ARRAY(hash),
        why != NULL ? why : "operator", core_now(call->core)));
    return admin_audit(call, AUDIT_KEY_BLOCK, AUDIT_OBJECT_KEY,
                       admin_text(call, "key"));
}

/* --- issuing from an operator's CSR --- */

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
store_issued(struct core *core, struct job *job, struct span signature)
{
    struct store_device device = {.created_at = core_now(core)};
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
    BV_TRY(enroll_assemble(core, job, signature));
    digest_sha256(span_of(job->cert, job->cert_len), hash);
    event.cert_sha256 = SPAN_ARRAY(hash);
    BV_TRY(batch_begin(core));
    BV_TRY(check_issued(core, job, &device));
    memcpy(device.name, job->d.device, sizeof device.name);
    memcpy(device.profile, job->d.profile, sizeof device.profile);
    device.last_seen = core_now(core);
    BV_TRY(core->store->device_put(core->store->ctx, &device, &id));
    BV_TRY(enroll_put(core, job, id));
    return batch_audit(core, &event);
}

static json_t *
issued_json(const struct job *job)
{
    return json_pack("{s:o, s:s, s:s, s:o}", "serial",
                     admin_hex(SPAN_ARRAY(job->d.serial)), "device",
                     job->d.device, "profile", job->d.profile, "pem",
                     pem_text(span_of(job->cert, job->cert_len)));
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
    BV_TRY(keys_check_csr(core, p, der, true, &csr, job->d.key_hash,
                          call->detail, sizeof call->detail));
    BV_TRY(issue_names(call, p, &csr, &names));
    memcpy(job->d.profile, p->name, sizeof job->d.profile);
    (void)snprintf(job->peer, sizeof job->peer, "%.63s", call->actor);
    job->on_signed = issue_signed;
    BV_TRY(sequence_ensure(core));
    const struct sign_cert cert = {p, issuer, sink_view(&names.subject),
                                   csr.spki.whole, sink_view(&names.san)};
    enum bv_err err = sign_start(core, job, &cert, core_now(core));
    if (err != BV_OK && job->reply.detail[0] != '\0')
        (void)snprintf(call->detail, sizeof call->detail, "%s",
                       job->reply.detail);
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

/* --- CAs --- */

static json_t *
ca_json(const struct issuer *issuer, bool whole)
{
    char subject[512];
    struct sink text = sink_of(subject, sizeof subject);
    name_put_text(&text, issuer->cert.subject);
    json_t *json = json_pack("{s:s, s:i, s:s%, s:I, s:I, s:b, s:s, s:I, s:I}",
                             "name", issuer->config->name, "id",
                             (int)issuer->id, "subject", subject, text.len,
                             "not_before", (json_int_t)issuer->cert.not_before,
                             "not_after", (json_int_t)issuer->cert.not_after,
                             "offline", (int)issuer->config->offline, "key",
                             alg_key_name(issuer->cert.spki.alg), "crl_number",
                             (json_int_t)issuer->crl_number, "crl_next_update",
                             (json_int_t)issuer->crl_next);
    if (whole && json != NULL)
        (void)json_object_set_new(json, "pem", pem_text(issuer->config->cert));
    return json;
}

static enum bv_err
ca_list(struct admin_call *call)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < call->core->num_issuers; i++)
        (void)json_array_append_new(rows,
                                    ca_json(&call->core->issuers[i], false));
    call->result = json_pack("{s:o, s:n}", "rows", rows, "next");
    return BV_OK;
}

static enum bv_err
ca_of_call(struct admin_call *call, struct issuer **ret_issuer)
{
    char name[LIMIT_SHORT_NAME];
    BV_TRY(admin_name(call, "name", name, sizeof name));
    *ret_issuer = core_issuer(call->core, name);
    return *ret_issuer != NULL
               ? BV_OK
               : admin_problem(call, BV_E_NOT_FOUND, "there is no such CA");
}

static enum bv_err
ca_show(struct admin_call *call)
{
    struct issuer *issuer;
    BV_TRY(ca_of_call(call, &issuer));
    call->result = ca_json(issuer, true);
    return BV_OK;
}

static enum bv_err
publish_all(struct core *core)
{
    for (size_t i = 0; i < core->num_issuers; i++) {
        enum bv_err err = crl_start(core, &core->issuers[i]);
        if (err != BV_OK && err != BV_E_NOT_FOUND && err != BV_E_BUSY)
            return err;
    }
    return BV_OK;
}

/* The CRL is on its way when this is answered. */
static enum bv_err
crl_publish(struct admin_call *call)
{
    struct issuer *issuer = NULL;
    call->apart = true; /* nothing is written yet */
    if (admin_text(call, "name") != NULL)
        BV_TRY(ca_of_call(call, &issuer));
    enum bv_err err = issuer != NULL ? crl_start(call->core, issuer)
                                     : publish_all(call->core);
    if (err == BV_E_BAD_CLOCK)
        return admin_problem(call, err, ADMIN_BAD_CLOCK);
    if (err == BV_E_NOT_FOUND)
        return admin_problem(call, err, "this CA publishes no CRL here");
    return err == BV_E_BUSY ? BV_OK : err;
}

const struct admin_verb admin_cert_verbs[] = {
    {"cert.list", CORE_ROLE_READ, cert_list},
    {"cert.show", CORE_ROLE_READ, cert_show},
    {"cert.revoke", CORE_ROLE_OPERATE, cert_revoke},
    {"cert.hold", CORE_ROLE_OPERATE, cert_hold},
    {"cert.release", CORE_ROLE_OPERATE, cert_release},
    {"cert.issue", CORE_ROLE_OPERATE, cert_issue},
    {"key.block", CORE_ROLE_OPERATE, key_block},
    {"ca.list", CORE_ROLE_READ, ca_list},
    {"ca.show", CORE_ROLE_READ, ca_show},
    {"crl.publish", CORE_ROLE_OPERATE, crl_publish},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
