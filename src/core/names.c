#include "core/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "wire/der.h"
#include "wire/name.h"
#include "wire/san.h"

static bool
is_lower_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool
is_hex_run(struct span id, size_t len)
{
    if (id.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_lower_hex(id.data[i]))
            return false;
    }
    return true;
}

/* RFC 9562 4, lower case */
static bool
is_uuid(struct span id)
{
    if (id.len != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        if (hyphen ? id.data[i] != '-' : !is_lower_hex(id.data[i]))
            return false;
    }
    return true;
}

bool
names_is_id(struct span id)
{
    if (id.len < 1 || id.len > LIMIT_DEVICE_NAME)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        if (id.data[i] < 0x20 || id.data[i] > 0x7e)
            return false;
    }
    return id.data[0] != ' ' && id.data[id.len - 1] != ' ';
}

static bool
is_id(enum profile_id kind, struct span id)
{
    switch (kind) {
    case PROFILE_ID_ANY:
        return true;
    case PROFILE_ID_EUI64:
        return is_hex_run(id, 16);
    case PROFILE_ID_EUI48:
        return is_hex_run(id, 12);
    case PROFILE_ID_UUID:
        return is_uuid(id);
    case PROFILE_ID_DNS:
        return san_is_host(id, false);
    }
    return false;
}

enum bv_err
names_check_id(const struct profile *profile, struct span id)
{
    return names_is_id(id) && is_id(profile->id, id) ? BV_OK : BV_E_BAD_NAME;
}

static enum bv_err
copy_attr(struct span subject, enum name_attr attr, bool *ret_found,
          char ret_id[LIMIT_DEVICE_NAME + 1])
{
    struct name_ava ava;
    enum bv_err err = name_find(subject, attr, &ava);
    *ret_found = err == BV_OK;
    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    BV_TRY(err);
    err = span_copy_str(ava.value, ret_id, LIMIT_DEVICE_NAME + 1);
    return err == BV_OK ? BV_OK : BV_E_BAD_NAME;
}

enum bv_err
names_of_subject(struct span subject, bool prefer_serial,
                 char ret_id[LIMIT_DEVICE_NAME + 1])
{
    enum name_attr first = prefer_serial ? NAME_SERIAL_NUMBER : NAME_CN;
    enum name_attr second = prefer_serial ? NAME_CN : NAME_SERIAL_NUMBER;
    bool found = false;
    ret_id[0] = '\0';
    BV_TRY(copy_attr(subject, first, &found, ret_id));
    if (!found)
        BV_TRY(copy_attr(subject, second, &found, ret_id));
    return BV_OK;
}

enum bv_err
names_subject(const struct profile *profile, const char *id, struct sink *out)
{
    const struct name_part parts[] = {
        {NAME_C, span_str(profile->country)},
        {NAME_O, span_str(profile->organization)},
        {NAME_OU, span_str(profile->unit)},
        {NAME_SERIAL_NUMBER,
         profile->serial_number ? span_str(id) : SPAN_EMPTY},
        {NAME_CN, span_str(id)},
    };
    BV_TRY(name_put(out, parts, sizeof parts / sizeof *parts));
    struct span whole;
    return sink_done(out, &whole);
}

bool
names_glob(const char *pattern, struct span text, bool dns)
{
    /* Two cursors and the last star: linear in practice, at worst
     * pattern x text, both short. */
    const char *star = NULL;
    size_t at = 0, star_at = 0;
    while (at < text.len) {
        if (*pattern == '*') {
            star = pattern++;
            star_at = at;
        } else if (*pattern != '\0' && (uint8_t)*pattern == text.data[at]) {
            pattern++;
            at++;
        } else if (star != NULL && !(dns && text.data[star_at] == '.')) {
            pattern = star + 1;
            at = ++star_at;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static unsigned
kind_bit(enum san_type type)
{
    switch (type) {
    case SAN_DNS:
        return PROFILE_SAN_DNS;
    case SAN_IP:
        return PROFILE_SAN_IP;
    case SAN_URI:
        return PROFILE_SAN_URI;
    case SAN_EMAIL:
        return PROFILE_SAN_EMAIL;
    case SAN_OTHER_NAME:
    case SAN_X400:
    case SAN_DIR_NAME:
    case SAN_EDI_PARTY:
    case SAN_REGISTERED_ID:
        break;
    }
    return 0;
}

/* Patterns are matched against what a person would write: an address is
 * compared as text, "192.0.2.7". */
static struct span
pattern_text(const struct san_name *name, struct sink *scratch)
{
    if (name->type != SAN_IP)
        return name->value;
    san_put_name_text(scratch, name);
    struct span text = sink_view(scratch);
    static const char prefix[] = "ip:";
    if (text.len > 3 && memcmp(text.data, prefix, 3) == 0)
        text = span_of(text.data + 3, text.len - 3);
    return text;
}

static bool
matches_patterns(const struct profile *p, const struct san_name *name)
{
    uint8_t buf[128];
    struct sink scratch = SINK_ARRAY(buf);
    struct span text = pattern_text(name, &scratch);
    for (unsigned i = 0; i < p->num_san_patterns; i++) {
        const char *glob;
        if (profile_san_pattern(p, i, &glob) == kind_bit(name->type) &&
            names_glob(glob, text, name->type == SAN_DNS))
            return true;
    }
    return false;
}

/* The URN of an id: RFC 9562 4 for UUIDs, RFC 9039 4.1 for EUIs, which are 64
 * bits there: an EUI-48 is widened in its middle. Other ids have none. */
static void
put_urn(const struct profile *p, const char *id, struct sink *out)
{
    struct span text = span_str(id);
    switch (p->id) {
    case PROFILE_ID_UUID:
        sink_str(out, "urn:uuid:");
        sink_put(out, text);
        return;
    case PROFILE_ID_EUI64:
        sink_str(out, "urn:dev:mac:");
        sink_put(out, text);
        return;
    case PROFILE_ID_EUI48:
        if (text.len != 12)
            return;
        sink_str(out, "urn:dev:mac:");
        sink_put(out, span_of(text.data, 6));
        sink_str(out, "fffe");
        sink_put(out, span_of(text.data + 6, 6));
        return;
    case PROFILE_ID_ANY:
    case PROFILE_ID_DNS:
        return;
    }
}

/* RFC 8141 3.1: letters of either case */
static struct span
after_urn(const struct san_name *name, const char *urn)
{
    size_t len = strlen(urn);
    if (name->type != SAN_URI || name->value.len <= len ||
        strncasecmp((const char *)name->value.data, urn, len) != 0)
        return SPAN_EMPTY;
    return span_of(name->value.data + len, name->value.len - len);
}

static bool
put_id(struct span id, char ret_id[LIMIT_DEVICE_NAME + 1])
{
    return names_is_id(id) &&
           span_copy_str(id, ret_id, LIMIT_DEVICE_NAME + 1) == BV_OK;
}

/* What put_urn has widened. */
static struct span
narrow(struct span eui64, uint8_t buf[12])
{
    if (eui64.len != 16 ||
        !span_eq_nocase(span_of(eui64.data + 6, 4), SPAN_LIT("fffe")))
        return SPAN_EMPTY;
    memcpy(buf, eui64.data, 6);
    memcpy(buf + 6, eui64.data + 10, 6);
    return span_of(buf, 12);
}

unsigned
names_ids_of_san(const struct san_name *name,
                 char ret_ids[NAMES_IDS_MAX][LIMIT_DEVICE_NAME + 1])
{
    uint8_t buf[12];
    struct span mac = after_urn(name, "urn:dev:mac:");
    struct span uuid = after_urn(name, "urn:uuid:");
    struct span id = name->type == SAN_DNS ? name->value
                     : mac.len > 0         ? mac
                                           : uuid;
    unsigned num = 0;
    num += put_id(id, ret_ids[num]);
    num += put_id(narrow(mac, buf), ret_ids[num]);
    return num;
}

static bool
is_own_name(const struct profile *p, const char *id,
            const struct san_name *name)
{
    uint8_t buf[LIMIT_DEVICE_NAME + 16];
    struct sink urn = SINK_ARRAY(buf);
    put_urn(p, id, &urn);
    if (name->type == SAN_DNS)
        return span_eq_str(name->value, id);
    return name->type == SAN_URI && urn.len > 0 &&
           span_eq(name->value, sink_view(&urn));
}

static bool
is_derived(const struct profile *p, const char *id, const struct san_name *name)
{
    return is_own_name(p, id, name) &&
           (name->type == SAN_DNS ? p->san_id_dns : p->san_id_urn);
}

static bool
is_allowed(const struct profile *p, const char *id, const struct san_name *name)
{
    if (is_derived(p, id, name))
        return true;
    if ((p->san_allowed & kind_bit(name->type)) == 0)
        return false;
    if (p->num_san_patterns == 0)
        return is_own_name(p, id, name);
    return is_own_name(p, id, name) || matches_patterns(p, name);
}

static enum bv_err
refuse_name(const struct san_name *name, char *ret_problem, size_t cap)
{
    uint8_t buf[120];
    struct sink text = SINK_ARRAY(buf);
    san_put_name_text(&text, name);
    (void)snprintf(ret_problem, cap, "the profile does not allow %.*s",
                   (int)text.len, (const char *)buf);
    return BV_E_REFUSED;
}

/* Is the same name among those written since start? */
static bool
is_written(const struct sink *out, size_t start, const struct san_name *name)
{
    struct san_iter written = {
        .rest = span_of(out->data + start, out->len - start)};
    struct san_name other;
    while (san_next(&written, &other) == BV_OK) {
        if (san_name_eq(&other, name))
            return true;
    }
    return false;
}

static enum bv_err
put_requested(const struct profile *p, const char *id, struct span requested,
              struct sink *out, char *ret_problem, size_t cap)
{
    struct san_iter it;
    struct san_name name;
    size_t start = out->len;
    enum bv_err err;
    BV_TRY(san_open(requested, &it));
    while ((err = san_next(&it, &name)) == BV_OK) {
        BV_TRY(san_check_name(&name));
        if (!is_allowed(p, id, &name) ||
            (name.type == SAN_DNS && name.value.data[0] == '*'))
            return refuse_name(&name, ret_problem, cap);
        if (!is_derived(p, id, &name) && !is_written(out, start, &name))
            der_put_raw(out, name.whole);
    }
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

static void
put_derived(const struct profile *p, const char *id, struct sink *out)
{
    if (p->san_id_dns)
        san_put(out, SAN_DNS, span_str(id));
    if (p->san_id_urn) {
        uint8_t buf[LIMIT_DEVICE_NAME + 16];
        struct sink urn = SINK_ARRAY(buf);
        put_urn(p, id, &urn);
        if (urn.len > 0)
            san_put(out, SAN_URI, sink_view(&urn));
    }
}

enum bv_err
names_san(const struct profile *profile, const char *id, struct span requested,
          struct sink *out, char *ret_problem, size_t cap)
{
    struct span whole;
    size_t start = out->len;
    size_t mark = der_open(out, DER_SEQUENCE);
    size_t empty = out->len;
    (void)snprintf(ret_problem, cap, "a requested name is malformed");
    put_derived(profile, id, out);
    if (requested.len > 0)
        BV_TRY(put_requested(profile, id, requested, out, ret_problem, cap));
    if (out->len == empty) { /* RFC 5280 4.2.1.6: never an empty sequence */
        out->len = start;
        return BV_OK;
    }
    der_close(out, mark);
    if (sink_done(out, &whole) == BV_OK)
        return BV_OK;
    (void)snprintf(ret_problem, cap, "the requested names are too long");
    return BV_E_TOO_LARGE; /* of what was asked for, not of what we have */
}
