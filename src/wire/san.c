#include "wire/san.h"

#include "base/mem.h"
#include "wire/der.h"
#include "wire/ip.h"
#include "wire/name.h"
#include "wire/oid.h"

#define HOST_MAX  253 /* RFC 1035 2.3.4, as text */
#define LABEL_MAX 63
#define EMAIL_MAX 255 /* ub-emailaddress-length, RFC 5280 A.1 */

/* --- walking --- */

enum bv_err
san_open(struct span san, struct san_iter *ret_iter)
{
    struct span names;

    BV_TRY(der_only(san, DER_SEQUENCE, &names));
    if (names.len == 0)
        return BV_E_BAD_MESSAGE; /* SIZE (1..MAX) */
    *ret_iter = (struct san_iter){names, 0};
    return BV_OK;
}

static enum bv_err
parse_other(struct span value, struct san_name *name)
{
    struct span wrapped, inner;
    uint8_t tag;

    BV_TRY(der_oid(&value, &name->other_oid));
    BV_TRY(der_only(value, DER_CONTEXT_CONS(0), &wrapped));
    name->value = wrapped;
    BV_TRY(der_any(&wrapped, &tag, &inner, NULL));
    return span_end(wrapped) == BV_OK ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
parse_dir_name(struct span value, struct san_name *name)
{
    struct span rdns;

    name->value = value;
    return der_only(value, DER_SEQUENCE, &rdns) == BV_OK ? BV_OK
                                                         : BV_E_BAD_MESSAGE;
}

static enum bv_err
parse_rid(struct span whole, struct san_name *name)
{
    struct span oid;
    uint8_t copy[64];

    /* [8] IMPLICIT: read it again as the OBJECT IDENTIFIER it stands for. */
    if (whole.len > sizeof(copy))
        return BV_E_BAD_MESSAGE;
    memcpy(copy, whole.data, whole.len);
    copy[0] = DER_OID;
    whole = span_of(copy, whole.len);
    BV_TRY(der_oid(&whole, &oid));
    return name->value.len == oid.len ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
parse_name(uint8_t tag, struct span value, struct san_name *name)
{
    name->value = value;
    switch (tag) {
    case DER_CONTEXT(SAN_EMAIL):
    case DER_CONTEXT(SAN_DNS):
    case DER_CONTEXT(SAN_URI):
    case DER_CONTEXT(SAN_IP):
        return BV_OK;
    case DER_CONTEXT(SAN_REGISTERED_ID):
        return parse_rid(name->whole, name);
    case DER_CONTEXT_CONS(SAN_OTHER_NAME):
        return parse_other(value, name);
    case DER_CONTEXT_CONS(SAN_DIR_NAME):
        return parse_dir_name(value, name);
    case DER_CONTEXT_CONS(SAN_X400):
    case DER_CONTEXT_CONS(SAN_EDI_PARTY):
        return BV_E_UNSUPPORTED;
    default:
        return BV_E_BAD_MESSAGE;
    }
}

enum bv_err
san_next(struct san_iter *iter, struct san_name *ret_name)
{
    struct san_name name = {0};
    struct span value;
    uint8_t tag;

    if (iter->rest.len == 0)
        return BV_E_NOT_FOUND;
    if (iter->num == LIMIT_SAN)
        return BV_E_TOO_MANY;
    BV_TRY(der_any(&iter->rest, &tag, &value, &name.whole));
    BV_TRY(parse_name(tag, value, &name));
    name.type = (enum san_type)(tag & 0x1f);
    iter->num++;
    *ret_name = name;
    return BV_OK;
}

/* --- syntax --- */

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool
is_alpha(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

/* One label, RFC 1123 2.1: letters, digits, hyphens inside. */
static bool
is_label(struct span label, bool any_case, bool *ret_all_digits)
{
    bool digits = true;

    if (label.len == 0 || label.len > LABEL_MAX || label.data[0] == '-' ||
        label.data[label.len - 1] == '-')
        return false;
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.data[i];

        if (!is_digit(c) && c != '-' && !is_lower(c) &&
            !(any_case && is_alpha(c)))
            return false;
        digits = digits && is_digit(c);
    }
    *ret_all_digits = digits;
    return true;
}

static bool
is_host(struct span text, bool any_case)
{
    bool all_digits = true;

    if (text.len == 0 || text.len > HOST_MAX || text.data[text.len - 1] == '.')
        return false;
    while (text.len > 0) {
        const uint8_t *dot = memchr(text.data, '.', text.len);
        size_t len = dot == NULL ? text.len : (size_t)(dot - text.data);
        size_t skip = dot == NULL ? len : len + 1;

        if (!is_label(span_of(text.data, len), any_case, &all_digits))
            return false;
        text = span_of(text.data + skip, text.len - skip);
    }
    return !all_digits; /* the last label: else it is an address */
}

bool
san_is_host(struct span text, bool wildcard)
{
    if (wildcard && text.len > 2 && text.data[0] == '*' &&
        text.data[1] == '.') {
        if (text.len > HOST_MAX)
            return false;
        text = span_of(text.data + 2, text.len - 2);
    }
    return is_host(text, false);
}

/* RFC 3986 2: reserved, unreserved and percent signs. */
static bool
is_uri_char(uint8_t c)
{
    static const char others[] = "-._~:/?#[]@!$&'()*+,;=%";

    return is_alpha(c) || is_digit(c) ||
           (c != '\0' && memchr(others, c, sizeof(others) - 1) != NULL);
}

/* Takes "scheme:" off the front. */
static bool
take_scheme(struct span *uri)
{
    const uint8_t *colon =
        uri->len == 0 ? NULL : memchr(uri->data, ':', uri->len);
    size_t len = colon == NULL ? 0 : (size_t)(colon - uri->data);

    if (len == 0 || !is_alpha(uri->data[0]))
        return false;
    for (size_t i = 1; i < len; i++) {
        uint8_t c = uri->data[i];

        if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.')
            return false;
    }
    *uri = span_of(uri->data + len + 1, uri->len - len - 1);
    return true;
}

static bool
is_address_host(struct span host)
{
    uint8_t ip[16];
    size_t len;

    if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
        return ip_parse(span_of(host.data + 1, host.len - 2), ip, &len) ==
                   BV_OK &&
               len == 16;
    return ip_parse(host, ip, &len) == BV_OK && len == 4;
}

/* The authority up to "/", "?" or "#"; without user information and port. */
static struct span
host_of(struct span authority)
{
    size_t len = 0, start = 0, end;

    while (len < authority.len && authority.data[len] != '/' &&
           authority.data[len] != '?' && authority.data[len] != '#') {
        if (authority.data[len] == '@')
            start = len + 1;
        len++;
    }
    end = len;
    while (end > start && is_digit(authority.data[end - 1]))
        end--;
    if (end > start && authority.data[end - 1] == ':')
        len = end - 1;
    return span_of(authority.data + start, len - start);
}

bool
san_is_uri(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_uri_char(text.data[i]))
            return false;
    }
    if (!take_scheme(&text) || text.len == 0)
        return false;
    if (text.len < 2 || text.data[0] != '/' || text.data[1] != '/')
        return true;

    struct span host = host_of(span_of(text.data + 2, text.len - 2));

    return is_host(host, true) || is_address_host(host);
}

bool
san_is_email(struct span text)
{
    static const char barred[] = " \"(),:;<>@[\\]";
    size_t at = 0;

    if (text.len > EMAIL_MAX)
        return false;
    for (; at < text.len && text.data[at] != '@'; at++) {
        uint8_t c = text.data[at];

        if (c <= ' ' || c > '~' || memchr(barred, c, sizeof(barred) - 1))
            return false;
    }
    return at > 0 && at < text.len &&
           is_host(span_of(text.data + at + 1, text.len - at - 1), true);
}

static bool
is_valid(const struct san_name *name)
{
    switch (name->type) {
    case SAN_DNS:
        return san_is_host(name->value, true);
    case SAN_IP:
        return name->value.len == 4 || name->value.len == 16;
    case SAN_URI:
        return san_is_uri(name->value);
    case SAN_EMAIL:
        return san_is_email(name->value);
    case SAN_DIR_NAME:
        return !name_is_empty(name->value) && name_check(name->value) == BV_OK;
    case SAN_OTHER_NAME:
    case SAN_REGISTERED_ID:
        return true; /* san_next has read them */
    case SAN_X400:
    case SAN_EDI_PARTY:
        return false;
    }
    return false;
}

enum bv_err
san_check_name(const struct san_name *name)
{
    return is_valid(name) ? BV_OK : BV_E_BAD_NAME;
}

enum bv_err
san_check(struct span san, bool *ret_wildcard)
{
    struct san_iter iter;
    struct san_name name;
    bool wildcard = false;
    enum bv_err err;

    BV_TRY(san_open(san, &iter));
    while ((err = san_next(&iter, &name)) == BV_OK) {
        BV_TRY(san_check_name(&name));
        wildcard =
            wildcard || (name.type == SAN_DNS && name.value.data[0] == '*');
    }
    if (err != BV_E_NOT_FOUND)
        return err;
    if (ret_wildcard != NULL)
        *ret_wildcard = wildcard;
    return BV_OK;
}

/* --- writing --- */

void
san_put(struct sink *out, enum san_type type, struct span value)
{
    der_put(out,
            type == SAN_DIR_NAME ? DER_CONTEXT_CONS(type) : DER_CONTEXT(type),
            value);
}

void
san_put_other(struct sink *out, struct span oid, struct span der)
{
    size_t mark = der_open(out, DER_CONTEXT_CONS(SAN_OTHER_NAME));

    der_put_oid(out, oid);
    der_put(out, DER_CONTEXT_CONS(0), der);
    der_close(out, mark);
}

/* --- comparing --- */

/* RFC 5280 7.5: the local part exactly, the host without case. */
static bool
is_email_eq(struct span a, struct span b)
{
    const uint8_t *at = a.len == 0 ? NULL : memchr(a.data, '@', a.len);
    size_t local = at == NULL ? 0 : (size_t)(at - a.data);

    return span_eq_nocase(a, b) &&
           span_eq(span_of(a.data, local), span_of(b.data, local));
}

bool
san_name_eq(const struct san_name *a, const struct san_name *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case SAN_DNS:
        return span_eq_nocase(a->value, b->value);
    case SAN_EMAIL:
        return is_email_eq(a->value, b->value);
    case SAN_DIR_NAME:
        return name_eq(a->value, b->value);
    case SAN_OTHER_NAME:
        return span_eq(a->other_oid, b->other_oid) &&
               span_eq(a->value, b->value);
    case SAN_URI:
    case SAN_IP:
    case SAN_REGISTERED_ID:
    case SAN_X400:
    case SAN_EDI_PARTY:
        return span_eq(a->value, b->value);
    }
    return false;
}

static bool
holds(struct span san, const struct san_name *wanted)
{
    struct san_iter iter;
    struct san_name name;

    if (san_open(san, &iter) != BV_OK)
        return false;
    while (san_next(&iter, &name) == BV_OK) {
        if (san_name_eq(&name, wanted))
            return true;
    }
    return false;
}

static bool
is_within(struct span a, struct span b)
{
    struct san_iter iter;
    struct san_name name;
    enum bv_err err;

    if (san_open(a, &iter) != BV_OK)
        return false;
    while ((err = san_next(&iter, &name)) == BV_OK) {
        if (!holds(b, &name))
            return false;
    }
    return err == BV_E_NOT_FOUND;
}

bool
san_eq(struct span a, struct span b)
{
    if (a.len == 0 || b.len == 0)
        return a.len == b.len;
    return span_eq(a, b) || (is_within(a, b) && is_within(b, a));
}

bool
san_has(struct span san, enum san_type type, struct span value)
{
    struct san_name wanted = {.type = type, .value = value};

    return holds(san, &wanted);
}

/* --- for people --- */

static void
put_safe(struct sink *out, struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool plain = c > ' ' && c <= '~' && c != ',' && c != '\\';

        sink_str(out, plain ? "" : "\\");
        if (plain)
            sink_u8(out, c);
        else
            sink_hex(out, span_of(&c, 1));
    }
}

static void
put_other_text(struct sink *out, const struct san_name *name)
{
    const char *type = oid_name(name->other_oid);

    if (type != NULL)
        sink_str(out, type);
    else
        oid_put_dotted(out, name->other_oid);
    sink_str(out, "=#");
    sink_hex(out, name->value);
}

void
san_put_name_text(struct sink *out, const struct san_name *name)
{
    static const char *const kinds[] = {
        "other:", "email:", "dns:", "x400:", "dir:",
        "edi:",   "uri:",   "ip:",  "rid:"};

    sink_str(out, kinds[name->type]);
    switch (name->type) {
    case SAN_IP:
        ip_put_text(out, name->value);
        return;
    case SAN_DIR_NAME:
        name_put_text(out, name->value);
        return;
    case SAN_OTHER_NAME:
        put_other_text(out, name);
        return;
    case SAN_REGISTERED_ID:
        oid_put_dotted(out, name->value);
        return;
    case SAN_EMAIL:
    case SAN_DNS:
    case SAN_URI:
    case SAN_X400:
    case SAN_EDI_PARTY:
        put_safe(out, name->value);
        return;
    }
}

void
san_put_text(struct sink *out, struct span san)
{
    struct san_iter iter;
    struct san_name name;

    if (san_open(san, &iter) != BV_OK)
        return;
    while (san_next(&iter, &name) == BV_OK) {
        if (iter.num > 1)
            sink_str(out, ",");
        san_put_name_text(out, &name);
    }
}
