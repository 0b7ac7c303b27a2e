#include "wire/cert.h"

#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"
#include "wire/san.h"

/* Trailing bytes inside a structure are a malformed structure; the name
 * TRAILING_BYTES is kept for what follows the message. */
static enum bv_err
check_end(struct span in)
{
    return in.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

/* --- extensions, one reader each --- */

typedef enum bv_err take_fn(struct cert *cert, const struct ext *ext);

static enum bv_err
take_basic_constraints(struct cert *cert, const struct ext *ext)
{
    cert->has_basic_constraints = true;
    return ext_basic_constraints(ext->value, &cert->is_ca, &cert->pathlen);
}

static enum bv_err
take_key_usage(struct cert *cert, const struct ext *ext)
{
    cert->has_key_usage = true;
    return ext_key_usage(ext->value, &cert->key_usage);
}

static enum bv_err
take_eku(struct cert *cert, const struct ext *ext)
{
    cert->eku = ext->value;
    return ext_check_eku(ext->value);
}

static enum bv_err
take_san(struct cert *cert, const struct ext *ext)
{
    struct san_iter iter;
    struct san_name name;
    enum bv_err err;

    BV_TRY(san_open(ext->value, &iter));
    while ((err = san_next(&iter, &name)) == BV_OK)
        continue;
    cert->san = ext->value;
    cert->san_critical = ext->critical;
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

static enum bv_err
take_ski(struct cert *cert, const struct ext *ext)
{
    return ext_ski(ext->value, &cert->ski);
}

static enum bv_err
take_aki(struct cert *cert, const struct ext *ext)
{
    return ext_aki(ext->value, &cert->aki);
}

static enum bv_err
take_crldp(struct cert *cert, const struct ext *ext)
{
    return ext_crldp(ext->value, &cert->crldp_url);
}

static enum bv_err
take_aia(struct cert *cert, const struct ext *ext)
{
    return ext_aia(ext->value, &cert->ocsp_url, &cert->issuers_url);
}

static enum bv_err
take_name_constraints(struct cert *cert, const struct ext *ext)
{
    struct span seq;

    BV_TRY(der_only(ext->value, DER_SEQUENCE, &seq));
    cert->name_constraints = ext->value;
    return seq.len > 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
take_nocheck(struct cert *cert, const struct ext *ext)
{
    cert->ocsp_nocheck = true;
    return ext_null(ext->value);
}

static enum bv_err
take_no_rev_avail(struct cert *cert, const struct ext *ext)
{
    cert->no_rev_avail = true;
    return ext_null(ext->value);
}

static const struct {
    const struct span *oid;
    take_fn *take;
} known[] = {
    {&oid_basic_constraints, take_basic_constraints},
    {&oid_key_usage, take_key_usage},
    {&oid_eku, take_eku},
    {&oid_san, take_san},
    {&oid_ski, take_ski},
    {&oid_aki, take_aki},
    {&oid_crldp, take_crldp},
    {&oid_aia, take_aia},
    {&oid_name_constraints, take_name_constraints},
    {&oid_ocsp_nocheck, take_nocheck},
    {&oid_no_rev_avail, take_no_rev_avail},
};

static enum bv_err
take_ext(struct cert *cert, const struct ext *ext)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (span_eq(*known[i].oid, ext->oid))
            return known[i].take(cert, ext);
    }
    cert->unknown_critical = cert->unknown_critical || ext->critical;
    return BV_OK;
}

static enum bv_err
parse_extensions(struct span wrapped, struct cert *cert)
{
    struct ext_iter iter;
    struct ext ext;
    enum bv_err err;

    BV_TRY(der_take(&wrapped, DER_SEQUENCE, &cert->extensions));
    BV_TRY(check_end(wrapped));
    if (cert->extensions.len == 0)
        return BV_E_BAD_MESSAGE; /* SIZE (1..MAX) */
    ext_first(cert->extensions, &iter);
    while ((err = ext_next(&iter, &ext)) == BV_OK)
        BV_TRY(take_ext(cert, &ext));
    return err == BV_E_NOT_FOUND ? BV_OK : err;
}

/* --- the certificate --- */

static enum bv_err
take_version(struct span *in)
{
    struct span wrapped;
    uint64_t version;

    BV_TRY(der_take(in, DER_CONTEXT_CONS(0), &wrapped));
    BV_TRY(der_uint(&wrapped, &version));
    if (version != 2)
        return BV_E_BAD_MESSAGE;
    return check_end(wrapped);
}

static enum bv_err
take_serial(struct span *in, struct span *ret_serial)
{
    struct span serial;

    BV_TRY(der_integer(in, LIMIT_SERIAL, &serial));
    if (serial.data[0] >= 0x80 || (serial.len == 1 && serial.data[0] == 0))
        return BV_E_BAD_MESSAGE; /* RFC 5280 4.1.2.2 */
    *ret_serial = serial;
    return BV_OK;
}

static enum bv_err
take_name(struct span *in, struct span *ret_name)
{
    BV_TRY(der_take_whole(in, DER_SEQUENCE, ret_name));
    return name_check(*ret_name);
}

static enum bv_err
take_validity(struct span *in, struct cert *cert)
{
    struct span seq;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_time(&seq, &cert->not_before));
    BV_TRY(der_time(&seq, &cert->not_after));
    if (cert->not_after < cert->not_before)
        return BV_E_BAD_MESSAGE;
    return check_end(seq);
}

static enum bv_err
parse_tbs(struct span tbs, struct cert *cert)
{
    struct span seq, wrapped;
    enum alg_sig sig_alg;
    bool present;

    BV_TRY(der_only(tbs, DER_SEQUENCE, &seq));
    BV_TRY(take_version(&seq));
    BV_TRY(take_serial(&seq, &cert->serial));
    BV_TRY(alg_sig_parse(&seq, &sig_alg));
    if (sig_alg != cert->sig_alg)
        return BV_E_BAD_MESSAGE; /* RFC 5280 4.1.1.2 */
    BV_TRY(take_name(&seq, &cert->issuer));
    BV_TRY(take_validity(&seq, cert));
    BV_TRY(take_name(&seq, &cert->subject));
    BV_TRY(alg_spki_parse(&seq, &cert->spki));
    BV_TRY(der_take_opt(&seq, DER_CONTEXT_CONS(3), &present, &wrapped));
    if (present)
        BV_TRY(parse_extensions(wrapped, cert));
    return check_end(seq);
}

enum bv_err
cert_parse(struct span in, struct cert *ret_cert)
{
    struct cert cert = {.whole = in, .pathlen = -1};
    struct span seq;

    if (in.len > LIMIT_CERT)
        return BV_E_TOO_LARGE;
    BV_TRY(der_only(in, DER_SEQUENCE, &seq));
    BV_TRY(der_take_whole(&seq, DER_SEQUENCE, &cert.tbs));
    BV_TRY(alg_sig_parse(&seq, &cert.sig_alg));
    BV_TRY(der_bits(&seq, &cert.signature));
    BV_TRY(check_end(seq));
    if (cert.signature.len == 0 || cert.signature.len > LIMIT_SIGNATURE)
        return BV_E_BAD_MESSAGE;
    BV_TRY(parse_tbs(cert.tbs, &cert));
    *ret_cert = cert;
    return BV_OK;
}

/* --- questions --- */

bool
cert_is_current(const struct cert *cert, int64_t now)
{
    return cert->not_before <= now && now <= cert->not_after;
}

bool
cert_has_eku(const struct cert *cert, struct span oid)
{
    return cert->eku.len > 0 && ext_has_eku(cert->eku, oid);
}

bool
cert_may_sign(const struct cert *cert)
{
    return cert->is_ca && (!cert->has_key_usage ||
                           (cert->key_usage & EXT_KU_KEY_CERT_SIGN) != 0);
}

bool
cert_names_issuer(const struct cert *cert, const struct cert *issuer)
{
    if (!name_eq(cert->issuer, issuer->subject))
        return false;
    return cert->aki.len == 0 || issuer->ski.len == 0 ||
           span_eq(cert->aki, issuer->ski);
}

bool
cert_is_self_issued(const struct cert *cert)
{
    return name_eq(cert->issuer, cert->subject);
}

/* --- writing --- */

void
cert_build_tbs(struct sink *out, const struct cert_spec *spec)
{
    size_t tbs = der_open(out, DER_SEQUENCE);
    size_t mark = der_open(out, DER_CONTEXT_CONS(0));

    der_put_uint(out, 2); /* v3 */
    der_close(out, mark);
    der_put_unsigned(out, spec->serial);
    alg_sig_put(out, spec->sig_alg);
    der_put_raw(out, spec->issuer);
    mark = der_open(out, DER_SEQUENCE);
    der_put_time(out, spec->not_before);
    der_put_time(out, spec->not_after);
    der_close(out, mark);
    der_put_raw(out, spec->subject);
    der_put_raw(out, spec->spki);
    if (spec->extensions.len > 0) {
        mark = der_open(out, DER_CONTEXT_CONS(3));
        der_put(out, DER_SEQUENCE, spec->extensions);
        der_close(out, mark);
    }
    der_close(out, tbs);
}

void
cert_assemble(struct sink *out, struct span tbs, enum alg_sig sig_alg,
              struct span signature)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    der_put_raw(out, tbs);
    alg_sig_put(out, sig_alg);
    der_put_bits(out, signature);
    der_close(out, mark);
}
