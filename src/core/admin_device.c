/* device.list, device.show, device.pending, device.approve, device.deny,
 * device.block, device.unblock. */
#include <stdio.h>
#include <string.h>

#include "core/admin.h"
#include "core/batch.h"
#include "core/enroll.h"
#include "pki/digest.h"
#include "wire/csr.h"

static json_t *
device_json(const struct store_device *row)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:b}", "id",
                     (json_int_t)row->id, "name", row->name, "group",
                     row->group, "profile", row->profile, "created_at",
                     (json_int_t)row->created_at, "last_seen",
                     (json_int_t)row->last_seen, "blocked", (int)row->blocked);
}

static enum bv_err
add_device(void *user, const struct store_device *row)
{
    admin_page_add(user, row->id, device_json(row));
    return BV_OK;
}

static enum bv_err
device_list(struct admin_call *call)
{
    const struct store *store = call->core->store;
    struct admin_page page = admin_page_start(call);
    enum bv_err err =
        store->device_list(store->ctx, page.last, admin_text(call, "group"),
                           page.limit, add_device, &page);
    if (err != BV_OK) {
        json_decref(page.rows);
        return err;
    }
    return admin_page_end(&page);
}

static enum bv_err
find_device(struct admin_call *call, struct store_device *ret_row)
{
    char name[LIMIT_DEVICE_NAME + 1];
    BV_TRY(admin_name(call, "name", name, sizeof name));
    enum bv_err err = enroll_device_find(call->core, name, ret_row);
    return err == BV_E_NOT_FOUND
               ? admin_problem(call, err, "there is no such device")
               : err;
}

/* The device, and its certificates as cert.list shows them: the first page of
 * them, which its "next" continues. */
static enum bv_err
device_show(struct admin_call *call)
{
    struct store_device row;
    BV_TRY(find_device(call, &row));
    struct store_cert_filter filter = {.device = row.id, .status = -2};
    BV_TRY(admin_cert_page(call, &filter));
    json_t *device = device_json(&row);
    (void)json_object_set(device, "certificates",
                          json_object_get(call->result, "rows"));
    (void)json_object_set(device, "next",
                          json_object_get(call->result, "next"));
    json_decref(call->result);
    call->result = device;
    return BV_OK;
}

static enum bv_err
set_blocked(struct admin_call *call, bool blocked, enum audit_action action)
{
    struct store_device row;
    int64_t id;
    BV_TRY(find_device(call, &row));
    row.blocked = blocked;
    BV_TRY(batch_begin(call->core));
    BV_TRY(call->core->store->device_put(call->core->store->ctx, &row, &id));
    return admin_audit(call, action, AUDIT_OBJECT_DEVICE, row.name);
}

static enum bv_err
device_block(struct admin_call *call)
{
    return set_blocked(call, true, AUDIT_DEVICE_BLOCK);
}

static enum bv_err
device_unblock(struct admin_call *call)
{
    return set_blocked(call, false, AUDIT_DEVICE_UNBLOCK);
}

/* --- approval --- */

static const char *
state_name(enum store_pending_state state)
{
    switch (state) {
    case STORE_PENDING_WAITING:
        return "waiting";
    case STORE_PENDING_APPROVED:
        return "approved";
    case STORE_PENDING_DENIED:
        return "denied";
    }
    return "";
}

/* By which key, so that two requests in one name can be told apart; null when
 * the CSR was not kept. */
static json_t *
key_json(const struct store_pending *row)
{
    struct csr csr;
    uint8_t hash[DIGEST_SHA256_LEN];
    if (csr_parse(row->csr, &csr) != BV_OK)
        return json_null();
    digest_sha256(csr.spki.whole, hash);
    return admin_hex(SPAN_ARRAY(hash));
}

static enum bv_err
add_pending(void *user, const struct store_pending *row)
{
    admin_page_add(user, row->id,
                   json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:o}", "id",
                             (json_int_t)row->id, "device", row->device,
                             "profile", row->profile, "peer", row->peer,
                             "state", state_name(row->state), "created_at",
                             (json_int_t)row->created_at, "decided_by",
                             row->decided_by, "key_sha256", key_json(row)));
    return BV_OK;
}

static enum bv_err
device_pending(struct admin_call *call)
{
    const struct store *store = call->core->store;
    struct admin_page page = admin_page_start(call);
    enum bv_err err = store->pending_list(store->ctx, page.last, page.limit,
                                          add_pending, &page);
    if (err != BV_OK) {
        json_decref(page.rows);
        return err;
    }
    return admin_page_end(&page);
}

/* A row is copied whole: its spans point into buffers of ours. */
struct pending_copy {
    const char *device; /* wanted; NULL: by id */
    struct store_pending row;
    uint8_t digest[32], source[32], csr[LIMIT_CSR];
    int64_t last;
    unsigned num;
    bool found, more; /* more: of this device another one waits */
};

static enum bv_err
copy_pending(void *user, const struct store_pending *row)
{
    struct pending_copy *copy = user;
    copy->last = row->id;
    copy->num++;
    if (row->digest.len != 32 || row->csr.len > LIMIT_CSR ||
        row->source.len > sizeof copy->source ||
        (copy->device != NULL && (strcmp(copy->device, row->device) != 0 ||
                                  row->state != STORE_PENDING_WAITING)))
        return BV_OK;
    copy->more |= copy->found;
    if (copy->found)
        return BV_OK;
    copy->row = *row;
    memcpy(copy->digest, row->digest.data, 32);
    if (row->source.len > 0)
        memcpy(copy->source, row->source.data, row->source.len);
    copy->row.source = span_of(copy->source, row->source.len);
    if (row->csr.len > 0)
        memcpy(copy->csr, row->csr.data, row->csr.len);
    copy->row.digest = SPAN_ARRAY(copy->digest);
    copy->row.csr = span_of(copy->csr, row->csr.len);
    copy->found = true;
    return BV_OK;
}

static enum bv_err
find_pending(struct admin_call *call, struct pending_copy *copy)
{
    const struct store *store = call->core->store;
    int64_t id = admin_int(call, "id", 0);
    copy->device = admin_text(call, "device");
    if (copy->device == NULL) {
        enum bv_err err =
            store->pending_get(store->ctx, id, copy_pending, copy);
        return err == BV_E_NOT_FOUND
                   ? admin_problem(call, err, "no request has this number")
                   : err;
    }
    do {
        copy->num = 0;
        BV_TRY(store->pending_list(store->ctx, copy->last, LIMIT_PAGE,
                                   copy_pending, copy));
    } while (!copy->more && copy->num == LIMIT_PAGE);
    /* With a group token anybody asks in any name: which key is meant? */
    if (copy->more)
        return admin_problem(call, BV_E_CONFLICT,
                             "several requests of this device wait: say which "
                             "by its number (brevet device pending)");
    return copy->found ? BV_OK
                       : admin_problem(call, BV_E_NOT_FOUND,
                                       "no request of this device waits");
}

static enum bv_err
decide(struct admin_call *call, enum store_pending_state state,
       enum audit_action action)
{
    static struct pending_copy copy;
    int64_t id;
    memset(&copy, 0, sizeof copy);
    BV_TRY(find_pending(call, &copy));
    copy.row.state = state;
    (void)snprintf(copy.row.decided_by, sizeof copy.row.decided_by, "%.63s",
                   call->actor);
    BV_TRY(batch_begin(call->core));
    BV_TRY(
        call->core->store->pending_put(call->core->store->ctx, &copy.row, &id));
    BV_TRY(admin_audit(call, action, AUDIT_OBJECT_DEVICE, copy.row.device));
    call->result =
        json_pack("{s:I, s:s, s:s}", "id", (json_int_t)copy.row.id, "device",
                  copy.row.device, "state", state_name(state));
    return BV_OK;
}

static enum bv_err
device_approve(struct admin_call *call)
{
    return decide(call, STORE_PENDING_APPROVED, AUDIT_DEVICE_APPROVE);
}

static enum bv_err
device_deny(struct admin_call *call)
{
    return decide(call, STORE_PENDING_DENIED, AUDIT_DEVICE_DENY);
}

const struct admin_verb admin_device_verbs[] = {
    {"device.list", CORE_ROLE_READ, device_list},
    {"device.show", CORE_ROLE_READ, device_show},
    {"device.pending", CORE_ROLE_READ, device_pending},
    {"device.approve", CORE_ROLE_OPERATE, device_approve},
    {"device.deny", CORE_ROLE_OPERATE, device_deny},
    {"device.block", CORE_ROLE_OPERATE, device_block},
    {"device.unblock", CORE_ROLE_OPERATE, device_unblock},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
