/* cert.list, cert.show, cert.revoke, cert.hold, cert.release, key.block. */
#include <stdio.h>
#include <string.h>

#include "core/admin.h"
#include "core/batch.h"
#include "core/revoke.h"

#define HOLD 6

/* --- rows --- */

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

enum bv_err
admin_cert_page(struct admin_call *call, struct store_cert_filter *filter)
{
    const struct store *store = call->core->store;
    struct admin_page page = admin_page_start(call);
    filter->after = (uint64_t)page.last;
    filter->limit = page.limit;
    enum bv_err err = store->cert_list(store->ctx, filter, add_cert, &page);
    if (err != BV_OK) {
        json_decref(page.rows);
        return err;
    }
    return admin_page_end(&page);
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
        .expires_before = admin_int(call, "expires_before", 0),
    };
    BV_TRY(read_status(call, &filter.status));
    if (filter.expires_before != 0)
        filter.expires_after = core_now(call->core);
    if (device != NULL)
        BV_TRY(no_device(call,
                         store->device_find(store->ctx, device, copy_device_id,
                                            &filter.device)));
    return admin_cert_page(call, &filter);
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
        return admin_problem(
            call, BV_E_BAD_MESSAGE,
            "a serial number is pairs of hex digits, as brevet "
            "cert list shows it");
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
    (void)json_object_set_new(call->result, "pem", admin_pem(row->der));
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
           const struct revoke_actor *actor, struct revoke_done *done)
{
    uint64_t seq = 0;
    BV_TRY(seq_of_call(call, &seq));
    enum bv_err err = revoke_cert(call->core, seq, reason, actor, done);
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
    return err;
}

static enum bv_err
change_device(struct admin_call *call, const char *device, int reason,
              const struct revoke_actor *actor, struct revoke_done *done)
{
    enum bv_err err = revoke_device(call->core, device, reason, actor, done);
    return err == BV_E_NOT_FOUND
               ? admin_problem(call, err,
                               "there is no such device, or it has no "
                               "certificate that is still valid or may "
                               "still renew itself")
               : err;
}

static json_t *
done_json(const struct revoke_done *done)
{
    char buf[400];
    struct sink note = SINK_ARRAY(buf);
    json_t *json = json_pack("{s:i}", "changed", (int)done->changed);
    if (done->kept)
        sink_str(&note, "what was revoked already keeps its reason; the key is "
                        "blocked");
    if (done->key_only)
        sink_str(&note, "this key has no certificate to revoke; it is blocked");
    if (done->unasked)
        sink_str(&note, note.len > 0 ? "; " : "");
    if (done->unasked) /* RFC 9608 */
        sink_str(&note, "a certificate with noRevAvail is believed until it "
                        "ends, for nobody asks for its status: block the "
                        "device, so that it gets no other one (brevet device "
                        "block)");
    if (note.len > 0)
        (void)json_object_set_new(json, "note", json_stringn(buf, note.len));
    return json;
}

static enum bv_err
change_status(struct admin_call *call, int reason)
{
    const struct revoke_actor actor = {AUDIT_ACTOR_OPERATOR, AUDIT_AUTH_LOCAL,
                                       call->actor};
    const char *device = admin_text(call, "device");
    uint8_t key_hash[32];
    struct revoke_done done = {0};
    if (device != NULL) {
        BV_TRY(change_device(call, device, reason, &actor, &done));
    } else if (admin_text(call, "key") != NULL) {
        BV_TRY(key_of_call(call, key_hash));
        BV_TRY(revoke_key(call->core, key_hash, reason, &actor, &done));
    } else {
        BV_TRY(change_one(call, reason, &actor, &done));
    }
    call->result = done_json(&done);
    return BV_OK;
}

static enum bv_err
cert_revoke(struct admin_call *call)
{
    const char *name = admin_text(call, "reason");
    int reason = 0;
    if (name != NULL && revoke_reason_of_name(name, &reason) != BV_OK)
        return admin_problem(call, BV_E_BAD_MESSAGE,
                             "this is no reason of RFC 5280: keyCompromise, "
                             "affiliationChanged, superseded, "
                             "cessationOfOperation, privilegeWithdrawn or "
                             "unspecified");
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

const struct admin_verb admin_cert_verbs[] = {
    {"cert.list", CORE_ROLE_READ, cert_list},
    {"cert.show", CORE_ROLE_READ, cert_show},
    {"cert.revoke", CORE_ROLE_OPERATE, cert_revoke},
    {"cert.hold", CORE_ROLE_OPERATE, cert_hold},
    {"cert.release", CORE_ROLE_OPERATE, cert_release},
    {"key.block", CORE_ROLE_OPERATE, key_block},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
