#include "core/enroll.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "core/batch.h"
#include "core/handle.h"
#include "core/keygen.h"
#include "core/keys.h"
#include "core/quota.h"
#include "pki/digest.h"

enum bv_err
enroll_assemble(struct core *core, struct job *job, struct span signature)
{
    struct issuer *issuer = core_issuer(core, job->d.ca);
    struct span tbs = span_of(job->tbs, job->tbs_len), whole;
    /* A reload may have put another CA in its place: that one says yes or no
     * when it is asked again. */
    if (issuer == NULL || issuer->id != job->d.issuer)
        return BV_E_UNAVAILABLE;
    if (!issuer->proven) {
        bv_auto(key) struct key *key = NULL;
        BV_TRY(key_of_spki(&issuer->cert.spki, &key));
        if (key_verify(key, job->d.sig_alg, tbs, signature) != BV_OK)
            return BV_E_WRONG_KEY;
        issuer->proven = true;
    }
    size_t cap = job->tbs_len + signature.len + 64;
    job->cert = malloc(cap);
    if (job->cert == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(job->cert, cap);
    cert_assemble(&out, tbs, job->d.sig_alg, signature);
    BV_TRY(sink_done(&out, &whole));
    job->cert_len = whole.len;
    job->reply.cert = whole;
    return BV_OK;
}

static enum bv_err
copy_device(void *user, const struct store_device *row)
{
    *(struct store_device *)user = *row;
    return BV_OK;
}

enum bv_err
enroll_device_find(struct core *core, const char *name,
                   struct store_device *ret_row)
{
    BV_TRY(
        core->store->device_find(core->store->ctx, name, copy_device, ret_row));
    return strcmp(ret_row->name, name) == 0 ? BV_OK : BV_E_CONFLICT;
}

enum bv_err
enroll_put(struct core *core, struct job *job, int64_t device)
{
    const struct decision *d = &job->d;
    struct store_cert row = {
        .seq = d->seq,
        .issuer = d->issuer,
        .device = device,
        .not_before = d->not_before,
        .not_after = d->not_after,
        .serial = SPAN_ARRAY(d->serial),
        .key_hash = SPAN_ARRAY(d->key_hash),
        .request_hash =
            d->has_request_hash ? SPAN_ARRAY(d->request_hash) : SPAN_EMPTY,
        .der = span_of(job->cert, job->cert_len),
        .replaces = d->replaces,
        .reason = -1,
    };
    memcpy(row.profile, d->profile, sizeof row.profile);
    BV_TRY(core->store->cert_put(core->store->ctx, &row));
    return batch_map(core, d->seq, statusmap_word(d->issuer, -1, 0), 0);
}

enum bv_err
enroll_audit(struct core *core, const struct job *job, enum audit_action action,
             enum bv_err outcome)
{
    uint8_t hash[32];
    bool issued = job->cert_len > 0 && outcome == BV_OK;
    if (issued)
        digest_sha256(span_of(job->cert, job->cert_len), hash);
    struct audit_event event = {
        .action = action,
        .actor = job->d.auth == AUDIT_AUTH_NONE ? AUDIT_ACTOR_UNKNOWN
                                                : AUDIT_ACTOR_DEVICE,
        .auth = job->d.auth == 0 ? AUDIT_AUTH_NONE : job->d.auth,
        .object = issued ? AUDIT_OBJECT_CERT : AUDIT_OBJECT_DEVICE,
        .outcome = audit_outcome_of(outcome),
        .actor_id =
            span_str(job->d.actor[0] != '\0' ? job->d.actor : job->d.device),
        .address = span_str(job->peer),
        .object_id = span_str(job->d.device),
        .serial = issued ? SPAN_ARRAY(job->d.serial) : SPAN_EMPTY,
        .cert_sha256 = issued ? SPAN_ARRAY(hash) : SPAN_EMPTY,
        .reason = outcome == BV_OK ? SPAN_EMPTY : span_str(err_name(outcome)),
        .request_id = span_str(job->request_id),
        .detail = outcome == BV_OK ? span_str(job->d.profile)
                                   : span_str(job->reply.detail),
    };
    return batch_audit(core, &event);
}

/* --- the rules that another job may have changed since the decision --- */

static enum bv_err
check_name_is_free(struct core *core, const struct job *job, int64_t device)
{
    unsigned live;
    if (!job->d.free_name)
        return BV_OK;
    BV_TRY(core->store->cert_count_live(core->store->ctx, device,
                                        core_now(core), 1, &live));
    return live == 0 ? BV_OK : BV_E_REFUSED;
}

static enum bv_err
check_device(struct core *core, struct job *job, struct store_device *row)
{
    enum bv_err err = enroll_device_find(core, job->d.device, row);
    if (err == BV_E_NOT_FOUND) {
        *row = (struct store_device){.created_at = core_now(core)};
        memcpy(row->name, job->d.device, sizeof row->name);
        memcpy(row->group, job->d.group, sizeof row->group);
        return BV_OK;
    }
    if (err == BV_E_CONFLICT) /* handle.c says so too */
        return BV_E_REFUSED;
    BV_TRY(err);
    bool foreign = job->d.strict_group && strcmp(row->group, job->d.group) != 0;
    if (row->blocked || foreign || (job->d.new_device && job->d.strict_group))
        return BV_E_REFUSED;
    return check_name_is_free(core, job, row->id);
}

struct credential {
    int reason;
    uint8_t key_hash[32];
};

static enum bv_err
copy_credential(void *user, const struct store_cert *row)
{
    struct credential *credential = user;
    if (row->key_hash.len != sizeof credential->key_hash)
        return BV_E_CORRUPT;
    credential->reason = row->reason;
    memcpy(credential->key_hash, row->key_hash.data,
           sizeof credential->key_hash);
    return BV_OK;
}

/* A revocation covers what its device has at that moment; a certificate that
 * was with the signer then would slip through. */
static enum bv_err
check_good(struct core *core, uint64_t seq)
{
    struct credential credential = {.reason = -1};
    bool blocked = false;
    if (seq == 0)
        return BV_OK;
    BV_TRY(core->store->cert_find(core->store->ctx, seq, copy_credential,
                                  &credential));
    if (credential.reason < 0)
        BV_TRY(core->store->key_blocked(
            core->store->ctx, SPAN_ARRAY(credential.key_hash), &blocked));
    return blocked || credential.reason >= 0 ? BV_E_REVOKED : BV_OK;
}

/* The certificate that asks and, when that is an RA's, the one it renews. */
static enum bv_err
check_credential(struct core *core, const struct job *job)
{
    bool blocked = false;
    BV_TRY(core->store->key_blocked(core->store->ctx,
                                    SPAN_ARRAY(job->d.key_hash), &blocked));
    if (blocked)
        return BV_E_BAD_KEY;
    BV_TRY(check_good(core, job->d.credential));
    return job->d.replaces != job->d.credential
               ? check_good(core, job->d.replaces)
               : BV_OK;
}

struct token_row {
    struct store_token row;
};

static enum bv_err
copy_token(void *user, const struct store_token *row)
{
    ((struct token_row *)user)->row = *row;
    return BV_OK;
}

static enum bv_err
check_token(struct core *core, const struct job *job, struct token_row *token)
{
    if (!job->d.has_token)
        return BV_OK;
    BV_TRY(core->store->token_find(
        core->store->ctx, SPAN_ARRAY(job->d.token_hash), copy_token, token));
    token->row.hash = SPAN_ARRAY(job->d.token_hash);
    return token->row.revoked || token->row.uses_left <= 0
               ? BV_E_UNAUTHENTICATED
               : BV_OK;
}

static enum bv_err
use_token(struct core *core, struct job *job, struct token_row *token)
{
    int64_t id;
    if (!job->d.has_token)
        return BV_OK;
    token->row.uses_left--;
    BV_TRY(core->store->token_put(core->store->ctx, &token->row, &id));
    return enroll_audit(core, job, AUDIT_TOKEN_USE, BV_OK);
}

struct approval {
    int64_t id; /* 0: there was none to ask for */
    enum store_pending_state state;
};

static enum bv_err
copy_pending(void *user, const struct store_pending *row)
{
    *(struct approval *)user = (struct approval){row->id, row->state};
    return BV_OK;
}

/* BUSY when another request used it up: the next one waits for its own. */
static enum bv_err
check_approval(struct core *core, const struct job *job,
               struct approval *approval)
{
    if (!job->d.was_pending)
        return BV_OK;
    enum bv_err err = core->store->pending_find(
        core->store->ctx, SPAN_ARRAY(job->d.pending_digest), copy_pending,
        approval);
    if (err == BV_E_NOT_FOUND)
        return BV_E_BUSY;
    BV_TRY(err);
    return approval->state == STORE_PENDING_APPROVED ? BV_OK : BV_E_REFUSED;
}

static enum bv_err
use_approval(struct core *core, const struct approval *approval)
{
    return approval->id != 0
               ? core->store->pending_drop(core->store->ctx, approval->id)
               : BV_OK;
}

/* What the certificate is written with, as it is at that moment. */
struct grant {
    struct store_device device;
    struct token_row token;
    struct approval approval;
};

static enum bv_err
write_rows(struct core *core, struct job *job, struct grant *grant)
{
    int64_t id;
    struct store_device *device = &grant->device;
    device->last_seen = core_now(core);
    memcpy(device->profile, job->d.profile, sizeof device->profile);
    BV_TRY(core->store->device_put(core->store->ctx, device, &id));
    BV_TRY(enroll_put(core, job, id));
    BV_TRY(use_token(core, job, &grant->token));
    BV_TRY(use_approval(core, &grant->approval));
    return enroll_audit(core, job, AUDIT_CERT_ISSUE, BV_OK);
}

/* First everything that may still refuse, then everything that writes: an
 * error among the writes undoes the batch. */
static enum bv_err
check_again(struct core *core, struct job *job, struct grant *grant)
{
    BV_TRY(check_credential(core, job));
    BV_TRY(check_device(core, job, &grant->device));
    BV_TRY(check_token(core, job, &grant->token));
    BV_TRY(check_approval(core, job, &grant->approval));
    BV_TRY(quota_check_again(core, job, grant->device.id));
    enum bv_err err = keys_owner(core, job->d.key_hash, grant->device.id);
    return err == BV_E_CONFLICT ? BV_E_BAD_KEY : err;
}

static void
issued(struct core *core, struct job *job)
{
    struct sink hex = sink_of(job->reply.serial, sizeof job->reply.serial - 1);
    sink_hex(&hex, SPAN_ARRAY(job->d.serial));
    job->reply.serial[hex.len] = '\0';
    memcpy(job->reply.device, job->d.device, sizeof job->reply.device);
    memcpy(job->reply.profile, job->d.profile, sizeof job->reply.profile);
    core->stats.issued++;
}

void
enroll_signed(struct core *core, struct job *job, enum bv_err err,
              struct span signature)
{
    struct grant grant = {0};
    if (err == BV_OK)
        err = enroll_assemble(core, job, signature);
    if (err == BV_OK)
        err = keygen_finish(job);
    if (err == BV_OK)
        err = batch_begin(core);
    if (err == BV_OK)
        err = check_again(core, job, &grant);
    if (err != BV_OK) {
        (void)snprintf(job->reply.detail, sizeof job->reply.detail, "%s",
                       err_text(err));
        handle_refuse(core, job, err);
        return;
    }
    err = write_rows(core, job, &grant);
    if (err != BV_OK) {
        batch_fail(core, err);
        handle_refuse(core, job, batch_error(err));
        return;
    }
    issued(core, job);
    batch_ready(core, job);
}
