#include "wire/lint.h"

#include "wire/der.h"
#include "wire/lint_view.h"
#include "wire/oid.h"

typedef bool lint_rule_fn(const struct lint_view *view);

/* The octets could not even be cut apart. */
#define STRUCTURE "tbs-structure"

static const struct {
    lint_rule_fn *is_kept;
    const char *name;
    const char *text;
} rules[] = {
    {NULL, STRUCTURE, "the octets are a TBSCertificate, RFC 5280 4.1"},
#define LINT(function, name, text) {function, name, text},
#include "wire/lint.def"
#undef LINT
};

#define NUM_RULES (sizeof(rules) / sizeof(rules[0]))

static const struct span *const known[LINT_NUM_KNOWN] = {
    [LINT_BC] = &oid_basic_constraints,
    [LINT_KU] = &oid_key_usage,
    [LINT_EKU] = &oid_eku,
    [LINT_SAN] = &oid_san,
    [LINT_SKI] = &oid_ski,
    [LINT_AKI] = &oid_aki,
    [LINT_CRLDP] = &oid_crldp,
    [LINT_AIA] = &oid_aia,
    [LINT_NC] = &oid_name_constraints,
    [LINT_NOCHECK] = &oid_ocsp_nocheck,
    [LINT_NO_REV_AVAIL] = &oid_no_rev_avail,
    [LINT_TLS_FEATURE] = &oid_tls_feature,
    [LINT_MASA_URL] = &oid_masa_url,
    [LINT_MUD_URL] = &oid_mud_url,
};

/* --- cutting apart --- */

static void
note_ext(struct lint_view *view, const struct ext *ext)
{
    for (size_t i = 0; i < LINT_NUM_KNOWN; i++) {
        if (!span_eq(*known[i], ext->oid))
            continue;
        view->duplicate = view->duplicate || view->has[i];
        if (!view->has[i])
            view->ext[i] = *ext;
        view->has[i] = true;
        return;
    }
    view->unknown = true;
}

static enum bv_err
read_ext(struct lint_view *view, struct span *in)
{
    struct span seq;
    struct ext ext = {0};

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, &ext.oid));
    if (der_next_is(seq, DER_BOOLEAN)) {
        BV_TRY(der_boolean(&seq, &ext.critical));
        view->default_written = view->default_written || !ext.critical;
    }
    BV_TRY(der_take(&seq, DER_OCTET_STRING, &ext.value));
    BV_TRY(span_end(seq));
    note_ext(view, &ext);
    return BV_OK;
}

static enum bv_err
read_extensions(struct lint_view *view, struct span wrapped)
{
    struct span list;

    BV_TRY(der_only(wrapped, DER_SEQUENCE, &view->extensions));
    list = view->extensions;
    while (list.len > 0)
        BV_TRY(read_ext(view, &list));
    return BV_OK;
}

static enum bv_err
read_validity(struct lint_view *view)
{
    struct span in = view->validity;

    BV_TRY(der_time(&in, &view->not_before));
    BV_TRY(der_time(&in, &view->not_after));
    return span_end(in);
}

static enum bv_err
read_key(struct lint_view *view)
{
    struct span in = view->spki;

    BV_TRY(alg_spki_parse(&in, &view->key));
    return span_end(in);
}

static enum bv_err
read_tbs(struct lint_view *view)
{
    struct span in, wrapped;
    bool present;

    BV_TRY(der_only(view->whole, DER_SEQUENCE, &in));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(0), &present, &view->version));
    BV_TRY(der_take(&in, DER_INTEGER, &view->serial));
    BV_TRY(der_take_whole(&in, DER_SEQUENCE, &view->sig_alg));
    BV_TRY(der_take_whole(&in, DER_SEQUENCE, &view->issuer));
    BV_TRY(der_take(&in, DER_SEQUENCE, &view->validity));
    BV_TRY(der_take_whole(&in, DER_SEQUENCE, &view->subject));
    BV_TRY(der_take_whole(&in, DER_SEQUENCE, &view->spki));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(3), &present, &wrapped));
    if (present)
        BV_TRY(read_extensions(view, wrapped));
    view->validity_ok = read_validity(view) == BV_OK;
    view->key_ok = read_key(view) == BV_OK;
    return span_end(in);
}

/* --- judging --- */

static enum bv_err
report(const char *rule, char *ret_rule, size_t cap)
{
    size_t i = 0;

    for (; cap > 0 && i < cap - 1 && rule[i] != '\0'; i++)
        ret_rule[i] = rule[i];
    if (cap > 0)
        ret_rule[i] = '\0';
    return BV_E_LINT;
}

enum bv_err
lint_tbs(struct span tbs, const struct lint_expect *expect, char *ret_rule,
         size_t cap)
{
    struct lint_view view = {.expect = expect, .whole = tbs};

    if (read_tbs(&view) != BV_OK)
        return report(STRUCTURE, ret_rule, cap);
    for (size_t i = 1; i < NUM_RULES; i++) {
        if (!rules[i].is_kept(&view))
            return report(rules[i].name, ret_rule, cap);
    }
    return BV_OK;
}

const char *
lint_rule_name(size_t i)
{
    return i < NUM_RULES ? rules[i].name : NULL;
}

const char *
lint_rule_text(size_t i)
{
    return i < NUM_RULES ? rules[i].text : NULL;
}
