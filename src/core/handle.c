#include "core/handle.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/batch.h"
#include "core/enroll.h"
#include "core/job.h"
#include "core/keygen.h"
#include "core/keys.h"
#include "core/names.h"
#include "core/pending.h"
#include "core/quota.h"
#include "core/renew.h"
#include "core/sequence.h"
#include "core/sign.h"
#include "core/work.h"
#include "pki/digest.h"
#include "wire/base64.h"
#include "wire/name.h"
#include "wire/san.h"

#define REPEAT_DEFAULT  600
#define PENDING_DEFAULT 60
/* Refusals written to the audit log, per minute: all, and one address. */
#define REFUSALS_ALL     600
#define REFUSALS_ADDRESS 30

/* How a decision ends when it is not an error. */
enum verdict { SIGN, REPEATED, FOLLOW, WAIT };

/* --- profile --- */

static const char *
label_profile(const struct core *core, const char *label)
{
    const struct core_config *c = core->config;
    if (label[0] == '\0')
        return c->default_profile[0] != '\0' ? c->default_profile : "device";
    for (size_t i = 0; i < c->num_labels; i++) {
        if (strcmp(c->labels[i].label, label) == 0)
            return c->labels[i].profile;
    }
    return NULL;
}

static bool
is_allowed(const struct profile *p, enum audit_auth auth)
{
    switch (auth) {
    case AUDIT_AUTH_TOKEN:
        return p->allow_basic;
    case AUDIT_AUTH_OWN_CERT:
        return p->allow_own;
    case AUDIT_AUTH_MANUFACTURER:
        return p->allow_manufacturer;
    case AUDIT_AUTH_RA:
        return p->allow_ra;
    case AUDIT_AUTH_LOCAL:
        return true;
    case AUDIT_AUTH_NONE:
        break;
    }
    return false;
}

static enum bv_err
say_operator(struct work *w, const char *sentence)
{
    w->job->reply.retry_after = SIGN_RETRY_OPERATOR;
    return work_say(w, BV_E_UNAVAILABLE, sentence);
}

static enum bv_err
choose_profile(struct work *w, const char *by_label)
{
    const char *name = w->id.profile[0] != '\0' ? w->id.profile : by_label;
    if (w->r->label[0] != '\0' && strcmp(name, by_label) != 0)
        return work_say(
            w, BV_E_REFUSED,
            "the credential is for another profile than this label");
    w->profile = core_profile(w->core, name);
    if (w->profile == NULL)
        return say_operator(
            w, "the credential's profile is not configured any more");
    if (!is_allowed(w->profile, w->id.auth))
        return work_say(w, BV_E_REFUSED,
                        "the profile does not take this kind of credential");
    w->issuer = core_issuer(w->core, w->profile->ca);
    if (w->issuer == NULL || w->issuer->config->offline)
        return say_operator(w, "the profile's CA is not here");
    memcpy(w->job->d.profile, w->profile->name, sizeof w->job->d.profile);
    memcpy(w->job->d.ca, w->profile->ca, sizeof w->job->d.ca);
    return BV_OK;
}

/* Clients with SCEP's habits: whoever has shown nothing else may have put a
 * claim code where the channel binding goes. */
static bool
take_challenge(const struct core_request *r, const struct profile *profile,
               struct core_request *ret_request)
{
    struct csr csr;
    if (profile == NULL || profile->binding != PROFILE_BINDING_SECRET ||
        r->op == CORE_REENROLL || r->trust != CORE_TRUST_NONE ||
        r->secret.len > 0 || keys_read_csr(r, &csr) != BV_OK ||
        !csr.has_challenge)
        return false;
    *ret_request = *r;
    ret_request->secret = csr.challenge;
    return true;
}

static enum bv_err
identify(struct work *w)
{
    struct core_reply *reply = &w->job->reply;
    const char *by_label = label_profile(w->core, w->r->label);
    if (by_label == NULL)
        return work_say(w, BV_E_NOT_FOUND, "there is no such label");
    const struct profile *p = core_profile(w->core, by_label);
    const struct core_request *r = w->r;
    struct core_request with_secret;
    if (take_challenge(r, p, &with_secret))
        r = &with_secret;
    /* handle_done leaves it to those who lack a credential */
    reply->challenge = r->op != CORE_REENROLL && p != NULL && p->allow_basic;
    enum bv_err err = authorize(w->core, r, w->now, &w->id, reply->detail,
                                sizeof reply->detail);
    w->job->d.auth = w->id.auth;
    memcpy(w->job->d.device, w->id.device, sizeof w->job->d.device);
    memcpy(w->job->d.actor, w->id.actor, sizeof w->job->d.actor);
    BV_TRY(err);
    return choose_profile(w, by_label);
}

/* --- the CSR and its key --- */

/* RFC 7030 4.4.1: where the key is made here, the CSR's is ignored, and its
 * signature too. */
static enum bv_err
check_csr(struct work *w)
{
    struct core_reply *reply = &w->job->reply;
    if (w->r->op != CORE_KEYGEN)
        return keys_check_csr(w->core, w->profile, w->r->csr, &w->csr,
                              w->job->d.key_hash, reply->detail,
                              sizeof reply->detail);
    enum bv_err err = keys_read_csr(w->r, &w->csr);
    if (err != BV_OK)
        return work_say(w, err, "the CSR cannot be read");
    digest_sha256(w->csr.spki.whole, w->job->d.key_hash);
    return BV_OK;
}

/* RFC 7030 3.5, RFC 9266: the challengePassword is base64 of the binding. */
static enum bv_err
check_binding(struct work *w)
{
    const struct csr *csr = &w->csr;
    uint8_t buf[128];
    struct sink text = SINK_ARRAY(buf);
    /* RFC 7030 3.7: an RA has verified it on its own connection. In SCEP the
     * challengePassword is a secret (RFC 8894 2.3). */
    if (w->r->door == CORE_DOOR_SCEP ||
        w->profile->binding == PROFILE_BINDING_IGNORE ||
        w->profile->binding == PROFILE_BINDING_SECRET ||
        w->id.auth == AUDIT_AUTH_RA)
        return BV_OK;
    if (!csr->has_challenge)
        return w->profile->binding == PROFILE_BINDING_REQUIRE
                   ? work_say(w, BV_E_BAD_BINDING,
                              "the CSR must carry the channel binding")
                   : BV_OK;
    base64_encode(&text, w->r->binding);
    if (w->r->binding.len == 0 ||
        !span_eq_secret(csr->challenge, sink_view(&text)))
        return work_say(w, BV_E_BAD_BINDING,
                        "the CSR is bound to another connection");
    return BV_OK;
}

/* --- names --- */

static enum bv_err
choose_device(struct work *w)
{
    char named[LIMIT_DEVICE_NAME + 1];
    char *device = w->job->d.device;
    if (names_of_subject(w->csr.subject, false, named) != BV_OK)
        return work_say(w, BV_E_BAD_NAME, "the CSR's subject is not usable");
    if (device[0] == '\0' && w->id.user[0] != '\0')
        memcpy(device, w->id.user, sizeof w->id.user);
    if (device[0] == '\0')
        memcpy(device, named, sizeof named);
    if (device[0] == '\0')
        return work_say(w, BV_E_BAD_NAME, "the CSR names no device");
    if (named[0] != '\0' && strcmp(named, device) != 0)
        return work_say(w, BV_E_REFUSED,
                        "the CSR names another device than the credential");
    if (w->id.user[0] != '\0' && strcmp(w->id.user, device) != 0)
        return work_say(
            w, BV_E_REFUSED,
            "the user name is another device than the credential's");
    if (names_check_id(w->profile, span_str(device)) != BV_OK)
        return work_say(w, BV_E_BAD_NAME,
                        "the device id has not the form the profile wants");
    return BV_OK;
}

/* A pattern says which names there may be, not whose they are: one that is a
 * registered device's id is that device's. */
static enum bv_err
check_not_anothers(struct work *w, const char *id)
{
    struct core_reply *reply = &w->job->reply;
    struct store_device other;
    enum bv_err err = enroll_device_find(w->core, id, &other);
    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    if (err != BV_OK && err != BV_E_CONFLICT) /* in other letters */
        return err;
    if (strcmp(other.name, w->job->d.device) == 0)
        return BV_OK;
    (void)snprintf(reply->detail, sizeof reply->detail,
                   "%.64s is the id of another device", id);
    return BV_E_REFUSED;
}

static enum bv_err
check_san_owners(struct work *w)
{
    struct san_iter it;
    struct san_name name;
    enum bv_err err;
    if (w->san.len == 0)
        return BV_OK;
    BV_TRY(san_open(sink_view(&w->san), &it));
    while ((err = san_next(&it, &name)) == BV_OK) {
        char ids[NAMES_IDS_MAX][LIMIT_DEVICE_NAME + 1];
        unsigned num = names_ids_of_san(&name, ids);
        for (unsigned i = 0; i < num; i++)
            BV_TRY(check_not_anothers(w, ids[i]));
    }
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

static enum bv_err
choose_names(struct work *w)
{
    struct core_reply *reply = &w->job->reply;
    /* RFC 6402 2.8: better none than the old name to who asks for a new. */
    if (w->csr.has_change_subject)
        return work_say(w, BV_E_REFUSED, "names are not changed on request");
    if (w->r->op == CORE_REENROLL)
        return renew_names(w);
    BV_TRY(choose_device(w));
    BV_TRY(names_san(w->profile, w->job->d.device, w->csr.san, &w->san,
                     reply->detail, sizeof reply->detail));
    BV_TRY(check_san_owners(w));
    enum bv_err err = names_subject(w->profile, w->job->d.device, &w->subject);
    return err == BV_OK ? BV_OK
                        : work_say(w, err, "the subject cannot be written");
}

/* --- the device --- */

static enum bv_err
note_seen(void *user, const struct store_cert *row)
{
    (void)row;
    *(bool *)user = true;
    return BV_E_TOO_MANY; /* enough: stop */
}

/* The same key proves the same device even to a group token; not when the
 * server makes the key, for then nobody has shown to have the CSR's. */
static bool
is_known_key(struct work *w)
{
    bool seen = false;
    if (w->r->op == CORE_KEYGEN)
        return false;
    enum bv_err err = w->core->store->certs_of_key(
        w->core->store->ctx, SPAN_ARRAY(w->job->d.key_hash), note_seen, &seen);
    return seen && (err == BV_OK || err == BV_E_TOO_MANY) &&
           keys_owner(w->core, w->job->d.key_hash, w->device.id) == BV_OK;
}

/* A credential that is not the device's own may not take over a device that
 * lives in another group, or one that has a valid certificate. */
static enum bv_err
check_takeover(struct work *w)
{
    unsigned live;
    if (!w->id.any_group && strcmp(w->device.group, w->id.group) != 0)
        return work_say(w, BV_E_REFUSED, "the device belongs to another group");
    if (w->id.may_replace || is_known_key(w))
        return BV_OK;
    w->job->d.free_name = true;
    BV_TRY(w->core->store->cert_count_live(w->core->store->ctx, w->device.id,
                                           w->now, 1, &live));
    return live == 0 ? BV_OK
                     : work_say(w, BV_E_REFUSED,
                                "the device has a valid certificate already");
}

static enum bv_err
check_device(struct work *w)
{
    struct decision *d = &w->job->d;
    enum bv_err err = enroll_device_find(w->core, d->device, &w->device);
    w->exists = err == BV_OK;
    if (err == BV_E_CONFLICT)
        return work_say(w, BV_E_REFUSED,
                        "another device has this name in other letters");
    if (err != BV_OK && err != BV_E_NOT_FOUND)
        return err;
    memcpy(d->group, w->exists ? w->device.group : w->id.group,
           sizeof d->group);
    d->strict_group = !w->id.any_group;
    d->new_device = !w->exists;
    if (!w->exists)
        return w->id.known_only
                   ? work_say(w, BV_E_REFUSED, "the device is not registered")
                   : BV_OK;
    if (w->device.blocked)
        return work_say(w, BV_E_REFUSED, "the device is blocked");
    return check_takeover(w);
}

static enum bv_err
check_key_history(struct work *w)
{
    if (w->r->op == CORE_KEYGEN)
        return BV_OK;
    enum bv_err err = keys_owner(w->core, w->job->d.key_hash, w->device.id);
    if (err == BV_E_CONFLICT)
        return work_say(w, BV_E_BAD_KEY, "the key belongs to another device");
    return err;
}

/* A repeat is no second use of its key: find_repeat comes first. */
static enum bv_err
check_key_reuse(struct work *w)
{
    if (w->r->op == CORE_REENROLL && !w->profile->reuse_key_on_renew &&
        span_eq(w->csr.spki.whole, w->old.spki.whole))
        return work_say(w, BV_E_BAD_KEY, "a renewal must bring a new key");
    return BV_OK;
}

/* --- repeats --- */

/* What makes two requests the same: who asks, for which key, names, profile.
 * Not the CSR's octets: a client signs anew (and ECDSA differs) each time. */
static enum bv_err
hash_request(struct work *w)
{
    uint8_t buf[LIMIT_SPKI + LIMIT_NAME + sizeof w->san_buf + 512];
    struct sink in = SINK_ARRAY(buf);
    struct span whole;
    /* What an RA renews is the newest at that moment: with a repeat it is the
     * one just issued. */
    bool by_old = w->r->op == CORE_REENROLL && w->id.auth != AUDIT_AUTH_RA;
    sink_u8(&in, 1);
    sink_u8(&in, (uint8_t)w->r->op);
    sink_u8(&in, (uint8_t)w->id.auth);
    sink_u64(&in, by_old ? w->old_seq : 0);
    sink_put(&in, SPAN_ARRAY(w->id.token_hash));
    sink_bytes(&in, span_str(w->id.actor));
    sink_bytes(&in, span_str(w->job->d.device));
    sink_bytes(&in, span_str(w->job->d.profile));
    /* Ignored as a key it may be of any length, and tells two who wait under
     * one name apart all the same. */
    sink_bytes(&in, w->r->op == CORE_KEYGEN ? SPAN_ARRAY(w->job->d.key_hash)
                                            : w->csr.spki.whole);
    sink_bytes(&in, sink_view(&w->subject));
    sink_bytes(&in, sink_view(&w->san));
    BV_TRY(sink_done(&in, &whole));
    digest_sha256(whole, w->job->d.request_hash);
    memcpy(w->job->d.pending_digest, w->job->d.request_hash, 32);
    w->job->d.has_request_hash = w->r->op != CORE_KEYGEN;
    return BV_OK;
}

struct repeat {
    struct work *w;
    bool found;
    enum bv_err err;
};

static bool
is_fresh(const struct work *w, const struct store_cert *row)
{
    int64_t window = w->core->config->repeat_window;
    int64_t issued = row->not_before + w->profile->backdate;
    int64_t left = row->not_after - w->now;
    if (window == 0)
        window = REPEAT_DEFAULT;
    return row->reason < 0 && w->now - issued <= window &&
           left > (row->not_after - issued) / 2;
}

static enum bv_err
take_repeat(void *user, const struct store_cert *row)
{
    struct repeat *repeat = user;
    struct job *job = repeat->w->job;
    if (!is_fresh(repeat->w, row))
        return BV_OK;
    job->cert = malloc(row->der.len);
    if (job->cert == NULL)
        return BV_E_NO_MEMORY;
    memcpy(job->cert, row->der.data, row->der.len);
    job->cert_len = row->der.len;
    job->reply.cert = span_of(job->cert, job->cert_len);
    job->reply.repeated = true;
    struct sink hex = sink_of(job->reply.serial, sizeof job->reply.serial - 1);
    sink_hex(&hex, row->serial);
    job->reply.serial[hex.len] = '\0';
    repeat->found = true;
    return BV_OK;
}

static enum bv_err
find_repeat(struct work *w, enum verdict *ret_verdict)
{
    struct repeat repeat = {.w = w};
    if (!w->job->d.has_request_hash)
        return BV_OK;
    struct job *first = job_hash_find(w->core, w->job->d.request_hash);
    if (first != NULL) {
        w->job->next = first->followers;
        first->followers = w->job;
        *ret_verdict = FOLLOW;
        return BV_OK;
    }
    enum bv_err err = w->core->store->cert_of_request(
        w->core->store->ctx, SPAN_ARRAY(w->job->d.key_hash),
        SPAN_ARRAY(w->job->d.request_hash), take_repeat, &repeat);
    if (err != BV_OK && err != BV_E_NOT_FOUND)
        return err;
    if (repeat.found)
        *ret_verdict = REPEATED;
    return BV_OK;
}

/* --- signing --- */

static enum bv_err
start(struct work *w)
{
    struct decision *d = &w->job->d;
    w->spki = w->csr.spki.whole;
    if (w->r->op == CORE_KEYGEN) {
        struct sink spki = SINK_ARRAY(w->spki_buf);
        BV_TRY(keygen_start(w));
        BV_TRY(key_spki(w->job->key, &spki));
        w->spki = sink_view(&spki);
        digest_sha256(w->spki, d->key_hash);
    }
    if (d->has_request_hash)
        job_hash_add(w->core, w->job);
    d->has_token = w->id.has_token;
    memcpy(d->token_hash, w->id.token_hash, sizeof d->token_hash);
    d->replaces = w->r->op == CORE_REENROLL ? w->old_seq : 0;
    d->credential = w->id.seq; /* 0: it was no certificate of ours */
    w->job->on_signed = enroll_signed;
    const struct sign_cert cert = {w->profile, w->issuer,
                                   sink_view(&w->subject), w->spki,
                                   sink_view(&w->san)};
    return sign_start(w->core, w->job, &cert, w->now);
}

/* --- the whole way --- */

static enum bv_err
decide_identity(struct work *w)
{
    if (sign_clock(w->core, w->now) != BV_OK)
        return work_say(w, BV_E_BAD_CLOCK,
                        "the server's clock cannot be trusted");
    BV_TRY(identify(w));
    BV_TRY(check_csr(w));
    BV_TRY(check_binding(w));
    BV_TRY(choose_names(w));
    BV_TRY(check_device(w));
    return check_key_history(w);
}

static enum bv_err
decide(struct work *w, enum verdict *ret_verdict)
{
    bool waits;
    *ret_verdict = SIGN;
    BV_TRY(decide_identity(w));
    BV_TRY(hash_request(w));
    BV_TRY(find_repeat(w, ret_verdict));
    if (*ret_verdict != SIGN)
        return BV_OK;
    BV_TRY(check_key_reuse(w));
    if (w->id.token_spent)
        return work_say(w, BV_E_UNAUTHENTICATED, "the claim code is used up");
    BV_TRY(pending_check(w, &waits));
    if (waits) {
        *ret_verdict = WAIT;
        return BV_OK;
    }
    if (w->id.token_expired && !w->job->d.was_pending)
        return work_say(w, BV_E_UNAUTHENTICATED, "the claim code has expired");
    BV_TRY(quota_check(w));
    return start(w);
}

static void
end_repeated(struct core *core, struct job *job)
{
    memcpy(job->reply.device, job->d.device, sizeof job->reply.device);
    memcpy(job->reply.profile, job->d.profile, sizeof job->reply.profile);
    core->stats.repeated++;
    batch_ready(core, job);
}

static void
end_waiting(struct core *core, struct job *job)
{
    int64_t retry = core->config->pending_retry;
    job->err = BV_E_PENDING;
    job->reply.retry_after = (uint32_t)(retry > 0 ? retry : PENDING_DEFAULT);
    (void)snprintf(job->reply.detail, sizeof job->reply.detail, "%s",
                   err_text(BV_E_PENDING));
    batch_ready(core, job);
}

static struct job *
job_of(const struct core_request *r, unsigned tag, uint64_t id)
{
    struct job *job = job_new();
    if (job == NULL)
        return NULL;
    job->tag = tag;
    job->id = id;
    job->op = r->op;
    job->on_done = handle_done;
    memcpy(job->request_id, r->request_id, sizeof job->request_id);
    memcpy(job->peer, r->peer, sizeof job->peer);
    return job;
}

static void
run(struct core *core, struct job *job, const struct core_request *request)
{
    struct work w = {.core = core, .r = request, .job = job};
    enum verdict verdict;
    w.now = core_now(core);
    w.subject = SINK_ARRAY(w.subject_buf);
    w.san = SINK_ARRAY(w.san_buf);
    enum bv_err err = decide(&w, &verdict);
    if (err != BV_OK)
        handle_refuse(core, job, err);
    else if (verdict == REPEATED)
        end_repeated(core, job);
    else if (verdict == WAIT)
        end_waiting(core, job);
}

static void
busy(struct core *core, unsigned tag, uint64_t id)
{
    struct core_reply reply = {.err = BV_E_BUSY, .retry_after = 1};
    (void)snprintf(reply.detail, sizeof reply.detail, "%s",
                   err_text(BV_E_BUSY));
    core->calls.reply(core->calls.user, tag, id, &reply);
}

/* The profile that this credential leads to, for a door that has to say what
 * a CSR is to look like. Nothing is written, nobody is refused. */
static void
tell_profile(struct core *core, struct job *job,
             const struct core_request *request)
{
    struct work w = {.core = core, .r = request, .job = job};
    struct core_reply *reply = &job->reply;
    w.now = core_now(core);
    reply->err = identify(&w);
    if (reply->err == BV_OK)
        memcpy(reply->profile, job->d.profile, sizeof reply->profile);
    core->calls.reply(core->calls.user, job->tag, job->id, reply);
    job_free(job);
}

void
handle_request(struct core *core, unsigned tag, uint64_t id,
               const struct core_request *request)
{
    struct job *job = NULL;
    if (core->inflight < LIMIT_INFLIGHT && sequence_ensure(core) == BV_OK)
        job = job_of(request, tag, id);
    if (job == NULL) {
        busy(core, tag, id);
        return;
    }
    if (request->op == CORE_ASK) {
        tell_profile(core, job, request);
        return;
    }
    job->counted = true;
    core->inflight++;
    run(core, job, request);
}

/* --- the end --- */

static bool
may_audit(struct core *core, const struct job *job)
{
    int64_t now = core_now(core);
    char net[LIMIT_PEER];
    rates_net(job->peer, net);
    struct span peer = span_str(net), all = SPAN_LIT("all");
    if (rates_count(core->rates, RATES_AUDIT_REFUSAL, all, now, 60) >=
            REFUSALS_ALL ||
        rates_count(core->rates, RATES_AUDIT_REFUSAL, peer, now, 60) >=
            REFUSALS_ADDRESS)
        return false;
    rates_add(core->rates, RATES_AUDIT_REFUSAL, all, now, 60);
    rates_add(core->rates, RATES_AUDIT_REFUSAL, peer, now, 60);
    return true;
}

void
handle_refuse(struct core *core, struct job *job, enum bv_err err)
{
    bool peer = err_fault(err) == BV_FAULT_PEER;
    bool token = err == BV_E_UNAUTHENTICATED && job->d.auth == AUDIT_AUTH_NONE;
    job->err = err;
    if (err == BV_E_CORRUPT)
        log_error("the database is damaged: stop, keep the file for study, and "
                  "put back the last backup with brevet restore device=%s",
                  job->d.device);
    if (err_fault(err) == BV_FAULT_BUG)
        log_error("refused by a check of our own request_id=%s detail=\"%s\"",
                  job->request_id, job->reply.detail);
    if (peer)
        core->stats.refused++;
    else
        core->stats.failed++;
    if ((peer || err_fault(err) == BV_FAULT_BUG) && may_audit(core, job)) {
        enum bv_err audit_err = enroll_audit(
            core, job, token ? AUDIT_TOKEN_REFUSE : AUDIT_CERT_REFUSE, err);
        if (audit_err != BV_OK)
            batch_fail(core, audit_err);
    }
    batch_ready(core, job);
}

static uint32_t
retry_after(enum bv_err err, uint32_t given)
{
    if (given != 0)
        return given;
    if (err == BV_E_BUSY || err == BV_E_UNAVAILABLE)
        return 1;
    if (err == BV_E_RATE_LIMITED)
        return 60;
    return err_fault(err) == BV_FAULT_SELF ? 10 : 0;
}

static void
answer(struct core *core, const struct job *job, const struct core_reply *reply)
{
    core->calls.reply(core->calls.user, job->tag, job->id, reply);
}

static void
answer_followers(struct core *core, struct job *job,
                 const struct core_reply *reply)
{
    struct core_reply copy = *reply;
    copy.repeated = reply->err == BV_OK;
    while (job->followers != NULL) {
        struct job *follower = job->followers;
        job->followers = follower->next;
        answer(core, follower, &copy);
        core->inflight--;
        job_free(follower);
    }
}

void
handle_done(struct core *core, struct job *job, enum bv_err err)
{
    struct core_reply *reply = &job->reply;
    quota_uncount(core, job, err);
    reply->err = err;
    reply->challenge = reply->challenge && err == BV_E_UNAUTHENTICATED;
    if (err != BV_OK) {
        reply->cert = reply->key = SPAN_EMPTY;
        reply->serial[0] = '\0';
        reply->retry_after = retry_after(err, reply->retry_after);
        if (err != job->err || reply->detail[0] == '\0')
            (void)snprintf(reply->detail, sizeof reply->detail, "%s",
                           err_text(err));
    } else {
        reply->detail[0] = '\0';
    }
    job_hash_drop(core, job);
    answer(core, job, reply);
    answer_followers(core, job, reply);
    if (job->counted)
        core->inflight--;
    job_free(job);
}
