#include "core/pending.h"

#include <string.h>

#include "core/batch.h"
#include "core/enroll.h"
#include "core/quota.h"
#include "pki/digest.h"

/* One credential's, and one address's, share of the queue. */
#define SHARE_DEFAULT (LIMIT_PENDING / 10)

static enum bv_err
copy_pending(void *user, const struct store_pending *row)
{
    *(enum store_pending_state *)user = row->state;
    return BV_OK;
}

/* Who stands behind a request, beyond the names it may choose. */
static enum bv_err
hash_source(const struct work *w, uint8_t ret_hash[DIGEST_SHA256_LEN])
{
    uint8_t buf[64 + LIMIT_DEVICE_NAME];
    struct sink in = SINK_ARRAY(buf);
    struct span whole;
    sink_u8(&in, (uint8_t)w->id.auth);
    if (w->id.has_token)
        sink_put(&in, SPAN_ARRAY(w->id.token_hash));
    else
        sink_bytes(
            &in, span_str(w->id.actor[0] != '\0' ? w->id.actor : w->id.device));
    BV_TRY(sink_done(&in, &whole));
    digest_sha256(whole, ret_hash);
    return BV_OK;
}

static enum bv_err
check_room(struct work *w, const struct store_pending *row)
{
    const struct core_config *c = w->core->config;
    const struct store *store = w->core->store;
    uint64_t max_source =
        c->pending_per_credential ? c->pending_per_credential : SHARE_DEFAULT;
    uint64_t max_net =
        c->pending_per_address ? c->pending_per_address : SHARE_DEFAULT;
    struct store_counts counts;
    uint64_t by_source, by_net;
    BV_TRY(store->counts(store->ctx, &counts));
    if (counts.pending >= LIMIT_PENDING)
        return work_say(w, BV_E_RATE_LIMITED, "too many requests wait already");
    BV_TRY(store->pending_count(store->ctx, row->source, row->net, &by_source,
                                &by_net));
    if (by_source >= max_source)
        return work_say(w, BV_E_RATE_LIMITED,
                        "too many requests with this credential wait already");
    if (by_net >= max_net)
        return work_say(w, BV_E_RATE_LIMITED,
                        "too many requests from this address wait already");
    return BV_OK;
}

/* A claim code may have come in the CSR; only its hash is kept. */
static bool
holds_code(const struct work *w)
{
    return w->id.has_token && w->r->secret.len == 0;
}

static enum bv_err
put_pending(struct work *w)
{
    int64_t id;
    uint8_t source[DIGEST_SHA256_LEN];
    struct store_pending row = {
        .digest = SPAN_ARRAY(w->job->d.pending_digest),
        .source = SPAN_ARRAY(source),
        .state = STORE_PENDING_WAITING,
        .csr = holds_code(w) ? SPAN_EMPTY : w->r->csr,
        .created_at = w->now,
    };
    rates_net(w->r->peer, row.net);
    BV_TRY(hash_source(w, source));
    BV_TRY(quota_count(w));
    BV_TRY(check_room(w, &row));
    memcpy(row.device, w->job->d.device, sizeof row.device);
    memcpy(row.profile, w->job->d.profile, sizeof row.profile);
    memcpy(row.peer, w->r->peer, sizeof row.peer);
    BV_TRY(batch_begin(w->core));
    enum bv_err err =
        w->core->store->pending_put(w->core->store->ctx, &row, &id);
    if (err == BV_OK)
        err = enroll_audit(w->core, w->job, AUDIT_DEVICE_PENDING, BV_OK);
    if (err == BV_OK)
        return BV_OK;
    batch_fail(w->core, err);
    return batch_error(err);
}

enum bv_err
pending_check(struct work *w, bool *ret_waits)
{
    enum store_pending_state state = STORE_PENDING_WAITING;
    *ret_waits = false;
    if (!w->profile->approval || w->r->op == CORE_REENROLL)
        return BV_OK;
    /* Its clients ask CertPoll then, which nobody answers here: better no
     * request in the queue than one of whom nobody comes back. */
    if (w->r->door == CORE_DOOR_SCEP)
        return work_say(w, BV_E_REFUSED,
                        "the profile needs an operator's approval, which SCEP "
                        "cannot wait for here");
    enum bv_err err = w->core->store->pending_find(
        w->core->store->ctx, SPAN_ARRAY(w->job->d.pending_digest), copy_pending,
        &state);
    if (err == BV_E_NOT_FOUND && w->id.token_expired)
        return BV_OK; /* too late to ask: handle.c refuses */
    if (err == BV_E_NOT_FOUND)
        err = put_pending(w);
    BV_TRY(err);
    if (state == STORE_PENDING_DENIED)
        return work_say(w, BV_E_REFUSED, "an operator denied this request");
    *ret_waits = state == STORE_PENDING_WAITING;
    w->job->d.was_pending = true;
    return BV_OK;
}
