/* One audit entry, bytes and back. Format, version 1, integers big-endian:
 *
 *     u8 version   u64 index   u64 time_ms   u8 flags (1: the clock was back)
 *     u16 action   u8 actor    u8 auth       u8 object   u8 outcome
 *     7 fields, each u8 length and octets: actor_id, address, object_id,
 *         serial, cert_sha256, reason, request_id
 *     detail: u16 length and octets
 *
 * One event has one encoding, so the leaf hash is that of the stored bytes. */
#include "core/audit.h"

#include <string.h>

#define VERSION         1
#define FLAG_CLOCK_BACK 1
#define DETAIL_MAX      1024

static void
put_short(struct sink *out, struct span field)
{
    size_t len = field.len > UINT8_MAX ? UINT8_MAX : field.len;

    sink_u8(out, (uint8_t)len);
    sink_put(out, span_of(field.data, len));
}

void
audit_entry_encode(struct sink *out, const struct audit_entry *entry)
{
    const struct audit_event *e = &entry->event;
    size_t detail_len = e->detail.len > DETAIL_MAX ? DETAIL_MAX : e->detail.len;

    sink_u8(out, VERSION);
    sink_u64(out, entry->index);
    sink_u64(out, (uint64_t)entry->time_ms);
    sink_u8(out, entry->clock_back ? FLAG_CLOCK_BACK : 0);
    sink_u16(out, (uint16_t)e->action);
    sink_u8(out, (uint8_t)e->actor);
    sink_u8(out, (uint8_t)e->auth);
    sink_u8(out, (uint8_t)e->object);
    sink_u8(out, (uint8_t)e->outcome);
    put_short(out, e->actor_id);
    put_short(out, e->address);
    put_short(out, e->object_id);
    put_short(out, e->serial);
    put_short(out, e->cert_sha256);
    put_short(out, e->reason);
    put_short(out, e->request_id);
    sink_u16(out, (uint16_t)detail_len);
    sink_put(out, span_of(e->detail.data, detail_len));
}

static enum bv_err
take_short(struct span *in, struct span *ret_field)
{
    uint8_t len;

    BV_TRY(span_u8(in, &len));
    return span_take(in, len, ret_field);
}

static enum bv_err
take_codes(struct span *in, struct audit_entry *entry)
{
    struct audit_event *e = &entry->event;
    uint16_t action;
    uint8_t flags, actor, auth, object, outcome;

    BV_TRY(span_u8(in, &flags));
    BV_TRY(span_u16(in, &action));
    BV_TRY(span_u8(in, &actor));
    BV_TRY(span_u8(in, &auth));
    BV_TRY(span_u8(in, &object));
    BV_TRY(span_u8(in, &outcome));
    entry->clock_back = flags == FLAG_CLOCK_BACK;
    e->action = (enum audit_action)action;
    e->actor = (enum audit_actor)actor;
    e->auth = (enum audit_auth)auth;
    e->object = (enum audit_object)object;
    e->outcome = (enum audit_outcome)outcome;
    bool known = flags <= FLAG_CLOCK_BACK &&
                 audit_action_name(e->action) != NULL &&
                 audit_actor_name(e->actor) != NULL &&
                 audit_auth_name(e->auth) != NULL &&
                 audit_object_name(e->object) != NULL &&
                 audit_outcome_name(e->outcome) != NULL;
    return known ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
take_fields(struct span *in, struct audit_event *e)
{
    uint16_t len;

    BV_TRY(take_short(in, &e->actor_id));
    BV_TRY(take_short(in, &e->address));
    BV_TRY(take_short(in, &e->object_id));
    BV_TRY(take_short(in, &e->serial));
    BV_TRY(take_short(in, &e->cert_sha256));
    BV_TRY(take_short(in, &e->reason));
    BV_TRY(take_short(in, &e->request_id));
    BV_TRY(span_u16(in, &len));
    if (len > DETAIL_MAX || e->serial.len > LIMIT_SERIAL ||
        (e->cert_sha256.len != 0 && e->cert_sha256.len != MERKLE_HASH))
        return BV_E_BAD_MESSAGE;
    return span_take(in, len, &e->detail);
}

enum bv_err
audit_entry_decode(struct span in, struct audit_entry *ret_entry)
{
    struct audit_entry entry = {0};
    uint8_t version;
    uint64_t time_ms;

    BV_TRY(span_u8(&in, &version));
    if (version != VERSION)
        return BV_E_BAD_MESSAGE;
    BV_TRY(span_u64(&in, &entry.index));
    BV_TRY(span_u64(&in, &time_ms));
    if (time_ms > INT64_MAX)
        return BV_E_BAD_MESSAGE;
    entry.time_ms = (int64_t)time_ms;
    BV_TRY(take_codes(&in, &entry));
    BV_TRY(take_fields(&in, &entry.event));
    BV_TRY(span_end(in));
    *ret_entry = entry;
    return BV_OK;
}

struct each {
    audit_entry_fn *fn;
    void *user;
};

static enum bv_err
each_entry(void *user, uint64_t index, struct span bytes)
{
    const struct each *each = user;
    struct audit_entry entry;

    if (audit_entry_decode(bytes, &entry) != BV_OK || entry.index != index)
        return BV_E_CORRUPT;
    return each->fn(each->user, &entry, bytes);
}

enum bv_err
audit_each(const struct store *store, uint64_t from, uint64_t to,
           audit_entry_fn *fn, void *user)
{
    struct each each = {fn, user};

    return store->audit_each(store->ctx, from, to, each_entry, &each);
}

static const struct {
    enum audit_action action;
    const char *name;
} actions[] = {
#define AUDIT(name, number, text) {AUDIT_##name, text},
#include "core/audit.def"
#undef AUDIT
};

const char *
audit_action_name(enum audit_action action)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (actions[i].action == action)
            return actions[i].name;
    return NULL;
}

enum bv_err
audit_action_of_name(const char *name, enum audit_action *ret_action)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, name) == 0) {
            *ret_action = actions[i].action;
            return BV_OK;
        }
    }
    return BV_E_NOT_FOUND;
}

/* Values start at 1 and have no gaps. */
static const char *
name_of(const char *const *names, size_t num, unsigned value)
{
    return value >= 1 && value <= num ? names[value - 1] : NULL;
}
#define NAME_OF(names, value)                                                  \
    name_of((names), sizeof(names) / sizeof((names)[0]), (unsigned)(value))

const char *
audit_actor_name(enum audit_actor actor)
{
    static const char *const names[] = {"system", "operator", "device",
                                        "unknown"};
    return NAME_OF(names, actor);
}

const char *
audit_auth_name(enum audit_auth auth)
{
    static const char *const names[] = {
        "none", "local", "own-cert", "manufacturer-cert", "token", "ra-cert"};
    return NAME_OF(names, auth);
}

const char *
audit_object_name(enum audit_object object)
{
    static const char *const names[] = {"none", "cert", "device", "token",
                                        "ca",   "key",  "server"};
    return NAME_OF(names, object);
}

const char *
audit_outcome_name(enum audit_outcome outcome)
{
    static const char *const names[] = {"ok", "refused", "failed"};
    return NAME_OF(names, outcome);
}

enum audit_outcome
audit_outcome_of(enum bv_err err)
{
    if (err == BV_OK)
        return AUDIT_OK;
    return err_fault(err) == BV_FAULT_PEER ? AUDIT_REFUSED : AUDIT_FAILED;
}
