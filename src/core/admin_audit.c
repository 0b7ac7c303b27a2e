/* audit.list, audit.show, audit.prove, audit.checkpoint. */
#include <string.h>

#include "core/admin.h"
#include "core/checkpoint.h"

static json_t *
text_json(struct span text)
{
    json_t *json = json_stringn((const char *)text.data, text.len);
    return json != NULL ? json : admin_hex(text); /* not UTF-8 */
}

static const char *
or_empty(const char *s)
{
    return s != NULL ? s : "";
}

static json_t *
entry_json(const struct audit_entry *entry)
{
    const struct audit_event *e = &entry->event;
    json_t *json = json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s}", "index",
                             (json_int_t)entry->index, "time_ms",
                             (json_int_t)entry->time_ms, "action",
                             or_empty(audit_action_name(e->action)), "actor",
                             or_empty(audit_actor_name(e->actor)), "auth",
                             or_empty(audit_auth_name(e->auth)), "object",
                             or_empty(audit_object_name(e->object)), "outcome",
                             or_empty(audit_outcome_name(e->outcome)));
    const struct {
        const char *name;
        struct span value;
        bool hex;
    } fields[] = {
        {"actor_id", e->actor_id, false},      {"address", e->address, false},
        {"object_id", e->object_id, false},    {"serial", e->serial, true},
        {"cert_sha256", e->cert_sha256, true}, {"reason", e->reason, false},
        {"request_id", e->request_id, false},  {"detail", e->detail, false},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].value.len > 0)
            (void)json_object_set_new(json, fields[i].name,
                                      fields[i].hex
                                          ? admin_hex(fields[i].value)
                                          : text_json(fields[i].value));
    }
    return json;
}

static enum bv_err
add_entry(void *user, const struct audit_entry *entry, struct span bytes)
{
    (void)bytes;
    admin_page_add(user, (int64_t)entry->index + 1, entry_json(entry));
    return BV_OK;
}

/* "after" is the index to start from; "last": N gives the newest N. */
static enum bv_err
audit_list(struct admin_call *call)
{
    struct admin_page page = admin_page_start(call);
    uint64_t size = audit_size(call->core->audit);
    uint64_t last = (uint64_t)admin_int(call, "last", 0);
    uint64_t from = page.last > 0 ? (uint64_t)page.last : 0;
    if (last > 0) {
        page.limit = last > LIMIT_PAGE ? LIMIT_PAGE : (unsigned)last;
        from = size > page.limit ? size - page.limit : 0;
    }
    uint64_t to = from + page.limit < size ? from + page.limit : size;
    enum bv_err err =
        from < to ? audit_each(call->core->store, from, to, add_entry, &page)
                  : BV_OK;
    if (err != BV_OK) {
        json_decref(page.rows);
        return err;
    }
    if (to == size)
        page.limit = page.num + 1; /* nothing follows */
    return admin_page_end(&page);
}

static enum bv_err
show_entry(void *user, const struct audit_entry *entry, struct span bytes)
{
    struct admin_call *call = user;
    (void)bytes;
    call->result = entry_json(entry);
    return BV_OK;
}

static enum bv_err
index_of_call(struct admin_call *call, uint64_t *ret_index)
{
    int64_t index = admin_int(call, "index", -1);
    if (index < 0 || (uint64_t)index >= audit_size(call->core->audit))
        return admin_problem(call, BV_E_NOT_FOUND,
                             "the log has no entry of this index");
    *ret_index = (uint64_t)index;
    return BV_OK;
}

static enum bv_err
audit_show(struct admin_call *call)
{
    uint64_t index = 0;
    BV_TRY(index_of_call(call, &index));
    return audit_each(call->core->store, index, index + 1, show_entry, call);
}

static enum bv_err
audit_prove_entry(struct admin_call *call)
{
    static uint8_t buf[16384];
    struct sink out = SINK_ARRAY(buf);
    uint64_t index = 0;
    BV_TRY(index_of_call(call, &index));
    enum bv_err err = audit_prove(call->core->audit, index, &out);
    if (err == BV_E_NOT_FOUND)
        return admin_problem(call, err, "no checkpoint covers this entry yet");
    BV_TRY(err);
    call->result = json_pack("{s:o}", "proof", text_json(sink_view(&out)));
    return BV_OK;
}

/* With "make" true a new one is begun; the answer is the newest there is. */
static enum bv_err
audit_checkpoint(struct admin_call *call)
{
    static uint8_t buf[16384];
    struct sink out = SINK_ARRAY(buf);
    struct tlog_checkpoint checkpoint;
    if (json_is_true(json_object_get(call->args, "make"))) {
        enum bv_err err = checkpoint_start(call->core);
        if (err != BV_OK && err != BV_E_BUSY)
            return err;
    }
    enum bv_err err =
        audit_checkpoint_last(call->core->audit, &out, &checkpoint);
    if (err == BV_E_NOT_FOUND)
        return admin_problem(call, err, "there is no checkpoint yet");
    BV_TRY(err);
    call->result = json_pack("{s:I, s:o}", "size", (json_int_t)checkpoint.size,
                             "note", text_json(sink_view(&out)));
    return BV_OK;
}

const struct admin_verb admin_audit_verbs[] = {
    {"audit.list", CORE_ROLE_READ, audit_list},
    {"audit.show", CORE_ROLE_READ, audit_show},
    {"audit.prove", CORE_ROLE_READ, audit_prove_entry},
    {"audit.checkpoint", CORE_ROLE_READ, audit_checkpoint},
    {NULL, CORE_ROLE_ADMIN, NULL},
};
