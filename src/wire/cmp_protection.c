/* How a PKIMessage is protected: signatures, and MACs made from a password. */
#include "wire/cmp_internal.h"
#include "wire/oid.h"

static const struct {
    enum cmp_hash hash;
    const struct span *oid;  /* of the hash */
    const struct span *hmac; /* of HMAC with it */
    size_t len;
} hashes[] = {
    {CMP_HASH_SHA1, &oid_sha1, &oid_hmac_sha1, 20},
    {CMP_HASH_SHA256, &oid_sha256, &oid_hmac_sha256, 32},
    {CMP_HASH_SHA384, &oid_sha384, &oid_hmac_sha384, 48},
    {CMP_HASH_SHA512, &oid_sha512, &oid_hmac_sha512, 64},
};

#define NUM_HASHES (sizeof(hashes) / sizeof(hashes[0]))

size_t
cmp_hash_len(enum cmp_hash hash)
{
    for (size_t i = 0; i < NUM_HASHES; i++) {
        if (hashes[i].hash == hash)
            return hashes[i].len;
    }
    return 0;
}

/* --- reading --- */

/* An AlgorithmIdentifier without parameters, or with NULL: clients write both
 * (RFC 8018 B.1.2, RFC 5754 2, and what OpenSSL makes of a PBMParameter). */
static enum bv_err
take_plain(struct span *in, struct span *ret_oid)
{
    struct span seq;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, ret_oid));
    if (seq.len > 0)
        BV_TRY(der_null(&seq));
    return seq.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

/* Takes an AlgorithmIdentifier with a SEQUENCE for parameters. */
static enum bv_err
take_with_params(struct span *in, struct span *ret_oid, struct span *ret_params)
{
    struct span seq;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, ret_oid));
    BV_TRY(der_take(&seq, DER_SEQUENCE, ret_params));
    return seq.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

enum bv_err
cmp_hash_take(struct span *in, enum cmp_hash *ret_hash)
{
    struct span oid;

    BV_TRY(take_plain(in, &oid));
    for (size_t i = 0; i < NUM_HASHES; i++) {
        if (span_eq(*hashes[i].oid, oid)) {
            *ret_hash = hashes[i].hash;
            return BV_OK;
        }
    }
    return BV_E_UNSUPPORTED;
}

static enum bv_err
take_hmac(struct span *in, enum cmp_hash *ret_hash)
{
    struct span oid;

    BV_TRY(take_plain(in, &oid));
    if (span_eq(oid, oid_hmac_sha1_ipsec)) { /* RFC 4211 4.4, RFC 9045 */
        *ret_hash = CMP_HASH_SHA1;
        return BV_OK;
    }
    for (size_t i = 0; i < NUM_HASHES; i++) {
        if (span_eq(*hashes[i].hmac, oid)) {
            *ret_hash = hashes[i].hash;
            return BV_OK;
        }
    }
    return BV_E_UNSUPPORTED;
}

static enum bv_err
take_bounded(struct span *in, uint32_t min, uint32_t max, uint32_t *ret_n)
{
    struct span rest = *in;
    struct span octets;
    uint64_t n;

    /* one past 63 bits is no broken message, only a number too large */
    BV_TRY(der_integer(&rest, LIMIT_CMP_OCTETS, &octets));
    if (octets.len > 8)
        return BV_E_REFUSED;
    BV_TRY(der_uint(in, &n));
    if (n < min || n > max)
        return BV_E_REFUSED;
    *ret_n = (uint32_t)n;
    return BV_OK;
}

static enum bv_err
take_salt(struct span *in, struct cmp_protection *how)
{
    BV_TRY(der_take(in, DER_OCTET_STRING, &how->salt));
    if (how->salt.len < LIMIT_CMP_SALT_MIN ||
        how->salt.len > LIMIT_CMP_SALT_MAX)
        return BV_E_REFUSED;
    return BV_OK;
}

static enum bv_err
take_rounds(struct span *in, struct cmp_protection *how)
{
    return take_bounded(in, LIMIT_CMP_ROUNDS_MIN, LIMIT_CMP_ROUNDS_MAX,
                        &how->iterations);
}

/* PBMParameter, RFC 4211 4.4. */
static enum bv_err
parse_pbm(struct span params, struct cmp_protection *how)
{
    how->kind = CMP_PROTECTION_PBM;
    BV_TRY(take_salt(&params, how));
    BV_TRY(cmp_hash_take(&params, &how->stretch));
    BV_TRY(take_rounds(&params, how));
    BV_TRY(take_hmac(&params, &how->mac));
    return params.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

/* PBKDF2-params, RFC 8018 A.2, with the salt in place. */
static enum bv_err
parse_pbkdf2(struct span params, struct cmp_protection *how)
{
    how->stretch = CMP_HASH_SHA1; /* DEFAULT */
    BV_TRY(take_salt(&params, how));
    BV_TRY(take_rounds(&params, how));
    if (der_next_is(params, DER_INTEGER))
        BV_TRY(take_bounded(&params, LIMIT_CMP_KEY_MIN, LIMIT_CMP_KEY_MAX,
                            &how->key_len));
    if (params.len > 0)
        BV_TRY(take_hmac(&params, &how->stretch));
    return params.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

/* PBMAC1-params, RFC 8018 A.5. */
static enum bv_err
parse_pbmac1(struct span params, struct cmp_protection *how)
{
    struct span oid, inner;

    how->kind = CMP_PROTECTION_PBMAC1;
    BV_TRY(take_with_params(&params, &oid, &inner));
    if (!span_eq(oid, oid_pbkdf2))
        return BV_E_UNSUPPORTED;
    BV_TRY(parse_pbkdf2(inner, how));
    BV_TRY(take_hmac(&params, &how->mac));
    if (how->key_len == 0) /* RFC 8018 7.1.1: as the MAC wants it */
        how->key_len = (uint32_t)cmp_hash_len(how->mac);
    return params.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

static enum bv_err
parse_algorithm(struct span algorithm, struct cmp_protection *how)
{
    struct span rest = algorithm;
    struct span seq, oid, params;

    BV_TRY(der_only(algorithm, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, &oid));
    if (span_eq(oid, oid_password_based_mac)) {
        BV_TRY(take_with_params(&rest, &oid, &params));
        return parse_pbm(params, how);
    }
    if (span_eq(oid, oid_pbmac1)) {
        BV_TRY(take_with_params(&rest, &oid, &params));
        return parse_pbmac1(params, how);
    }
    how->kind = CMP_PROTECTION_SIGNATURE;
    return alg_sig_parse(&rest, &how->sig);
}

enum bv_err
cmp_protection_parse(struct span algorithm,
                     struct cmp_protection *ret_protection,
                     enum cmp_fail *ret_fail)
{
    struct cmp_protection how = {0};
    enum bv_err err = parse_algorithm(algorithm, &how);

    if (err == BV_E_UNSUPPORTED || err == BV_E_REFUSED)
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_ALG, err);
    if (err != BV_OK)
        return cmp_refuse(ret_fail, CMP_FAIL_BAD_DATA_FORMAT, err);
    *ret_protection = how;
    return BV_OK;
}

/* --- writing --- */

static void
put_plain(struct sink *out, const struct span *oid, bool with_null)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    der_put_oid(out, *oid);
    if (with_null)
        der_put_null(out);
    der_close(out, mark);
}

static const struct span *
oid_of(enum cmp_hash hash, bool hmac)
{
    for (size_t i = 0; i < NUM_HASHES; i++) {
        if (hashes[i].hash == hash)
            return hmac ? hashes[i].hmac : hashes[i].oid;
    }
    return &oid_sha256; /* NONE has no OID; nobody writes it */
}

static void
put_pbm(struct sink *out, const struct cmp_protection *how)
{
    size_t params = der_open(out, DER_SEQUENCE);

    der_put(out, DER_OCTET_STRING, how->salt);
    put_plain(out, oid_of(how->stretch, false), false);
    der_put_uint(out, how->iterations);
    /* RFC 9045 and OpenSSL know this name of HMAC-SHA1 */
    put_plain(out,
              how->mac == CMP_HASH_SHA1 ? &oid_hmac_sha1_ipsec
                                        : oid_of(how->mac, true),
              false);
    der_close(out, params);
}

static void
put_pbkdf2(struct sink *out, const struct cmp_protection *how)
{
    size_t algorithm = der_open(out, DER_SEQUENCE);
    size_t params;

    der_put_oid(out, oid_pbkdf2);
    params = der_open(out, DER_SEQUENCE);
    der_put(out, DER_OCTET_STRING, how->salt);
    der_put_uint(out, how->iterations);
    der_put_uint(out, how->key_len);
    if (how->stretch != CMP_HASH_SHA1) /* X.690 11.5 */
        put_plain(out, oid_of(how->stretch, true), true);
    der_close(out, params);
    der_close(out, algorithm);
}

static void
put_pbmac1(struct sink *out, const struct cmp_protection *how)
{
    size_t params = der_open(out, DER_SEQUENCE);

    put_pbkdf2(out, how);
    put_plain(out, oid_of(how->mac, true), true);
    der_close(out, params);
}

void
cmp_put_protection(struct sink *out, const struct cmp_protection *protection)
{
    size_t mark;

    if (protection->kind == CMP_PROTECTION_SIGNATURE) {
        alg_sig_put(out, protection->sig);
        return;
    }
    mark = der_open(out, DER_SEQUENCE);
    if (protection->kind == CMP_PROTECTION_PBM) {
        der_put_oid(out, oid_password_based_mac);
        put_pbm(out, protection);
    } else if (protection->kind == CMP_PROTECTION_PBMAC1) {
        der_put_oid(out, oid_pbmac1);
        put_pbmac1(out, protection);
    }
    der_close(out, mark);
}
