/* Rules on everything but the extensions. */
#include "base/limits.h"
#include "base/time.h"
#include "wire/der.h"
#include "wire/lint_view.h"
#include "wire/name.h"

#define RSA_BITS_MIN 2048
#define RSA_E_MIN    65537

bool
lint_body_size(const struct lint_view *view)
{
    return view->whole.len + LIMIT_SIGNATURE <= LIMIT_CERT;
}

bool
lint_body_version(const struct lint_view *view)
{
    return span_eq(view->version, SPAN_LIT("\x02\x01\x02"));
}

/* --- serial --- */

bool
lint_body_serial_length(const struct lint_view *view)
{
    return view->serial.len >= 1 && view->serial.len <= LIMIT_SERIAL;
}

bool
lint_body_serial_minimal(const struct lint_view *view)
{
    return view->serial.len < 2 || view->serial.data[0] != 0 ||
           view->serial.data[1] >= 0x80;
}

bool
lint_body_serial_positive(const struct lint_view *view)
{
    for (size_t i = 0; i < view->serial.len; i++) {
        if (view->serial.data[i] != 0)
            return view->serial.data[0] < 0x80;
    }
    return false;
}

static struct span
magnitude_of(struct span n)
{
    while (n.len > 0 && n.data[0] == 0)
        n = span_of(n.data + 1, n.len - 1);
    return n;
}

bool
lint_body_serial_expected(const struct lint_view *view)
{
    return span_eq(magnitude_of(view->serial),
                   magnitude_of(view->expect->serial));
}

/* --- signature algorithm, issuer --- */

bool
lint_body_sig_expected(const struct lint_view *view)
{
    uint8_t buf[32];
    struct sink exact = SINK_ARRAY(buf);

    alg_sig_put(&exact, view->expect->sig_alg);
    return !exact.failed && span_eq(view->sig_alg, sink_view(&exact));
}

bool
lint_body_issuer_not_empty(const struct lint_view *view)
{
    return !name_is_empty(view->issuer);
}

bool
lint_body_issuer_form(const struct lint_view *view)
{
    return name_check(view->issuer) == BV_OK;
}

bool
lint_body_issuer_expected(const struct lint_view *view)
{
    return span_eq(view->issuer, view->expect->issuer);
}

/* --- validity --- */

bool
lint_body_validity_encoding(const struct lint_view *view)
{
    return view->validity_ok;
}

bool
lint_body_validity_order(const struct lint_view *view)
{
    return view->not_before <= view->not_after;
}

bool
lint_body_validity_nesting(const struct lint_view *view)
{
    const struct lint_expect *expect = view->expect;

    if (expect->self_signed)
        return true;
    if (view->not_before < expect->issuer_not_before)
        return false;
    return view->not_after <= expect->issuer_not_after ||
           (expect->outlive_issuer && view->not_after == TIME_NO_EXPIRY);
}

bool
lint_body_validity_lifetime(const struct lint_view *view)
{
    /* RFC 5280 4.1.2.5: both ends are inside, so one second more. */
    return view->expect->max_lifetime == 0 ||
           view->not_after - view->not_before + 1 <= view->expect->max_lifetime;
}

bool
lint_body_validity_expected(const struct lint_view *view)
{
    return view->not_before == view->expect->not_before &&
           view->not_after == view->expect->not_after;
}

/* --- subject --- */

typedef bool ava_fn(const struct name_ava *ava, size_t num_before);

/* Every attribute passes. A name that cannot be walked is for subject-form. */
static bool
each_ava(struct span name, ava_fn *passes)
{
    struct name_iter iter;
    struct name_ava ava;
    size_t num = 0;

    if (name_open(name, &iter) != BV_OK)
        return true;
    while (name_next(&iter, &ava) == BV_OK) {
        if (!passes(&ava, num++))
            return false;
    }
    return true;
}

static bool
has_good_type(const struct name_ava *ava, size_t num_before)
{
    return ava->tag == DER_PRINTABLE_STRING || ava->tag == DER_UTF8_STRING ||
           ava->tag == DER_IA5_STRING;
}

bool
lint_body_subject_strings(const struct lint_view *view)
{
    return each_ava(view->subject, has_good_type);
}

static bool
has_no_outer_space(const struct name_ava *ava, size_t num_before)
{
    return ava->value.len == 0 || (ava->value.data[0] != ' ' &&
                                   ava->value.data[ava->value.len - 1] != ' ');
}

bool
lint_body_subject_spaces(const struct lint_view *view)
{
    return each_ava(view->subject, has_no_outer_space);
}

static bool
is_alone_in_rdn(const struct name_ava *ava, size_t num_before)
{
    return ava->rdn == num_before;
}

bool
lint_body_subject_single(const struct lint_view *view)
{
    return each_ava(view->subject, is_alone_in_rdn);
}

bool
lint_body_subject_form(const struct lint_view *view)
{
    return name_check(view->subject) == BV_OK;
}

bool
lint_body_subject_cn(const struct lint_view *view)
{
    struct name_ava ava;

    return name_find(view->subject, NAME_CN, &ava) != BV_E_BAD_NAME &&
           name_find(view->subject, NAME_SERIAL_NUMBER, &ava) != BV_E_BAD_NAME;
}

bool
lint_body_subject_ca(const struct lint_view *view)
{
    return !view->expect->is_ca || !name_is_empty(view->subject);
}

bool
lint_body_subject_expected(const struct lint_view *view)
{
    return span_eq(view->subject, view->expect->subject);
}

bool
lint_body_self_signed(const struct lint_view *view)
{
    if (!view->expect->self_signed)
        return true;
    return span_eq(view->issuer, view->subject) && view->key_ok &&
           alg_sig_fits(view->expect->sig_alg, view->key.alg);
}

/* --- public key --- */

bool
lint_body_spki_form(const struct lint_view *view)
{
    return view->key_ok;
}

static bool
is_good_exponent(struct span e)
{
    uint64_t n = 0;

    if (e.len > 8)
        return false;
    for (size_t i = 0; i < e.len; i++)
        n = n << 8 | e.data[i];
    return n >= RSA_E_MIN && n % 2 == 1;
}

bool
lint_body_spki_strength(const struct lint_view *view)
{
    if (view->key.alg != ALG_KEY_RSA)
        return true;
    return view->key.bits >= RSA_BITS_MIN && is_good_exponent(view->key.e) &&
           view->key.n.data[view->key.n.len - 1] % 2 == 1;
}

bool
lint_body_spki_expected(const struct lint_view *view)
{
    return span_eq(view->spki, view->expect->spki);
}
