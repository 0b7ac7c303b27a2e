/* CSR attributes: RFC 7030 4.5.2 and the template of RFC 9908. */
#include "wire/der.h"
#include "wire/est.h"
#include "wire/oid.h"

/* --- the names of keys and signatures --- */

static struct span
curve_of_key(enum alg_key key)
{
    switch (key) {
    case ALG_KEY_P256:
        return oid_p256;
    case ALG_KEY_P384:
        return oid_p384;
    case ALG_KEY_P521:
        return oid_p521;
    case ALG_KEY_NONE:
    case ALG_KEY_RSA:
    case ALG_KEY_ED25519:
        break;
    }
    return SPAN_EMPTY;
}

static struct span
type_of_key(enum alg_key key)
{
    if (key == ALG_KEY_RSA)
        return oid_rsa;
    return key == ALG_KEY_ED25519 ? oid_ed25519 : oid_ec_public_key;
}

static enum bv_err
key_of_curve(struct span oid, enum alg_key *ret_key)
{
    static const enum alg_key CURVES[] = {ALG_KEY_P256, ALG_KEY_P384,
                                          ALG_KEY_P521};

    for (size_t i = 0; i < sizeof(CURVES) / sizeof(CURVES[0]); i++)
        if (span_eq(oid, curve_of_key(CURVES[i]))) {
            *ret_key = CURVES[i];
            return BV_OK;
        }
    return BV_E_UNSUPPORTED;
}

static struct span
oid_of_sig(enum alg_sig sig)
{
    switch (sig) {
    case ALG_SIG_ECDSA_SHA256:
        return oid_ecdsa_sha256;
    case ALG_SIG_ECDSA_SHA384:
        return oid_ecdsa_sha384;
    case ALG_SIG_ECDSA_SHA512:
        return oid_ecdsa_sha512;
    case ALG_SIG_RSA_SHA256:
        return oid_rsa_sha256;
    case ALG_SIG_RSA_SHA384:
        return oid_rsa_sha384;
    case ALG_SIG_RSA_SHA512:
        return oid_rsa_sha512;
    case ALG_SIG_ED25519:
        return oid_ed25519;
    case ALG_SIG_NONE:
        break;
    }
    return SPAN_EMPTY;
}

static enum alg_sig
sig_of_oid(struct span oid)
{
    for (int sig = ALG_SIG_ECDSA_SHA256; sig <= ALG_SIG_ED25519; sig++)
        if (span_eq(oid, oid_of_sig((enum alg_sig)sig)))
            return (enum alg_sig)sig;
    return ALG_SIG_NONE;
}

/* --- writing --- */

static void
put_key_attribute(struct sink *out, const struct est_csrattrs *attrs)
{
    if (attrs->key == ALG_KEY_NONE)
        return;
    size_t attribute = der_open(out, DER_SEQUENCE);
    der_put_oid(out, type_of_key(attrs->key));
    size_t values = der_open(out, DER_SET);
    if (curve_of_key(attrs->key).len > 0)
        der_put_oid(out, curve_of_key(attrs->key));
    else if (attrs->key == ALG_KEY_RSA && attrs->rsa_bits > 0)
        der_put_uint(out, attrs->rsa_bits);
    der_close(out, values);
    der_close(out, attribute);
}

static void
put_extension(struct sink *out, const struct est_extension *extension)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    der_put_oid(out, extension->oid);
    if (extension->critical)
        der_put_boolean(out, true);
    if (extension->value.len > 0)
        der_put(out, DER_OCTET_STRING, extension->value);
    der_close(out, mark);
}

static size_t
num_valued(const struct est_csrattrs *attrs)
{
    size_t num = 0;

    for (size_t i = 0; i < attrs->num_extensions; i++)
        num += attrs->extensions[i].value.len > 0;
    return num;
}

/* An attribute with one value: Extensions, or its template form in which
 * extnValue may be missing (only then, RFC 9908 3.4). */
static void
put_extensions(struct sink *out, const struct est_csrattrs *attrs,
               bool as_template)
{
    bool blanks = as_template && num_valued(attrs) < attrs->num_extensions;

    if (blanks ? attrs->num_extensions == 0 : num_valued(attrs) == 0)
        return;
    size_t attribute = der_open(out, DER_SEQUENCE);
    der_put_oid(out,
                blanks ? oid_extension_req_template : oid_extension_request);
    size_t values = der_open(out, DER_SET);
    size_t list = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < attrs->num_extensions; i++)
        if (blanks || attrs->extensions[i].value.len > 0)
            put_extension(out, &attrs->extensions[i]);
    der_close(out, list);
    der_close(out, values);
    der_close(out, attribute);
}

static void
put_subject(struct sink *out, const struct est_csrattrs *attrs)
{
    if (attrs->num_rdns == 0)
        return;
    size_t name = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < attrs->num_rdns; i++) {
        size_t rdn = der_open(out, DER_SET);
        size_t single = der_open(out, DER_SEQUENCE);
        der_put_oid(out, attrs->subject[i].oid);
        der_put_raw(out, attrs->subject[i].value);
        der_close(out, single);
        der_close(out, rdn);
    }
    der_close(out, name);
}

/* RFC 9908 3.4: the size of an RSA key is told by a placeholder of its
 * length: modulus with the first and the last bit set, exponent 65537. */
static void
put_rsa_placeholder(struct sink *out, unsigned bits)
{
    static const uint8_t EXPONENT[] = {0x01, 0x00, 0x01};
    size_t len = bits / 8;

    size_t wrap = der_open_bit_string(out);
    size_t key = der_open(out, DER_SEQUENCE);
    size_t modulus = der_open(out, DER_INTEGER);
    sink_u8(out, 0);
    sink_u8(out, 0x80);
    for (size_t i = 2; i < len; i++)
        sink_u8(out, 0);
    sink_u8(out, 0x01);
    der_close(out, modulus);
    der_put_unsigned(out, SPAN_ARRAY(EXPONENT));
    der_close(out, key);
    der_close(out, wrap);
}

static void
put_spki(struct sink *out, const struct est_csrattrs *attrs)
{
    if (attrs->key == ALG_KEY_NONE)
        return;
    size_t spki = der_open(out, DER_CONTEXT_CONS(0));
    size_t algorithm = der_open(out, DER_SEQUENCE);
    der_put_oid(out, type_of_key(attrs->key));
    if (curve_of_key(attrs->key).len > 0)
        der_put_oid(out, curve_of_key(attrs->key));
    else if (attrs->key == ALG_KEY_RSA)
        der_put_null(out);
    der_close(out, algorithm);
    if (attrs->key == ALG_KEY_RSA && attrs->rsa_bits > 0)
        put_rsa_placeholder(out, attrs->rsa_bits);
    der_close(out, spki);
}

static void
put_template(struct sink *out, const struct est_csrattrs *attrs)
{
    size_t attribute = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_csr_info_template);
    size_t values = der_open(out, DER_SET);
    size_t info = der_open(out, DER_SEQUENCE);
    der_put_uint(out, 0);
    put_subject(out, attrs);
    put_spki(out, attrs);
    size_t attributes = der_open(out, DER_CONTEXT_CONS(1));
    put_extensions(out, attrs, true);
    der_close(out, attributes);
    der_close(out, info);
    der_close(out, values);
    der_close(out, attribute);
}

void
est_csrattrs_put(struct sink *out, const struct est_csrattrs *attrs)
{
    size_t list = der_open(out, DER_SEQUENCE);

    if (attrs->challenge)
        der_put_oid(out, oid_challenge_password);
    put_key_attribute(out, attrs);
    put_extensions(out, attrs, false);
    if (attrs->sig != ALG_SIG_NONE)
        der_put_oid(out, oid_of_sig(attrs->sig));
    /* RFC 9908 4: who reads the template reads nothing else, and 3.4 has no
     * form in it for a challengePassword that the client is to fill in: an
     * Attribute has a value, which would be taken as given. */
    if (attrs->is_template && !attrs->challenge)
        put_template(out, attrs);
    der_close(out, list);
}

/* --- reading --- */

static enum bv_err
read_extension(struct span *in, struct est_extension *ret_extension)
{
    struct est_extension extension = {0};
    struct span seq;
    bool present;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, &extension.oid));
    if (der_next_is(seq, DER_BOOLEAN))
        BV_TRY(der_boolean(&seq, &extension.critical));
    BV_TRY(der_take_opt(&seq, DER_OCTET_STRING, &present, &extension.value));
    if (!present)
        extension.value = SPAN_EMPTY;
    *ret_extension = extension;
    return span_end(seq);
}

static enum bv_err
add_extension(struct est_csrattrs *attrs, const struct est_extension *extension)
{
    for (size_t i = 0; i < attrs->num_extensions; i++)
        if (span_eq(attrs->extensions[i].oid, extension->oid))
            return BV_E_BAD_MESSAGE; /* RFC 9908 3.2 */
    if (attrs->num_extensions == EST_EXTENSIONS_MAX)
        return BV_E_TOO_MANY;
    attrs->extensions[attrs->num_extensions++] = *extension;
    return BV_OK;
}

/* values holds exactly one list; blanks: extnValue may be missing. */
static enum bv_err
read_extensions(struct span values, bool blanks, struct est_csrattrs *attrs)
{
    struct span list;
    struct est_extension extension;

    if (attrs->num_extensions > 0)
        return BV_E_BAD_MESSAGE; /* there may be only one such attribute */
    BV_TRY(der_only(values, DER_SEQUENCE, &list));
    while (list.len > 0) {
        BV_TRY(read_extension(&list, &extension));
        if (!blanks && extension.value.len == 0)
            return BV_E_BAD_MESSAGE;
        BV_TRY(add_extension(attrs, &extension));
    }
    return BV_OK;
}

static enum bv_err
read_ec(struct span values, struct est_csrattrs *attrs)
{
    struct span curve;

    attrs->key = ALG_KEY_P256; /* no curve named: ours to choose */
    if (values.len == 0)
        return BV_OK;
    BV_TRY(der_oid(&values, &curve));
    return key_of_curve(curve, &attrs->key);
}

static enum bv_err
read_rsa(struct span values, struct est_csrattrs *attrs)
{
    uint64_t bits;

    attrs->key = ALG_KEY_RSA;
    if (values.len == 0)
        return BV_OK;
    BV_TRY(der_uint(&values, &bits));
    if (bits < 1024 || bits > 16384)
        return BV_E_UNSUPPORTED;
    attrs->rsa_bits = (unsigned)bits;
    return BV_OK;
}

/* take_attribute takes the next Attribute apart. */
static enum bv_err
take_attribute(struct span *in, struct span *ret_type, struct span *ret_values)
{
    struct span attribute;

    BV_TRY(der_take(in, DER_SEQUENCE, &attribute));
    BV_TRY(der_oid(&attribute, ret_type));
    BV_TRY(der_take(&attribute, DER_SET, ret_values));
    return span_end(attribute);
}

static enum bv_err
read_rdn(struct span *in, struct est_csrattrs *attrs)
{
    struct est_rdn rdn = {0};
    struct span set;
    struct span single;
    struct span value;
    uint8_t tag;

    BV_TRY(der_take(in, DER_SET, &set));
    BV_TRY(der_only(set, DER_SEQUENCE, &single));
    BV_TRY(der_oid(&single, &rdn.oid));
    if (single.len > 0)
        BV_TRY(der_any(&single, &tag, &value, &rdn.value));
    BV_TRY(span_end(single));
    if (attrs->num_rdns == EST_RDNS_MAX)
        return BV_E_TOO_MANY;
    attrs->subject[attrs->num_rdns++] = rdn;
    return BV_OK;
}

static enum bv_err
read_placeholder(struct span *spki, unsigned *ret_bits)
{
    struct span bits;
    struct span key;
    struct span modulus;

    BV_TRY(der_bits(spki, &bits));
    BV_TRY(der_only(bits, DER_SEQUENCE, &key));
    BV_TRY(der_integer(&key, 2049, &modulus));
    if (modulus.len > 0 && modulus.data[0] == 0)
        modulus = span_of(modulus.data + 1, modulus.len - 1);
    *ret_bits = (unsigned)modulus.len * 8;
    return BV_OK;
}

static enum bv_err
read_spki(struct span spki, struct est_csrattrs *attrs)
{
    struct span algorithm;
    struct span type;

    BV_TRY(der_take(&spki, DER_SEQUENCE, &algorithm));
    BV_TRY(der_oid(&algorithm, &type));
    if (span_eq(type, oid_ec_public_key))
        return read_ec(algorithm, attrs);
    if (span_eq(type, oid_ed25519)) {
        attrs->key = ALG_KEY_ED25519;
        return BV_OK;
    }
    if (!span_eq(type, oid_rsa))
        return BV_E_UNSUPPORTED;
    attrs->key = ALG_KEY_RSA;
    return spki.len == 0 ? BV_OK : read_placeholder(&spki, &attrs->rsa_bits);
}

static enum bv_err
read_template_attributes(struct span in, struct est_csrattrs *attrs)
{
    struct span type;
    struct span values;

    while (in.len > 0) {
        BV_TRY(take_attribute(&in, &type, &values));
        if (span_eq(type, oid_extension_request))
            BV_TRY(read_extensions(values, false, attrs));
        else if (span_eq(type, oid_extension_req_template))
            BV_TRY(read_extensions(values, true, attrs));
        else if (span_eq(type, oid_challenge_password))
            attrs->challenge = true;
    }
    return BV_OK;
}

static enum bv_err
read_template(struct span values, struct est_csrattrs *attrs)
{
    struct span info;
    struct span part;
    uint64_t version;
    bool present;

    BV_TRY(der_only(values, DER_SEQUENCE, &info));
    BV_TRY(der_uint(&info, &version));
    if (version != 0)
        return BV_E_UNSUPPORTED;
    BV_TRY(der_take_opt(&info, DER_SEQUENCE, &present, &part));
    while (present && part.len > 0)
        BV_TRY(read_rdn(&part, attrs));
    BV_TRY(der_take_opt(&info, DER_CONTEXT_CONS(0), &present, &part));
    if (present)
        BV_TRY(read_spki(part, attrs));
    BV_TRY(der_take(&info, DER_CONTEXT_CONS(1), &part));
    BV_TRY(read_template_attributes(part, attrs));
    attrs->is_template = true;
    return span_end(info);
}

static enum bv_err
read_attribute(struct span type, struct span values, struct est_csrattrs *list,
               struct est_csrattrs *template)
{
    if (span_eq(type, oid_csr_info_template))
        return template->is_template ? BV_E_BAD_MESSAGE
                                     : read_template(values, template);
    /* The example of RFC 7030 4.5.2 puts a bare OID here; servers copied it */
    if (span_eq(type, oid_extension_request))
        return der_next_is(values, DER_SEQUENCE)
                   ? read_extensions(values, false, list)
                   : BV_OK;
    if (span_eq(type, oid_ec_public_key))
        return read_ec(values, list);
    if (span_eq(type, oid_rsa))
        return read_rsa(values, list);
    if (span_eq(type, oid_ed25519))
        list->key = ALG_KEY_ED25519;
    return BV_OK;
}

static enum bv_err
read_oid(struct span *in, struct est_csrattrs *list)
{
    struct span oid;

    BV_TRY(der_oid(in, &oid));
    if (span_eq(oid, oid_challenge_password))
        list->challenge = true;
    else if (sig_of_oid(oid) != ALG_SIG_NONE)
        list->sig = sig_of_oid(oid);
    return BV_OK;
}

enum bv_err
est_csrattrs_decode(struct span der, struct est_csrattrs *ret_attrs)
{
    struct est_csrattrs list = {0};
    struct est_csrattrs template = {0};
    struct span in;
    struct span type;
    struct span values;

    BV_TRY(der_only(der, DER_SEQUENCE, &in));
    while (in.len > 0) {
        if (der_next_is(in, DER_OID)) {
            BV_TRY(read_oid(&in, &list));
            continue;
        }
        BV_TRY(take_attribute(&in, &type, &values));
        BV_TRY(read_attribute(type, values, &list, &template));
    }
    if (template.is_template) {
        template.challenge |= list.challenge;
        template.sig = list.sig;
        list = template;
    }
    *ret_attrs = list;
    return BV_OK;
}
