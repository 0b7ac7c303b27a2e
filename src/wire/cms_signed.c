#include "wire/cms_signed.h"

#include "wire/der.h"
#include "wire/name.h"
#include "wire/oid.h"

#define ATTRS_MAX 16 /* that we write */

static const struct {
    const struct span *oid;
    enum cms_digest digest;
} DIGESTS[] = {
    {&oid_sha1, CMS_DIGEST_SHA1},
    {&oid_sha256, CMS_DIGEST_SHA256},
    {&oid_sha384, CMS_DIGEST_SHA384},
    {&oid_sha512, CMS_DIGEST_SHA512},
};

/* The names with a hash in them say it once more; it must be the same. */
static const struct {
    const struct span *oid;
    enum cms_signature signature;
    enum cms_digest digest; /* OTHER: says nothing of it */
} SIGNATURES[] = {
    {&oid_rsa, CMS_SIGNATURE_RSA, CMS_DIGEST_OTHER},
    {&oid_rsa_sha1, CMS_SIGNATURE_RSA, CMS_DIGEST_SHA1},
    {&oid_rsa_sha256, CMS_SIGNATURE_RSA, CMS_DIGEST_SHA256},
    {&oid_rsa_sha384, CMS_SIGNATURE_RSA, CMS_DIGEST_SHA384},
    {&oid_rsa_sha512, CMS_SIGNATURE_RSA, CMS_DIGEST_SHA512},
    {&oid_ecdsa_sha256, CMS_SIGNATURE_ECDSA, CMS_DIGEST_SHA256},
    {&oid_ecdsa_sha384, CMS_SIGNATURE_ECDSA, CMS_DIGEST_SHA384},
    {&oid_ecdsa_sha512, CMS_SIGNATURE_ECDSA, CMS_DIGEST_SHA512},
};

#define NUM(a) (sizeof(a) / sizeof((a)[0]))

/* --- reading --- */

/* Parameters of a digest or signature are absent or NULL; nobody's change
 * what is meant. */
static enum bv_err
take_algorithm(struct span *in, struct span *ret_oid)
{
    struct span algorithm;
    BV_TRY(der_take(in, DER_SEQUENCE, &algorithm));
    return der_oid(&algorithm, ret_oid);
}

static enum bv_err
take_digest(struct span *in, enum cms_digest *ret_digest)
{
    struct span oid;
    BV_TRY(take_algorithm(in, &oid));
    *ret_digest = CMS_DIGEST_OTHER;
    for (size_t i = 0; i < NUM(DIGESTS); i++)
        if (span_eq(*DIGESTS[i].oid, oid))
            *ret_digest = DIGESTS[i].digest;
    return BV_OK;
}

static enum bv_err
take_signature_alg(struct span *in, struct cms_signed *s)
{
    struct span oid;
    BV_TRY(take_algorithm(in, &oid));
    for (size_t i = 0; i < NUM(SIGNATURES); i++) {
        if (!span_eq(*SIGNATURES[i].oid, oid))
            continue;
        if (SIGNATURES[i].digest != CMS_DIGEST_OTHER &&
            SIGNATURES[i].digest != s->digest)
            return BV_E_BAD_MESSAGE;
        s->signature_alg = SIGNATURES[i].signature;
    }
    return BV_OK;
}

enum bv_err
cms_take_party(struct span *in, struct cms_party *ret)
{
    struct span both;
    if (der_next_is(*in, DER_CONTEXT(0)))
        return der_take(in, DER_CONTEXT(0), &ret->key_id);
    BV_TRY(der_take(in, DER_SEQUENCE, &both));
    BV_TRY(der_take_whole(&both, DER_SEQUENCE, &ret->issuer));
    BV_TRY(der_integer(&both, LIMIT_SERIAL + 1, &ret->serial));
    return span_end(both);
}

enum bv_err
cms_attr_find(struct span attr_set, struct span oid, struct span *ret_value)
{
    struct span attr, type, values, skipped;
    enum bv_err err = BV_E_NOT_FOUND;
    for (unsigned num = 0; attr_set.len > 0; num++) {
        uint8_t tag;
        if (num == LIMIT_EXTENSIONS)
            return BV_E_TOO_MANY;
        BV_TRY(der_take(&attr_set, DER_SEQUENCE, &attr));
        BV_TRY(der_oid(&attr, &type));
        BV_TRY(der_take(&attr, DER_SET, &values));
        BV_TRY(span_end(attr));
        if (!span_eq(type, oid))
            continue;
        if (err == BV_OK)
            return BV_E_BAD_MESSAGE;
        BV_TRY(der_any(&values, &tag, &skipped, ret_value));
        if (values.len > 0)
            return BV_E_BAD_MESSAGE;
        err = BV_OK;
    }
    return err;
}

static enum bv_err
read_signing_time(struct span attr_set, struct cms_attrs *a)
{
    struct span value;
    enum bv_err err = cms_attr_find(attr_set, oid_signing_time, &value);
    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    BV_TRY(err);
    a->has_signing_time = der_time(&value, &a->signing_time) == BV_OK;
    return BV_OK; /* devices without a clock write nonsense */
}

/* RFC 5652 11.1, 11.2: both must be there when there are attributes, and the
 * type is that of what is signed. */
static enum bv_err
read_attrs(struct span attr_set, struct cms_attrs *a)
{
    struct span type, digest;
    enum bv_err err = cms_attr_find(attr_set, oid_content_type, &type);
    if (err == BV_OK)
        err = cms_attr_find(attr_set, oid_message_digest, &digest);
    if (err == BV_E_NOT_FOUND)
        return BV_E_BAD_MESSAGE;
    BV_TRY(err);
    if (der_only(type, DER_OID, &type) != BV_OK || !span_eq(type, oid_cms_data))
        return BV_E_BAD_MESSAGE;
    BV_TRY(der_only(digest, DER_OCTET_STRING, &a->message_digest));
    return read_signing_time(attr_set, a);
}

static enum bv_err
read_signer(struct span infos, struct cms_signed *s)
{
    struct span in, skipped;
    uint64_t version;
    bool present;
    if (infos.len == 0)
        return BV_E_UNSUPPORTED;
    BV_TRY(der_take(&infos, DER_SEQUENCE, &in));
    if (infos.len > 0)
        return BV_E_TOO_MANY;
    BV_TRY(der_uint(&in, &version)); /* 1 or 3, and both are sent for both */
    BV_TRY(cms_take_party(&in, &s->signer));
    BV_TRY(take_digest(&in, &s->digest));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(0), &present, &s->attr_set));
    if (!present)
        return BV_E_UNSUPPORTED;
    BV_TRY(take_signature_alg(&in, s));
    BV_TRY(der_take(&in, DER_OCTET_STRING, &s->signature));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(1), &present, &skipped));
    BV_TRY(span_end(in));
    return read_attrs(s->attr_set, &s->attrs);
}

static enum bv_err
read_content(struct span *in, struct cms_signed *s)
{
    struct span encap, oid, explicit_;
    BV_TRY(der_take(in, DER_SEQUENCE, &encap));
    BV_TRY(der_oid(&encap, &oid));
    if (!span_eq(oid, oid_cms_data))
        return BV_E_UNSUPPORTED;
    BV_TRY(
        der_take_opt(&encap, DER_CONTEXT_CONS(0), &s->has_content, &explicit_));
    BV_TRY(span_end(encap));
    return s->has_content ? der_only(explicit_, DER_OCTET_STRING, &s->content)
                          : BV_OK;
}

static enum bv_err
read_signed_data(struct span in, struct cms_signed *s)
{
    struct span digests, certs = SPAN_EMPTY, infos;
    uint64_t version;
    bool present;
    BV_TRY(der_uint(&in, &version));
    if (version < 1 || version > 5)
        return BV_E_UNSUPPORTED;
    BV_TRY(der_take(&in, DER_SET, &digests));
    BV_TRY(read_content(&in, s));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(0), &present, &certs));
    BV_TRY(cms_certs_open(certs, &s->certs));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(1), &present, &s->crls));
    BV_TRY(der_take(&in, DER_SET, &infos));
    BV_TRY(span_end(in));
    return read_signer(infos, s);
}

enum bv_err
cms_signed_parse(struct span der, struct cms_signed *ret_signed)
{
    struct cms_signed s = {0};
    struct span in;
    BV_TRY(cms_info_take(der, oid_cms_signed_data, &in));
    BV_TRY(read_signed_data(in, &s));
    *ret_signed = s;
    return BV_OK;
}

static enum bv_err
read_tbs(struct span tbs, struct cms_cert *c)
{
    struct span version, skipped;
    bool present;
    BV_TRY(der_take_opt(&tbs, DER_CONTEXT_CONS(0), &present, &version));
    BV_TRY(der_take(&tbs, DER_INTEGER, &c->serial));
    BV_TRY(der_take(&tbs, DER_SEQUENCE, &skipped)); /* signature */
    BV_TRY(der_take_whole(&tbs, DER_SEQUENCE, &c->issuer));
    BV_TRY(der_take(&tbs, DER_SEQUENCE, &skipped)); /* validity */
    BV_TRY(der_take_whole(&tbs, DER_SEQUENCE, &c->subject));
    return der_take_whole(&tbs, DER_SEQUENCE, &c->spki);
}

enum bv_err
cms_cert_parse(struct span in, struct cms_cert *ret)
{
    struct cms_cert c = {0};
    struct span cert, tbs, algorithm, signature;
    BV_TRY(der_only(in, DER_SEQUENCE, &cert));
    BV_TRY(der_take(&cert, DER_SEQUENCE, &tbs));
    BV_TRY(der_take(&cert, DER_SEQUENCE, &algorithm));
    BV_TRY(der_take(&cert, DER_BIT_STRING, &signature));
    BV_TRY(span_end(cert));
    BV_TRY(read_tbs(tbs, &c));
    *ret = c;
    return BV_OK;
}

bool
cms_party_is(const struct cms_party *party, struct span issuer,
             struct span serial, struct span ski)
{
    if (party->issuer.len == 0)
        return ski.len > 0 && span_eq(party->key_id, ski);
    return span_eq(party->serial, serial) && name_eq(party->issuer, issuer);
}

/* --- writing --- */

void
cms_put_attrs(struct sink *out, struct span attr_set)
{
    der_put(out, DER_SET, attr_set);
}

void
cms_put_party(struct sink *out, struct span issuer, struct span serial)
{
    size_t both = der_open(out, DER_SEQUENCE);
    der_put_raw(out, issuer);
    der_put(out, DER_INTEGER, serial);
    der_close(out, both);
}

static void
put_digest(struct sink *out, enum cms_digest digest)
{
    size_t algorithm = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < NUM(DIGESTS); i++)
        if (DIGESTS[i].digest == digest)
            der_put_oid(out, *DIGESTS[i].oid);
    der_put_null(out); /* RFC 8933: some readers still want it */
    der_close(out, algorithm);
}

static void
put_signature_alg(struct sink *out, const struct cms_signed_spec *spec)
{
    size_t algorithm = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < NUM(SIGNATURES); i++) {
        if (SIGNATURES[i].signature != spec->signature_alg)
            continue;
        if (spec->signature_alg == CMS_SIGNATURE_RSA) {
            der_put_oid(out, oid_rsa);
            der_put_null(out);
            break;
        }
        if (SIGNATURES[i].digest == spec->digest)
            der_put_oid(out, *SIGNATURES[i].oid);
    }
    der_close(out, algorithm);
}

static void
put_signer(struct sink *out, const struct cms_signed_spec *spec)
{
    size_t info = der_open(out, DER_SEQUENCE);
    der_put_uint(out, 1);
    cms_put_party(out, spec->issuer, spec->serial);
    put_digest(out, spec->digest);
    der_put(out, DER_CONTEXT_CONS(0), spec->attr_set);
    put_signature_alg(out, spec);
    der_put(out, DER_OCTET_STRING, spec->signature);
    der_close(out, info);
}

static void
put_content(struct sink *out, const struct cms_signed_spec *spec)
{
    size_t encap = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_cms_data);
    if (spec->has_content) {
        size_t content = der_open(out, DER_CONTEXT_CONS(0));
        der_put(out, DER_OCTET_STRING, spec->content);
        der_close(out, content);
    }
    der_close(out, encap);
}

void
cms_put_signed(struct sink *out, const struct cms_signed_spec *spec)
{
    struct cms_info marks = cms_info_open(out, oid_cms_signed_data);
    der_put_uint(out, 1);
    size_t digests = der_open(out, DER_SET);
    put_digest(out, spec->digest);
    der_close(out, digests);
    put_content(out, spec);
    cms_put_cert_set(out, spec->certs, spec->num_certs);
    size_t infos = der_open(out, DER_SET);
    put_signer(out, spec);
    der_close(out, infos);
    cms_info_close(out, marks);
}

void
cms_put_attr(struct sink *out, struct span oid, struct span value)
{
    size_t attr = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid);
    der_put(out, DER_SET, value);
    der_close(out, attr);
}

enum bv_err
cms_sort_attrs(struct span attrs, struct sink *out)
{
    struct span list[ATTRS_MAX], whole;
    size_t num = 0;
    for (; attrs.len > 0; num++) {
        if (num == ATTRS_MAX)
            return BV_E_TOO_MANY;
        BV_TRY(der_take_whole(&attrs, DER_SEQUENCE, &list[num]));
    }
    cms_put_sorted(out, list, num);
    return sink_done(out, &whole);
}
