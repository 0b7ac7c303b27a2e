#include "wire/oid.h"

#define OID(name, text, ...)                                                   \
    static const uint8_t name##_octets[] = {__VA_ARGS__};                      \
    const struct span oid_##name = {name##_octets, sizeof(name##_octets)};
#include "wire/oid.def"
#undef OID

static const struct {
    const struct span *oid;
    const char *text;
} oids[] = {
#define OID(name, text, ...) {&oid_##name, text},
#include "wire/oid.def"
#undef OID
};

#define NUM_OIDS (sizeof(oids) / sizeof(oids[0]))

const char *
oid_name(struct span oid)
{
    for (size_t i = 0; i < NUM_OIDS; i++) {
        if (span_eq(*oids[i].oid, oid))
            return oids[i].text;
    }
    return NULL;
}

enum bv_err
oid_find(struct span text, struct span *ret_oid)
{
    for (size_t i = 0; i < NUM_OIDS; i++) {
        if (span_eq_str(text, oids[i].text)) {
            *ret_oid = *oids[i].oid;
            return BV_OK;
        }
    }
    return BV_E_NOT_FOUND;
}

/* The first number holds two arcs: 40 * first + second, X.690 8.19.4. */
static void
put_arc(struct sink *out, uint64_t arc, bool first)
{
    if (first) {
        uint64_t top = arc < 80 ? arc / 40 : 2;

        sink_dec(out, top);
        arc -= top * 40;
    }
    sink_str(out, ".");
    sink_dec(out, arc);
}

void
oid_put_dotted(struct sink *out, struct span oid)
{
    uint64_t arc = 0;
    bool first = true;

    for (size_t i = 0; i < oid.len; i++) {
        if (arc > UINT64_MAX >> 7) {
            sink_str(out, ".?");
            return;
        }
        arc = arc << 7 | (oid.data[i] & 0x7f);
        if (oid.data[i] >= 0x80)
            continue;
        put_arc(out, arc, first);
        first = false;
        arc = 0;
    }
}
