#include "wire/alg.h"

#include "base/limits.h"
#include "wire/der.h"
#include "wire/oid.h"

static const struct {
    const char *name;
    enum alg_key alg;
    enum alg_sig sig;         /* the default for keys of this kind */
    const struct span *oid;   /* of the AlgorithmIdentifier */
    const struct span *curve; /* its namedCurve, or NULL */
    unsigned bits;            /* 0: depends on the key */
    size_t key_len;           /* octets in the BIT STRING; 0: depends */
} keys[] = {
    {"p256", ALG_KEY_P256, ALG_SIG_ECDSA_SHA256, &oid_ec_public_key, &oid_p256,
     256, 65},
    {"p384", ALG_KEY_P384, ALG_SIG_ECDSA_SHA384, &oid_ec_public_key, &oid_p384,
     384, 97},
    {"p521", ALG_KEY_P521, ALG_SIG_ECDSA_SHA512, &oid_ec_public_key, &oid_p521,
     521, 133},
    {"rsa", ALG_KEY_RSA, ALG_SIG_RSA_SHA256, &oid_rsa, NULL, 0, 0},
    {"ed25519", ALG_KEY_ED25519, ALG_SIG_ED25519, &oid_ed25519, NULL, 255, 32},
};

static const struct {
    enum alg_sig sig;
    const struct span *oid;
    bool is_rsa, is_ecdsa;
} sigs[] = {
    {ALG_SIG_ECDSA_SHA256, &oid_ecdsa_sha256, false, true},
    {ALG_SIG_ECDSA_SHA384, &oid_ecdsa_sha384, false, true},
    {ALG_SIG_ECDSA_SHA512, &oid_ecdsa_sha512, false, true},
    {ALG_SIG_RSA_SHA256, &oid_rsa_sha256, true, false},
    {ALG_SIG_RSA_SHA384, &oid_rsa_sha384, true, false},
    {ALG_SIG_RSA_SHA512, &oid_rsa_sha512, true, false},
    {ALG_SIG_ED25519, &oid_ed25519, false, false},
};

#define NUM_KEYS (sizeof(keys) / sizeof(keys[0]))
#define NUM_SIGS (sizeof(sigs) / sizeof(sigs[0]))

/* --- keys --- */

/* RFC 5480 2.1.1: namedCurve is the only choice. An explicit curve is a
 * SEQUENCE, an inherited one NULL: both are refused here. */
static enum bv_err
find_curve(struct span params, size_t *ret_row)
{
    struct span curve;

    if (!der_next_is(params, DER_OID))
        return BV_E_BAD_KEY;
    BV_TRY(der_oid(&params, &curve));
    if (params.len != 0)
        return BV_E_BAD_KEY;
    for (size_t i = 0; i < NUM_KEYS; i++) {
        if (keys[i].curve != NULL && span_eq(*keys[i].curve, curve)) {
            *ret_row = i;
            return BV_OK;
        }
    }
    return BV_E_UNSUPPORTED;
}

static enum bv_err
check_null(struct span params)
{
    if (der_null(&params) != BV_OK || params.len != 0)
        return BV_E_BAD_KEY;
    return BV_OK;
}

static enum bv_err
find_key(struct span algorithm, size_t *ret_row)
{
    struct span oid;

    BV_TRY(der_oid(&algorithm, &oid));
    if (span_eq(oid, oid_ec_public_key))
        return find_curve(algorithm, ret_row);
    for (size_t i = 0; i < NUM_KEYS; i++) {
        if (!span_eq(*keys[i].oid, oid))
            continue;
        if (keys[i].alg == ALG_KEY_RSA) /* RFC 3279 2.3.1 */
            BV_TRY(check_null(algorithm));
        else if (algorithm.len != 0) /* RFC 8410 3 */
            return BV_E_BAD_KEY;
        *ret_row = i;
        return BV_OK;
    }
    return BV_E_UNSUPPORTED;
}

static enum bv_err
take_magnitude(struct span *in, struct span *ret_magnitude)
{
    struct span octets;

    BV_TRY(der_integer(in, LIMIT_SPKI, &octets));
    if (octets.data[0] >= 0x80)
        return BV_E_BAD_KEY; /* negative */
    if (octets.data[0] == 0)
        octets = span_of(octets.data + 1, octets.len - 1);
    if (octets.len == 0)
        return BV_E_BAD_KEY; /* zero */
    *ret_magnitude = octets;
    return BV_OK;
}

static unsigned
bit_length(struct span magnitude)
{
    unsigned bits = (unsigned)magnitude.len * 8;

    for (uint8_t top = magnitude.data[0]; top < 0x80; top = (uint8_t)(top << 1))
        bits--;
    return bits;
}

static enum bv_err
parse_rsa(struct alg_spki *spki)
{
    struct span seq;

    BV_TRY(der_only(spki->key, DER_SEQUENCE, &seq));
    BV_TRY(take_magnitude(&seq, &spki->n));
    BV_TRY(take_magnitude(&seq, &spki->e));
    BV_TRY(span_end(seq));
    spki->bits = bit_length(spki->n);
    return BV_OK;
}

static enum bv_err
check_key_octets(struct span key, size_t row)
{
    if (key.len != keys[row].key_len)
        return BV_E_BAD_KEY;
    if (keys[row].curve != NULL && key.data[0] != 0x04)
        return BV_E_BAD_KEY; /* RFC 5480 2.2: uncompressed */
    return BV_OK;
}

enum bv_err
alg_spki_parse(struct span *in, struct alg_spki *ret_spki)
{
    struct span rest = *in;
    struct span seq, algorithm;
    struct alg_spki spki = {0};
    size_t row = 0;

    BV_TRY(der_take_whole(&rest, DER_SEQUENCE, &spki.whole));
    if (spki.whole.len > LIMIT_SPKI)
        return BV_E_BAD_KEY;
    BV_TRY(der_only(spki.whole, DER_SEQUENCE, &seq));
    BV_TRY(der_take(&seq, DER_SEQUENCE, &algorithm));
    BV_TRY(find_key(algorithm, &row));
    BV_TRY(der_bits(&seq, &spki.key));
    BV_TRY(span_end(seq));
    spki.alg = keys[row].alg;
    spki.bits = keys[row].bits;
    if (spki.alg == ALG_KEY_RSA)
        BV_TRY(parse_rsa(&spki));
    else
        BV_TRY(check_key_octets(spki.key, row));
    *ret_spki = spki;
    *in = rest;
    return BV_OK;
}

void
alg_spki_put(struct sink *out, enum alg_key alg, struct span key)
{
    size_t spki = der_open(out, DER_SEQUENCE);
    size_t algorithm = der_open(out, DER_SEQUENCE);

    for (size_t i = 0; i < NUM_KEYS; i++) {
        if (keys[i].alg != alg)
            continue;
        der_put_oid(out, *keys[i].oid);
        if (keys[i].curve != NULL)
            der_put_oid(out, *keys[i].curve);
        if (alg == ALG_KEY_RSA)
            der_put_null(out);
    }
    der_close(out, algorithm);
    der_put_bits(out, key);
    der_close(out, spki);
}

/* --- signatures --- */

enum bv_err
alg_sig_parse(struct span *in, enum alg_sig *ret_sig)
{
    struct span rest = *in;
    struct span algorithm, oid;

    BV_TRY(der_take(&rest, DER_SEQUENCE, &algorithm));
    BV_TRY(der_oid(&algorithm, &oid));
    for (size_t i = 0; i < NUM_SIGS; i++) {
        if (!span_eq(*sigs[i].oid, oid))
            continue;
        /* RFC 4055 5: NULL is written; who leaves it out is understood too */
        if (sigs[i].is_rsa && algorithm.len != 0)
            BV_TRY(der_null(&algorithm));
        if (algorithm.len != 0) /* RFC 5758 3.2, RFC 8410 3: absent */
            return BV_E_BAD_MESSAGE;
        *ret_sig = sigs[i].sig;
        *in = rest;
        return BV_OK;
    }
    return BV_E_UNSUPPORTED;
}

void
alg_sig_put(struct sink *out, enum alg_sig sig)
{
    size_t mark = der_open(out, DER_SEQUENCE);

    for (size_t i = 0; i < NUM_SIGS; i++) {
        if (sigs[i].sig != sig)
            continue;
        der_put_oid(out, *sigs[i].oid);
        if (sigs[i].is_rsa)
            der_put_null(out);
    }
    der_close(out, mark);
}

enum alg_sig
alg_sig_of_key(enum alg_key alg)
{
    for (size_t i = 0; i < NUM_KEYS; i++) {
        if (keys[i].alg == alg)
            return keys[i].sig;
    }
    return ALG_SIG_NONE;
}

bool
alg_sig_fits(enum alg_sig sig, enum alg_key alg)
{
    bool is_ec =
        alg == ALG_KEY_P256 || alg == ALG_KEY_P384 || alg == ALG_KEY_P521;

    for (size_t i = 0; i < NUM_SIGS; i++) {
        if (sigs[i].sig != sig)
            continue;
        if (sigs[i].is_rsa)
            return alg == ALG_KEY_RSA;
        return sigs[i].is_ecdsa ? is_ec : alg == ALG_KEY_ED25519;
    }
    return false;
}

/* --- names --- */

const char *
alg_key_name(enum alg_key alg)
{
    for (size_t i = 0; i < NUM_KEYS; i++) {
        if (keys[i].alg == alg)
            return keys[i].name;
    }
    return "none";
}

enum alg_key
alg_key_of_name(struct span name)
{
    for (size_t i = 0; i < NUM_KEYS; i++) {
        if (span_eq_str(name, keys[i].name))
            return keys[i].alg;
    }
    return ALG_KEY_NONE;
}

const char *
alg_sig_name(enum alg_sig sig)
{
    for (size_t i = 0; i < NUM_SIGS; i++) {
        if (sigs[i].sig == sig)
            return oid_name(*sigs[i].oid);
    }
    return "none";
}
