#include "core/infra.h"

#include <fcntl.h>

#include "base/disk.h"
#include "core/batch.h"
#include "core/checkpoint.h"
#include "core/enroll.h"
#include "pki/digest.h"
#include "proc/pulse.h"

/* --- certificates of our own --- */

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

enum bv_err
infra_store(struct core *core, struct job *job, struct span signature,
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
int64_t
infra_renew_at(const struct profile *p, int64_t not_before, int64_t not_after)
{
    int64_t issued = not_before + p->backdate;
    int64_t life = not_after - issued + 1;
    return issued + life * (int64_t)p->renew_percent / 100;
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

bool
infra_is_ours(struct core *core, const struct cert *cert,
              const struct issuer *issuer)
{
    return is_signed_by(cert, issuer) && is_good(core, cert->serial);
}

/* --- files --- */

enum bv_err
infra_write_file(const char *path, mode_t mode, struct span text)
{
    enum pulse_work before = pulse_set(PULSE_DISK);
    enum bv_err err = disk_replace(path, mode, text);
    (void)pulse_set(before);
    return err;
}

enum bv_err
infra_read_file(const char *path, uint8_t *buf, size_t cap, size_t *ret_len)
{
    bv_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, cap) : -1;
    if (n <= 0 || (size_t)n == cap)
        return BV_E_NOT_FOUND;
    *ret_len = (size_t)n;
    return BV_OK;
}

/* --- the clock --- */

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
    next = checkpoint_tick(core, now, next);
    next = infra_tls_tick(core, now, next);
    return infra_service_tick(core, now, next);
}
