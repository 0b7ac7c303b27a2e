#include "wire/name.h"

#include "wire/der.h"
#include "wire/oid.h"

/* What an attribute may be, RFC 5280 appendix A.1. */
enum form { FORM_DIRECTORY, FORM_PRINTABLE, FORM_IA5 };

static const struct rule {
    const struct span *oid;
    enum name_attr attr;
    enum form form;
    size_t max; /* characters; 0: only what LIMIT_NAME leaves */
} rules[] = {
    {&oid_cn, NAME_CN, FORM_DIRECTORY, 64},
    {&oid_o, NAME_O, FORM_DIRECTORY, 64},
    {&oid_ou, NAME_OU, FORM_DIRECTORY, 64},
    {&oid_c, NAME_C, FORM_PRINTABLE, 2},
    {&oid_serial_number, NAME_SERIAL_NUMBER, FORM_PRINTABLE, 64},
    {&oid_l, NAME_L, FORM_DIRECTORY, 128},
    {&oid_st, NAME_ST, FORM_DIRECTORY, 128},
    {&oid_title, NAME_OTHER, FORM_DIRECTORY, 64},
    {&oid_pseudonym, NAME_OTHER, FORM_DIRECTORY, 128},
    {&oid_dn_qualifier, NAME_OTHER, FORM_PRINTABLE, 0},
    {&oid_dc, NAME_OTHER, FORM_IA5, 0},
    {&oid_email, NAME_OTHER, FORM_IA5, 255},
};

#define NUM_RULES (sizeof(rules) / sizeof(rules[0]))

static const struct rule *
rule_of_oid(struct span oid)
{
    for (size_t i = 0; i < NUM_RULES; i++) {
        if (span_eq(*rules[i].oid, oid))
            return &rules[i];
    }
    return NULL;
}

static const struct rule *
rule_of_attr(enum name_attr attr)
{
    for (size_t i = 0; i < NUM_RULES; i++) {
        if (attr != NAME_OTHER && rules[i].attr == attr)
            return &rules[i];
    }
    return NULL;
}

/* --- text --- */

/* Length of the UTF-8 sequence a first octet starts; 0 when it starts none. */
static size_t
utf8_len(uint8_t first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Reads one character off *text; false when it is not UTF-8 (RFC 3629). */
static bool
take_utf8(struct span *text, uint32_t *ret_char)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = utf8_len(text->data[0]);
    uint32_t c;

    if (len == 0 || len > text->len)
        return false;
    c = len == 1 ? text->data[0] : text->data[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text->data[i] & 0xc0) != 0x80)
            return false;
        c = c << 6 | (text->data[i] & 0x3fu);
    }
    if (c < least[len] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        return false;
    *text = span_of(text->data + len, text->len - len);
    *ret_char = c;
    return true;
}

static bool
is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

bool
name_is_utf8(struct span text, size_t *ret_num_chars)
{
    size_t num = 0;

    while (text.len > 0) {
        uint32_t c;

        if (!take_utf8(&text, &c) || is_control(c))
            return false;
        num++;
    }
    if (ret_num_chars != NULL)
        *ret_num_chars = num;
    return true;
}

static bool
is_printable_char(uint8_t c)
{
    static const char others[] = " '()+,-./:=?";

    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
        (c >= '0' && c <= '9'))
        return true;
    for (size_t i = 0; i < sizeof(others) - 1; i++) {
        if (c == (uint8_t)others[i])
            return true;
    }
    return false;
}

bool
name_is_printable(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_printable_char(text.data[i]))
            return false;
    }
    return true;
}

static bool
is_letter(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* --- writing --- */

enum bv_err
name_check_text(enum name_attr attr, struct span text)
{
    const struct rule *rule = rule_of_attr(attr);
    size_t num;

    if (rule == NULL || !name_is_utf8(text, &num) || num == 0 ||
        num > rule->max)
        return BV_E_BAD_NAME;
    if (rule->form == FORM_PRINTABLE && !name_is_printable(text))
        return BV_E_BAD_NAME;
    if (attr == NAME_C &&
        (text.len != 2 || !is_letter(text.data[0]) || !is_letter(text.data[1])))
        return BV_E_BAD_NAME;
    /* A space at an end is invisible and vanishes in comparisons. */
    if (text.data[0] == ' ' || text.data[text.len - 1] == ' ')
        return BV_E_BAD_NAME;
    return BV_OK;
}

static void
put_part(struct sink *out, const struct name_part *part)
{
    uint8_t tag =
        name_is_printable(part->text) ? DER_PRINTABLE_STRING : DER_UTF8_STRING;
    size_t rdn = der_open(out, DER_SET);
    size_t ava = der_open(out, DER_SEQUENCE);

    der_put_oid(out, *rule_of_attr(part->attr)->oid);
    der_put(out, tag, part->text);
    der_close(out, ava);
    der_close(out, rdn);
}

enum bv_err
name_put(struct sink *out, const struct name_part *parts, size_t num_parts)
{
    size_t mark;

    if (num_parts > LIMIT_RDN)
        return BV_E_BAD_NAME;
    for (size_t i = 0; i < num_parts; i++) {
        if (parts[i].text.len > 0)
            BV_TRY(name_check_text(parts[i].attr, parts[i].text));
    }
    mark = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < num_parts; i++) {
        if (parts[i].text.len > 0)
            put_part(out, &parts[i]);
    }
    der_close(out, mark);
    return BV_OK;
}

/* --- reading --- */

enum bv_err
name_open(struct span name, struct name_iter *ret_iter)
{
    struct span rdns;

    BV_TRY(der_only(name, DER_SEQUENCE, &rdns));
    *ret_iter = (struct name_iter){rdns, SPAN_EMPTY, 0};
    return BV_OK;
}

static enum bv_err
next_rdn(struct name_iter *iter)
{
    if (iter->rdns.len == 0)
        return BV_E_NOT_FOUND;
    if (iter->rdn == LIMIT_RDN)
        return BV_E_TOO_MANY;
    BV_TRY(der_take(&iter->rdns, DER_SET, &iter->avas));
    if (iter->avas.len == 0)
        return BV_E_BAD_MESSAGE; /* SIZE (1..MAX) */
    iter->rdn++;
    return BV_OK;
}

enum bv_err
name_next(struct name_iter *iter, struct name_ava *ret_ava)
{
    struct name_ava ava = {0};
    const struct rule *rule;
    struct span seq;

    if (iter->avas.len == 0)
        BV_TRY(next_rdn(iter));
    BV_TRY(der_take(&iter->avas, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, &ava.oid));
    BV_TRY(der_any(&seq, &ava.tag, &ava.value, NULL));
    if (seq.len != 0)
        return BV_E_BAD_MESSAGE;
    rule = rule_of_oid(ava.oid);
    ava.attr = rule == NULL ? NAME_OTHER : rule->attr;
    ava.rdn = iter->rdn - 1;
    *ret_ava = ava;
    return BV_OK;
}

enum bv_err
name_find(struct span name, enum name_attr attr, struct name_ava *ret_ava)
{
    struct name_iter iter;
    struct name_ava ava, found = {0};
    bool have = false;
    enum bv_err err;

    BV_TRY(name_open(name, &iter));
    while ((err = name_next(&iter, &ava)) == BV_OK) {
        if (ava.attr != attr)
            continue;
        if (have)
            return BV_E_BAD_NAME;
        found = ava;
        have = true;
    }
    if (err != BV_E_NOT_FOUND)
        return err;
    if (!have)
        return BV_E_NOT_FOUND;
    *ret_ava = found;
    return BV_OK;
}

bool
name_is_empty(struct span name)
{
    return span_eq(name, SPAN_LIT("\x30\x00"));
}

/* --- checking --- */

static bool
is_ia5(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 0x80)
            return false;
    }
    return name_is_utf8(text, NULL);
}

/* The string's own rules, whatever the attribute. */
static enum bv_err
check_string(const struct name_ava *ava, size_t *ret_num_chars)
{
    switch (ava->tag) {
    case DER_UTF8_STRING:
        return name_is_utf8(ava->value, ret_num_chars) ? BV_OK : BV_E_BAD_NAME;
    case DER_PRINTABLE_STRING:
        *ret_num_chars = ava->value.len;
        return name_is_printable(ava->value) ? BV_OK : BV_E_BAD_NAME;
    case DER_IA5_STRING:
        *ret_num_chars = ava->value.len;
        return is_ia5(ava->value) ? BV_OK : BV_E_BAD_NAME;
    case DER_T61_STRING:
    case DER_BMP_STRING:
    case DER_UNIVERSAL_STRING:
        return BV_E_UNSUPPORTED; /* RFC 5280 4.1.2.4: obsolete */
    default:
        return BV_E_BAD_NAME;
    }
}

static bool
is_form(enum form form, uint8_t tag)
{
    switch (form) {
    case FORM_DIRECTORY:
        return tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING;
    case FORM_PRINTABLE:
        return tag == DER_PRINTABLE_STRING;
    case FORM_IA5:
        return tag == DER_IA5_STRING;
    }
    return false;
}

static enum bv_err
check_ava(const struct name_ava *ava)
{
    const struct rule *rule = rule_of_oid(ava->oid);
    size_t num = 0;

    BV_TRY(check_string(ava, &num));
    if (num == 0)
        return BV_E_BAD_NAME;
    if (rule == NULL)
        return BV_OK;
    if (!is_form(rule->form, ava->tag) || (rule->max > 0 && num > rule->max))
        return BV_E_BAD_NAME;
    if (rule->attr == NAME_C && (num != 2 || !is_letter(ava->value.data[0]) ||
                                 !is_letter(ava->value.data[1])))
        return BV_E_BAD_NAME;
    return BV_OK;
}

/* X.690 11.6: the elements of a SET OF ascend; equal ones say a thing twice. */
static enum bv_err
check_order(struct span rdns)
{
    while (rdns.len > 0) {
        struct span set, before = SPAN_EMPTY;

        BV_TRY(der_take(&rdns, DER_SET, &set));
        while (set.len > 0) {
            struct span ava;

            BV_TRY(der_take_whole(&set, DER_SEQUENCE, &ava));
            if (before.len > 0 && span_cmp(before, ava) >= 0)
                return BV_E_BAD_MESSAGE;
            before = ava;
        }
    }
    return BV_OK;
}

enum bv_err
name_check(struct span name)
{
    struct name_iter iter;
    struct name_ava ava;
    enum bv_err err;

    if (name.len > LIMIT_NAME)
        return BV_E_BAD_NAME;
    BV_TRY(name_open(name, &iter));
    BV_TRY(check_order(iter.rdns));
    while ((err = name_next(&iter, &ava)) == BV_OK)
        BV_TRY(check_ava(&ava));
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

/* --- comparing, RFC 5280 7.1 --- */

/* The next octet of a string as it counts in comparison, -1 at its end: ASCII
 * in lower case, a run of spaces as one, none at the ends. */
static int
next_folded(struct span *text, bool *at_start)
{
    size_t spaces = 0;

    while (spaces < text->len && text->data[spaces] == ' ')
        spaces++;
    *text = span_of(text->data + spaces, text->len - spaces);
    if (text->len == 0)
        return -1;
    if (spaces > 0 && !*at_start) {
        *at_start = true; /* the space is out; what follows is its word */
        return ' ';
    }

    uint8_t c = text->data[0];

    *at_start = false;
    *text = span_of(text->data + 1, text->len - 1);
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool
is_folded_eq(struct span a, struct span b)
{
    bool a_start = true, b_start = true;

    for (;;) {
        int x = next_folded(&a, &a_start);
        int y = next_folded(&b, &b_start);

        if (x != y)
            return false;
        if (x < 0)
            return true;
    }
}

static bool
is_directory_tag(uint8_t tag)
{
    return tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING;
}

static bool
is_ava_eq(const struct name_ava *a, const struct name_ava *b)
{
    if (!span_eq(a->oid, b->oid))
        return false;
    if (is_directory_tag(a->tag) && is_directory_tag(b->tag))
        return is_folded_eq(a->value, b->value);
    return a->tag == b->tag && span_eq(a->value, b->value);
}

/* Every attribute of name a has its equal in the same RDN of name b. */
static bool
is_within(struct span a, struct span b)
{
    struct name_iter at, bt;
    struct name_ava x, y;

    if (name_open(a, &at) != BV_OK)
        return false;
    while (name_next(&at, &x) == BV_OK) {
        bool found = false;

        if (name_open(b, &bt) != BV_OK)
            return false;
        while (!found && name_next(&bt, &y) == BV_OK)
            found = x.rdn == y.rdn && is_ava_eq(&x, &y);
        if (!found)
            return false;
    }
    return true;
}

bool
name_eq(struct span a, struct span b)
{
    if (span_eq(a, b))
        return true;
    if (name_check(a) != BV_OK || name_check(b) != BV_OK)
        return false;
    return is_within(a, b) && is_within(b, a);
}

/* --- for people --- */

static void
put_value(struct sink *out, struct span text)
{
    static const char special[] = "\\\",+;<>=#";

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool escape = false;

        if (c < ' ' || c > '~') {
            sink_str(out, "\\");
            sink_hex(out, span_of(&c, 1));
            continue;
        }
        for (size_t j = 0; j < sizeof(special) - 1; j++)
            escape = escape || c == (uint8_t)special[j];
        if (escape)
            sink_str(out, "\\");
        sink_u8(out, c);
    }
}

static void
put_ava_text(struct sink *out, const struct name_ava *ava)
{
    const char *type = oid_name(ava->oid);

    if (type != NULL) {
        sink_str(out, type);
        sink_str(out, "=");
        put_value(out, ava->value);
        return;
    }
    oid_put_dotted(out, ava->oid);
    sink_str(out, "=#");
    sink_hex(out, ava->value);
}

void
name_put_text(struct sink *out, struct span name)
{
    struct name_iter iter;
    struct name_ava ava;
    size_t num = 0, last_rdn = 0;

    if (name_check(name) != BV_OK || name_open(name, &iter) != BV_OK) {
        sink_str(out, "#");
        sink_hex(out, name);
        return;
    }
    while (name_next(&iter, &ava) == BV_OK) {
        if (num++ > 0)
            sink_str(out, ava.rdn == last_rdn ? "+" : ",");
        put_ava_text(out, &ava);
        last_rdn = ava.rdn;
    }
}
