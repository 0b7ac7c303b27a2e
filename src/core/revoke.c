#include "core/revoke.h"

#include <string.h>

#include "base/time.h"
#include "core/batch.h"
#include "core/crl.h"
#include "core/enroll.h"
#include "core/sign.h"

#define HOLD           6
#define KEY_COMPROMISE 1

/* RFC 5280 5.3.1, by number. */
static const char *const names[] = {
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    NULL, /* 7 is not used */
    NULL, /* removeFromCRL: for delta CRLs only */
    "privilegeWithdrawn",
    "aACompromise",
};
#define NUM_NAMES ((int)(sizeof names / sizeof *names))

const char *
revoke_reason_name(int reason)
{
    return reason >= 0 && reason < NUM_NAMES ? names[reason] : NULL;
}

enum bv_err
revoke_reason_of_name(const char *name, int *ret_reason)
{
    for (int i = 0; i < NUM_NAMES; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0) {
            *ret_reason = i;
            return BV_OK;
        }
    }
    return BV_E_NOT_FOUND;
}

struct row {
    uint64_t seq;
    uint8_t issuer;
    int reason;
    int64_t device;
    bool own; /* ours: of the OCSP responder or the listener */
    int64_t revoked_at, not_after;
    bool root, no_rev_avail;
    uint8_t serial[LIMIT_SERIAL];
    size_t serial_len;
    uint8_t key_hash[32];
};

static enum bv_err
copy_row(void *user, const struct store_cert *cert)
{
    struct row *row = user;
    struct cert parsed;
    if (cert->serial.len > sizeof row->serial || cert->key_hash.len != 32)
        return BV_E_CORRUPT;
    row->seq = cert->seq;
    row->issuer = cert->issuer;
    row->reason = cert->reason;
    row->device = cert->device;
    row->own = cert->device == 0;
    row->revoked_at = cert->revoked_at;
    row->not_after = cert->not_after;
    row->root = strcmp(cert->profile, "root") == 0;
    row->no_rev_avail =
        cert_parse(cert->der, &parsed) == BV_OK && parsed.no_rev_avail;
    memcpy(row->serial, cert->serial.data, cert->serial.len);
    row->serial_len = cert->serial.len;
    memcpy(row->key_hash, cert->key_hash.data, 32);
    return BV_OK;
}

/* Is the step from one status to another allowed, and is it a step at all? */
static enum bv_err
check_step(int from, int to, bool *ret_changed)
{
    *ret_changed = from != to;
    if (from == to || from < 0) /* the same again; good -> revoked */
        return BV_OK;
    return from == HOLD ? BV_OK : BV_E_CONFLICT;
}

static enum audit_action
action_of(int reason)
{
    if (reason == REVOKE_RELEASE)
        return AUDIT_CERT_RELEASE;
    return reason == HOLD ? AUDIT_CERT_HOLD : AUDIT_CERT_REVOKE;
}

static enum bv_err
copy_name(void *user, const struct store_device *device)
{
    memcpy(user, device->name, sizeof device->name);
    return BV_OK;
}

static enum bv_err
write_audit(struct core *core, const struct row *row, int reason,
            const struct revoke_actor *actor)
{
    char name[LIMIT_DEVICE_NAME + 1] = "";
    if (row->device != 0)
        BV_TRY(core->store->device_get(core->store->ctx, row->device, copy_name,
                                       name));
    struct span serial = span_of(row->serial, row->serial_len);
    struct audit_event event = {
        .action = action_of(reason),
        .actor = actor->actor,
        .auth = actor->auth,
        .object = AUDIT_OBJECT_CERT,
        .outcome = AUDIT_OK,
        .actor_id = span_str(actor->id),
        .object_id = span_str(name),
        .serial = serial,
        .reason = span_str(revoke_reason_name(reason)),
    };
    return batch_audit(core, &event);
}

/* A revocation cannot wait for a clock to be set right: then it dates from the
 * newest time that is known. */
static int64_t
moment(const struct core *core)
{
    int64_t now = core_now(core);
    return core->newest > 0 && sign_clock(core, now) != BV_OK ? core->newest
                                                              : now;
}

static enum bv_err
change(struct core *core, const struct row *row, int reason,
       const struct revoke_actor *actor)
{
    uint64_t number;
    int64_t now = moment(core);
    /* A hold that becomes final keeps its date: the certificate has not been
     * valid since. */
    int64_t at = row->reason == HOLD && reason >= 0 ? row->revoked_at : now;
    BV_TRY(core->store->cert_status(core->store->ctx, row->seq, reason, at,
                                    &number));
    if (reason == KEY_COMPROMISE)
        BV_TRY(core->store->key_block(
            core->store->ctx, SPAN_ARRAY(row->key_hash), "keyCompromise", now));
    BV_TRY(write_audit(core, row, reason, actor));
    BV_TRY(batch_map(core, row->seq, statusmap_word(row->issuer, reason, at),
                     number));
    core->batch.own_changed |= row->own;
    crl_touch(core, row->issuer);
    core->stats.revoked += reason >= 0;
    return BV_OK;
}

/* The key alone, with an entry of its own. serial: for which certificate. */
static enum bv_err
block_key(struct core *core, const uint8_t key_hash[32], struct span serial,
          const struct revoke_actor *actor)
{
    const struct store *s = core->store;
    uint8_t hex[64];
    struct sink name = SINK_ARRAY(hex);
    bool blocked = false;
    BV_TRY(s->key_blocked(s->ctx, span_of(key_hash, 32), &blocked));
    if (blocked)
        return BV_OK;
    sink_hex(&name, span_of(key_hash, 32));
    const struct audit_event event = {
        .action = AUDIT_KEY_BLOCK,
        .actor = actor->actor,
        .auth = actor->auth,
        .object = AUDIT_OBJECT_KEY,
        .outcome = AUDIT_OK,
        .actor_id = span_str(actor->id),
        .object_id = sink_view(&name),
        .serial = serial,
        .reason = SPAN_LIT("keyCompromise"),
    };
    BV_TRY(batch_begin(core));
    enum bv_err err = s->key_block(s->ctx, span_of(key_hash, 32),
                                   "keyCompromise", moment(core));
    return batch_error(err == BV_OK ? batch_audit(core, &event) : err);
}

enum bv_err
revoke_cert(struct core *core, uint64_t seq, int reason,
            const struct revoke_actor *actor, struct revoke_done *done)
{
    struct row row;
    bool changed;
    if (reason != REVOKE_RELEASE && revoke_reason_name(reason) == NULL)
        return BV_E_REFUSED;
    BV_TRY(core->store->cert_find(core->store->ctx, seq, copy_row, &row));
    /* Another's certificate is another's to revoke; a root that says of itself
     * that it is not to be believed says nothing. */
    if (row.issuer == 0 || row.root)
        return BV_E_REFUSED;
    enum bv_err err = check_step(row.reason, reason, &changed);
    if (reason == KEY_COMPROMISE && row.reason >= 0 && row.reason != HOLD) {
        done->kept |= changed;
        return block_key(core, row.key_hash,
                         span_of(row.serial, row.serial_len), actor);
    }
    BV_TRY(err);
    if (!changed)
        return BV_OK;
    BV_TRY(batch_begin(core));
    done->changed++;
    done->unasked |= row.no_rev_avail && reason >= 0;
    return batch_error(change(core, &row, reason, actor));
}

/* Numbers first, changes after: the store is not changed under a walk. */
struct list {
    const struct core *core;
    uint64_t *seqs;
    size_t num, cap;
    int64_t now;
    uint64_t last;
    unsigned in_page;
};

/* How long after its end a certificate of this profile is good for something:
 * for its own renewal. */
static int64_t
afterlife(const struct core *core, const char *name)
{
    const struct profile *profile = core_profile(core, name);
    return profile != NULL ? profile->renew_after_expiry : 0;
}

static int64_t
longest_afterlife(const struct core *core)
{
    int64_t longest = 0;
    for (size_t i = 0; i < core->config->num_profiles; i++) {
        int64_t life = core->config->profiles[i].renew_after_expiry;
        longest = life > longest ? life : longest;
    }
    return longest;
}

static enum bv_err
collect(void *user, const struct store_cert *row)
{
    struct list *list = user;
    list->last = row->seq;
    list->in_page++;
    if (row->not_after + afterlife(list->core, row->profile) < list->now)
        return BV_OK;
    if (list->num == list->cap) {
        size_t cap = list->cap == 0 ? 64 : 2 * list->cap;
        uint64_t *grown = realloc(list->seqs, cap * sizeof *grown);
        if (grown == NULL)
            return BV_E_NO_MEMORY;
        list->seqs = grown;
        list->cap = cap;
    }
    list->seqs[list->num++] = row->seq;
    return BV_OK;
}

/* All or nothing: an error ends it only before the first change, or undoes the
 * batch. */
static enum bv_err
revoke_list(struct core *core, const struct list *list, int reason,
            const struct revoke_actor *actor, struct revoke_done *done)
{
    unsigned others = 0;
    for (size_t i = 0; i < list->num; i++) {
        enum bv_err err = revoke_cert(core, list->seqs[i], reason, actor, done);
        if (err != BV_OK && err != BV_E_CONFLICT && err != BV_E_REFUSED)
            return err;
        others += err == BV_E_REFUSED;
    }
    if (list->num == 0)
        return BV_E_NOT_FOUND;
    return others == list->num ? BV_E_REFUSED : BV_OK;
}

static enum bv_err
list_device(struct core *core, int64_t device, struct list *list)
{
    do {
        struct store_cert_filter filter = {
            .after = list->last,
            .device = device,
            .expires_after = list->now - longest_afterlife(list->core),
            .expires_before = TIME_NO_EXPIRY + 1,
            .status = -2,
            .limit = LIMIT_PAGE};
        list->in_page = 0;
        BV_TRY(
            core->store->cert_list(core->store->ctx, &filter, collect, list));
    } while (list->in_page == LIMIT_PAGE);
    return BV_OK;
}

enum bv_err
revoke_device(struct core *core, const char *device, int reason,
              const struct revoke_actor *actor, struct revoke_done *done)
{
    struct store_device row;
    struct list list = {.core = core, .now = core_now(core)};
    BV_TRY(enroll_device_find(core, device, &row));
    enum bv_err err = list_device(core, row.id, &list);
    if (err == BV_OK)
        err = revoke_list(core, &list, reason, actor, done);
    free(list.seqs);
    return err;
}

enum bv_err
revoke_key(struct core *core, const uint8_t key_hash[32], int reason,
           const struct revoke_actor *actor, struct revoke_done *done)
{
    struct list list = {.core = core, .now = core_now(core)};
    enum bv_err err = core->store->certs_of_key(
        core->store->ctx, span_of(key_hash, 32), collect, &list);
    if (err == BV_OK)
        err = revoke_list(core, &list, reason, actor, done);
    free(list.seqs);
    if (reason != KEY_COMPROMISE)
        return err;
    if (err != BV_E_NOT_FOUND && err != BV_E_REFUSED)
        BV_TRY(err);
    done->key_only = err != BV_OK;
    return block_key(core, key_hash, SPAN_EMPTY, actor);
}
