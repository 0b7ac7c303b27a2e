#include "wire/csr.h"

#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

#define CHALLENGE_MAX 255 /* ub-challengePassword, RFC 2985 5.4.1 */

static enum bv_err
check_end(struct span in)
{
    return in.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

/* --- what an extensionRequest may ask for --- */

static enum bv_err
check_san(struct span san)
{
    struct san_iter iter;
    struct san_name name;
    enum bv_err err;

    BV_TRY(san_open(san, &iter));
    while ((err = san_next(&iter, &name)) == BV_OK)
        continue;
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

static enum bv_err
take_ext(struct csr *csr, const struct ext *ext)
{
    int pathlen;

    if (span_eq(ext->oid, oid_san)) {
        csr->san = ext->value;
        return check_san(ext->value);
    }
    if (span_eq(ext->oid, oid_key_usage)) {
        csr->has_key_usage = true;
        return ext_key_usage(ext->value, &csr->key_usage);
    }
    if (span_eq(ext->oid, oid_eku)) {
        csr->eku = ext->value;
        return ext_check_eku(ext->value);
    }
    if (span_eq(ext->oid, oid_basic_constraints)) {
        csr->has_basic_constraints = true;
        return ext_basic_constraints(ext->value, &csr->is_ca, &pathlen);
    }
    return BV_OK; /* everything else is ignored: the profile decides */
}

/* --- attributes, one reader each; value is the one element of the SET --- */

typedef enum bv_err take_fn(struct csr *csr, struct span value);

static enum bv_err
take_challenge(struct csr *csr, struct span value)
{
    uint8_t tag;
    struct span text;

    BV_TRY(der_any(&value, &tag, &text, NULL));
    /* A DirectoryString; some clients write IA5String (RFC 2985 5.4.1). */
    if (tag != DER_PRINTABLE_STRING && tag != DER_UTF8_STRING &&
        tag != DER_IA5_STRING && tag != DER_T61_STRING)
        return BV_E_BAD_MESSAGE;
    if (text.len == 0 || text.len > CHALLENGE_MAX)
        return BV_E_BAD_MESSAGE;
    csr->has_challenge = true;
    csr->challenge = text;
    return BV_OK;
}

static enum bv_err
take_extensions(struct csr *csr, struct span value)
{
    struct ext_iter iter;
    struct ext ext;
    enum bv_err err;

    BV_TRY(der_only(value, DER_SEQUENCE, &csr->extensions));
    ext_first(csr->extensions, &iter);
    while ((err = ext_next(&iter, &ext)) == BV_OK)
        BV_TRY(take_ext(csr, &ext));
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

static enum bv_err
take_key_id(struct span value, struct span *ret_key_id)
{
    struct span key_id;

    BV_TRY(der_only(value, DER_OCTET_STRING, &key_id));
    if (key_id.len == 0)
        return BV_E_BAD_MESSAGE;
    *ret_key_id = key_id;
    return BV_OK;
}

static enum bv_err
take_decrypt_key_id(struct csr *csr, struct span value)
{
    return take_key_id(value, &csr->decrypt_key_id);
}

static enum bv_err
take_asymm_decrypt_key_id(struct csr *csr, struct span value)
{
    return take_key_id(value, &csr->asymm_decrypt_key_id);
}

static enum bv_err
take_smime_capabilities(struct csr *csr, struct span value)
{
    struct span list;

    csr->smime_capabilities = value;
    return der_only(value, DER_SEQUENCE, &list);
}

/* RFC 6402 2.8. Both members are SEQUENCEs without a tag of their own: a Name
 * holds SETs, GeneralNames context tags. One at least is there. */
static enum bv_err
take_change_subject(struct csr *csr, struct span value)
{
    struct span seq, member, content;

    BV_TRY(der_only(value, DER_SEQUENCE, &seq));
    if (seq.len == 0)
        return BV_E_BAD_MESSAGE;
    BV_TRY(der_take_whole(&seq, DER_SEQUENCE, &member));
    BV_TRY(der_only(member, DER_SEQUENCE, &content));
    csr->has_change_subject = true;
    if (content.len == 0 || der_next_is(content, DER_SET)) {
        csr->change_subject = member;
        BV_TRY(name_check(member));
        if (seq.len == 0)
            return BV_OK;
        BV_TRY(der_take_whole(&seq, DER_SEQUENCE, &member));
    }
    csr->change_san = member;
    BV_TRY(check_san(member));
    return check_end(seq);
}

static const struct {
    const struct span *oid;
    take_fn *take;
} known[] = {
    {&oid_challenge_password, take_challenge},
    {&oid_extension_request, take_extensions},
    {&oid_decrypt_key_id, take_decrypt_key_id},
    {&oid_asymm_decrypt_key_id, take_asymm_decrypt_key_id},
    {&oid_smime_capabilities, take_smime_capabilities},
    {&oid_change_subject_name, take_change_subject},
};

/* Takes Attribute { type, SET OF values }; ret_values is the SET's content. */
static enum bv_err
take_attribute(struct span *in, struct span *ret_oid, struct span *ret_values)
{
    struct span seq;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, ret_oid));
    BV_TRY(der_take(&seq, DER_SET, ret_values));
    return check_end(seq);
}

static bool
came_before(struct span before, struct span oid)
{
    struct span other, values;

    while (before.len > 0 &&
           take_attribute(&before, &other, &values) == BV_OK) {
        if (span_eq(other, oid))
            return true;
    }
    return false;
}

/* All attributes known here have exactly one value. */
static enum bv_err
take_known(struct csr *csr, struct span oid, struct span values)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct span inner, value;
        uint8_t tag;

        if (!span_eq(*known[i].oid, oid))
            continue;
        BV_TRY(der_any(&values, &tag, &inner, &value));
        BV_TRY(check_end(values));
        return known[i].take(csr, value);
    }
    csr->unknown_attributes = true;
    return BV_OK;
}

static enum bv_err
parse_attributes(struct span all, struct csr *csr)
{
    struct span rest = all;

    for (size_t num = 0; rest.len > 0; num++) {
        struct span before = span_of(all.data, all.len - rest.len);
        struct span oid, values;

        if (num == LIMIT_EXTENSIONS)
            return BV_E_TOO_MANY;
        BV_TRY(take_attribute(&rest, &oid, &values));
        if (came_before(before, oid))
            return BV_E_BAD_MESSAGE;
        BV_TRY(take_known(csr, oid, values));
    }
    return BV_OK;
}

/* --- the request --- */

/* ignored: RFC 7030 4.4.1, here and below */
static enum bv_err
take_key(struct span *in, bool ignored, struct alg_spki *ret_spki)
{
    struct span copy = *in, whole;

    if (!ignored)
        return alg_spki_parse(in, ret_spki);
    BV_TRY(der_take_whole(in, DER_SEQUENCE, &whole));
    if (alg_spki_parse(&copy, ret_spki) != BV_OK)
        *ret_spki = (struct alg_spki){.whole = whole};
    return BV_OK;
}

static enum bv_err
take_signature(struct span *in, bool ignored, struct csr *csr)
{
    struct span any;

    if (ignored) {
        BV_TRY(der_take(in, DER_SEQUENCE, &any));
        return der_take(in, DER_BIT_STRING, &any);
    }
    BV_TRY(alg_sig_parse(in, &csr->sig_alg));
    BV_TRY(der_bits(in, &csr->signature));
    return csr->signature.len > 0 && csr->signature.len <= LIMIT_SIGNATURE
               ? BV_OK
               : BV_E_BAD_MESSAGE;
}

static enum bv_err
parse_info(struct span info, bool ignored, struct csr *csr)
{
    struct span seq, attributes;
    uint64_t version;

    BV_TRY(der_only(info, DER_SEQUENCE, &seq));
    BV_TRY(der_uint(&seq, &version));
    if (version != 0)
        return BV_E_BAD_MESSAGE; /* RFC 2986 4.1 */
    BV_TRY(der_take_whole(&seq, DER_SEQUENCE, &csr->subject));
    BV_TRY(name_check(csr->subject));
    BV_TRY(take_key(&seq, ignored, &csr->spki));
    BV_TRY(der_take(&seq, DER_CONTEXT_CONS(0), &attributes));
    BV_TRY(check_end(seq));
    return parse_attributes(attributes, csr);
}

static enum bv_err
parse(struct span in, bool ignored, struct csr *ret_csr)
{
    struct csr csr = {.whole = in};
    struct span seq;

    if (in.len > LIMIT_CSR)
        return BV_E_TOO_LARGE;
    BV_TRY(der_only(in, DER_SEQUENCE, &seq));
    BV_TRY(der_take_whole(&seq, DER_SEQUENCE, &csr.info));
    BV_TRY(take_signature(&seq, ignored, &csr));
    BV_TRY(check_end(seq));
    BV_TRY(parse_info(csr.info, ignored, &csr));
    if (!ignored && !alg_sig_fits(csr.sig_alg, csr.spki.alg))
        return BV_E_BAD_MESSAGE;
    *ret_csr = csr;
    return BV_OK;
}

enum bv_err
csr_parse(struct span in, struct csr *ret_csr)
{
    return parse(in, false, ret_csr);
}

enum bv_err
csr_parse_keygen(struct span in, struct csr *ret_csr)
{
    return parse(in, true, ret_csr);
}

/* --- writing --- */

static void
put_attribute_san(struct sink *out, struct span san)
{
    size_t attribute = der_open(out, DER_SEQUENCE);
    size_t values, extensions;

    der_put_oid(out, oid_extension_request);
    values = der_open(out, DER_SET);
    extensions = der_open(out, DER_SEQUENCE);
    ext_put_san(out, san, false);
    der_close(out, extensions);
    der_close(out, values);
    der_close(out, attribute);
}

static void
put_attribute_challenge(struct sink *out, struct span challenge)
{
    uint8_t tag =
        name_is_printable(challenge) ? DER_PRINTABLE_STRING : DER_UTF8_STRING;
    size_t attribute = der_open(out, DER_SEQUENCE);
    size_t values;

    der_put_oid(out, oid_challenge_password);
    values = der_open(out, DER_SET);
    der_put(out, tag, challenge);
    der_close(out, values);
    der_close(out, attribute);
}

/* Attributes are a SET OF: they ascend by their encodings (X.690 11.6). */
static void
put_both_attributes(struct sink *out, const struct csr_spec *spec)
{
    size_t start = out->len, middle;

    put_attribute_challenge(out, spec->challenge);
    middle = out->len;
    put_attribute_san(out, spec->san);
    if (out->failed ||
        span_cmp(span_of(out->data + start, middle - start),
                 span_of(out->data + middle, out->len - middle)) < 0)
        return;
    out->len = start;
    put_attribute_san(out, spec->san);
    put_attribute_challenge(out, spec->challenge);
}

static void
put_attributes(struct sink *out, const struct csr_spec *spec)
{
    size_t mark = der_open(out, DER_CONTEXT_CONS(0));

    if (spec->challenge.len > 0 && spec->san.len > 0)
        put_both_attributes(out, spec);
    else if (spec->challenge.len > 0)
        put_attribute_challenge(out, spec->challenge);
    else if (spec->san.len > 0)
        put_attribute_san(out, spec->san);
    der_close(out, mark);
}

void
csr_build_info(struct sink *out, const struct csr_spec *spec)
{
    size_t info = der_open(out, DER_SEQUENCE);

    der_put_uint(out, 0);
    der_put_raw(out, spec->subject);
    der_put_raw(out, spec->spki);
    put_attributes(out, spec);
    der_close(out, info);
}

void
csr_assemble(struct sink *out, struct span info, enum alg_sig sig_alg,
             struct span signature)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    der_put_raw(out, info);
    alg_sig_put(out, sig_alg);
    der_put_bits(out, signature);
    der_close(out, mark);
}
