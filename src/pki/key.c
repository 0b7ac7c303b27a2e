#include "pki/key.h"

#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "pki/digest.h"
#include "pki/evp.h"

BV_AUTO_DEFINE(BIGNUM, BIGNUM, BN_free)
BV_AUTO_DEFINE(OSSL_PARAM_BLD, OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
BV_AUTO_DEFINE(OSSL_PARAM, OSSL_PARAM, OSSL_PARAM_free)

void
key_free(struct key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_CTX_free(key->sign);
    EVP_PKEY_CTX_free(key->verify);
    EVP_MD_CTX_free(key->ed25519);
    EVP_PKEY_free(key->pkey);
    free(key);
}

/* pkey is taken over, also on failure. */
static enum bv_err
wrap(EVP_PKEY *pkey, enum alg_key alg, unsigned bits, bool is_private,
     struct key **ret_key)
{
    struct key *key = calloc(1, sizeof *key);

    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return BV_E_NO_MEMORY;
    }
    key->pkey = pkey;
    key->alg = alg;
    key->bits = bits;
    key->is_private = is_private;
    *ret_key = key;
    return BV_OK;
}

enum bv_err
key_of_evp(EVP_PKEY *pkey, bool is_private, struct key **ret_key)
{
    bv_auto(EVP_PKEY) EVP_PKEY *own = pkey;
    uint8_t buf[LIMIT_SPKI], *p = buf;
    struct alg_spki spki;
    int len = i2d_PUBKEY(own, NULL);

    if (len <= 0 || len > LIMIT_SPKI || i2d_PUBKEY(own, &p) != len)
        return BV_E_UNSUPPORTED;
    struct span in = span_of(buf, (size_t)len);
    BV_TRY(alg_spki_parse(&in, &spki));
    return wrap(BV_STEAL(own), spki.alg, spki.bits, is_private, ret_key);
}

/* --- making and importing --- */

static const char *
group_of(enum alg_key alg)
{
    switch (alg) {
    case ALG_KEY_P256:
        return "P-256";
    case ALG_KEY_P384:
        return "P-384";
    case ALG_KEY_P521:
        return "P-521";
    case ALG_KEY_NONE:
    case ALG_KEY_RSA:
    case ALG_KEY_ED25519:
        break;
    }
    return NULL;
}

enum bv_err
key_generate(enum alg_key alg, unsigned bits, struct key **ret_key)
{
    EVP_PKEY *pkey = NULL;

    if (alg == ALG_KEY_RSA) {
        if (bits < 2048 || bits > 8192 || bits % 8 != 0)
            return BV_E_USAGE;
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    } else if (alg == ALG_KEY_ED25519) {
        bits = 255;
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    } else if (group_of(alg) != NULL) {
        bits = alg == ALG_KEY_P256 ? 256 : alg == ALG_KEY_P384 ? 384 : 521;
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", group_of(alg));
    } else {
        return BV_E_USAGE;
    }
    if (pkey == NULL)
        return BV_E_CRYPTO;
    return wrap(pkey, alg, bits, true, ret_key);
}

/* Copying the parameters of a kept key and setting the point takes 4 us; every
 * way through a decoder takes 15 to 100 us with OpenSSL 3.0. */
static EVP_PKEY *
import_point(enum alg_key alg, struct span point)
{
    static EVP_PKEY *kept[ALG_KEY_P521 + 1];
    bv_auto(EVP_PKEY) EVP_PKEY *pkey = EVP_PKEY_new();

    if (kept[alg] == NULL)
        kept[alg] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", group_of(alg));
    if (kept[alg] == NULL || pkey == NULL ||
        EVP_PKEY_copy_parameters(pkey, kept[alg]) != 1 ||
        EVP_PKEY_set1_encoded_public_key(pkey, point.data, point.len) != 1)
        return NULL; /* among others: the point is not on the curve */
    return BV_STEAL(pkey);
}

static EVP_PKEY *
import_rsa(struct span n, struct span e)
{
    bv_auto(BIGNUM) BIGNUM *bn_n = BN_bin2bn(n.data, (int)n.len, NULL);
    bv_auto(BIGNUM) BIGNUM *bn_e = BN_bin2bn(e.data, (int)e.len, NULL);
    bv_auto(OSSL_PARAM_BLD) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    bv_auto(OSSL_PARAM) OSSL_PARAM *params = NULL;
    bv_auto(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *pkey = NULL;

    if (bn_n == NULL || bn_e == NULL || bld == NULL || ctx == NULL ||
        !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) ||
        !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e))
        return NULL;
    params = OSSL_PARAM_BLD_to_param(bld);
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    return pkey;
}

enum bv_err
key_of_spki(const struct alg_spki *spki, struct key **ret_key)
{
    EVP_PKEY *pkey = NULL;

    if (spki->alg == ALG_KEY_RSA)
        pkey = import_rsa(spki->n, spki->e);
    else if (spki->alg == ALG_KEY_ED25519)
        pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL,
                                              spki->key.data, spki->key.len);
    else if (group_of(spki->alg) != NULL)
        pkey = import_point(spki->alg, spki->key);
    ERR_clear_error();
    if (pkey == NULL)
        return BV_E_BAD_KEY;
    return wrap(pkey, spki->alg, spki->bits, false, ret_key);
}

enum bv_err
key_of_spki_der(struct span der, struct key **ret_key)
{
    struct alg_spki spki;
    BV_TRY(alg_spki_parse(&der, &spki));
    BV_TRY(span_end(der));
    return key_of_spki(&spki, ret_key);
}

/* --- asking --- */

enum alg_key
key_alg(const struct key *key)
{
    return key->alg;
}

unsigned
key_bits(const struct key *key)
{
    return key->bits;
}

bool
key_is_private(const struct key *key)
{
    return key->is_private;
}

enum bv_err
key_spki(const struct key *key, struct sink *out)
{
    uint8_t buf[LIMIT_SPKI], *p = buf;
    int len = i2d_PUBKEY(key->pkey, NULL);
    struct span all;

    if (len <= 0 || len > LIMIT_SPKI || i2d_PUBKEY(key->pkey, &p) != len)
        return BV_E_CRYPTO;
    sink_put(out, span_of(buf, (size_t)len));
    return sink_done(out, &all);
}

bool
key_match(const struct key *a, const struct key *b)
{
    return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

bool
key_match_spki(const struct key *key, struct span spki)
{
    uint8_t buf[LIMIT_SPKI];
    struct sink out = SINK_ARRAY(buf);
    return key_spki(key, &out) == BV_OK && span_eq(sink_view(&out), spki);
}

/* --- signing --- */

static enum digest_alg
digest_of_sig(enum alg_sig alg)
{
    switch (alg) {
    case ALG_SIG_ECDSA_SHA384:
    case ALG_SIG_RSA_SHA384:
        return DIGEST_SHA384;
    case ALG_SIG_ECDSA_SHA512:
    case ALG_SIG_RSA_SHA512:
        return DIGEST_SHA512;
    case ALG_SIG_NONE:
    case ALG_SIG_ECDSA_SHA256:
    case ALG_SIG_RSA_SHA256:
    case ALG_SIG_ED25519:
        break;
    }
    return DIGEST_SHA256;
}

static bool
set_rsa(EVP_PKEY_CTX *ctx, enum alg_sig alg)
{
    enum digest_alg digest = digest_of_sig(alg);
    const EVP_MD *md = digest == DIGEST_SHA384   ? EVP_sha384()
                       : digest == DIGEST_SHA512 ? EVP_sha512()
                                                 : EVP_sha256();
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;
}

static enum bv_err
sign_ctx(struct key *key)
{
    bv_auto(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = NULL;

    if (key->sign != NULL)
        return BV_OK;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1)
        return BV_E_CRYPTO;
    if (key->alg == ALG_KEY_RSA && !set_rsa(ctx, alg_sig_of_key(key->alg)))
        return BV_E_CRYPTO;
    key->sign = BV_STEAL(ctx);
    return BV_OK;
}

static enum bv_err
put_signature(struct sink *out, const uint8_t *signature, size_t len)
{
    struct span all;
    sink_put(out, span_of(signature, len));
    return sink_done(out, &all);
}

static enum bv_err
sign_digest(struct key *key, struct span digest, struct sink *out)
{
    uint8_t signature[LIMIT_SIGNATURE];
    size_t len = sizeof signature;

    BV_TRY(sign_ctx(key));
    if (EVP_PKEY_sign(key->sign, signature, &len, digest.data, digest.len) != 1)
        return BV_E_CRYPTO;
    return put_signature(out, signature, len);
}

/* Ed25519 takes the message itself, so it goes through EVP_DigestSign. */
static enum bv_err
sign_ed25519(struct key *key, struct span tbs, struct sink *out)
{
    uint8_t signature[64];
    size_t len = sizeof signature;

    if (key->ed25519 == NULL)
        key->ed25519 = EVP_MD_CTX_new();
    if (key->ed25519 == NULL)
        return BV_E_NO_MEMORY;
    if (EVP_MD_CTX_reset(key->ed25519) != 1 ||
        EVP_DigestSignInit_ex(key->ed25519, NULL, NULL, NULL, NULL, key->pkey,
                              NULL) != 1 ||
        EVP_DigestSign(key->ed25519, signature, &len, tbs.data, tbs.len) != 1)
        return BV_E_CRYPTO;
    return put_signature(out, signature, len);
}

enum bv_err
key_sign(struct key *key, struct span tbs, struct sink *out)
{
    enum digest_alg alg = digest_of_sig(alg_sig_of_key(key->alg));
    uint8_t digest[DIGEST_MAX];

    if (!key->is_private)
        return BV_E_WRONG_KEY;
    if (key->alg == ALG_KEY_ED25519)
        return sign_ed25519(key, tbs, out);
    digest_of(alg, tbs, digest);
    return sign_digest(key, span_of(digest, digest_len(alg)), out);
}

enum bv_err
key_sign_digest(struct key *key, struct span digest, struct sink *out)
{
    enum digest_alg alg = digest_of_sig(alg_sig_of_key(key->alg));

    if (!key->is_private)
        return BV_E_WRONG_KEY;
    if (key->alg == ALG_KEY_ED25519)
        return BV_E_UNSUPPORTED;
    if (digest.len != digest_len(alg))
        return BV_E_USAGE;
    return sign_digest(key, digest, out);
}

static enum bv_err
verify_ctx(struct key *key, enum alg_sig alg)
{
    bv_auto(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = NULL;

    if (key->verify != NULL && key->verify_alg == alg)
        return BV_OK;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1)
        return BV_E_CRYPTO;
    if (key->alg == ALG_KEY_RSA && !set_rsa(ctx, alg))
        return BV_E_CRYPTO;
    EVP_PKEY_CTX_free(key->verify);
    key->verify = BV_STEAL(ctx);
    key->verify_alg = alg;
    return BV_OK;
}

static bool
verify_ed25519(struct key *key, struct span tbs, struct span signature)
{
    if (key->ed25519 == NULL)
        key->ed25519 = EVP_MD_CTX_new();
    return key->ed25519 != NULL && EVP_MD_CTX_reset(key->ed25519) == 1 &&
           EVP_DigestVerifyInit_ex(key->ed25519, NULL, NULL, NULL, NULL,
                                   key->pkey, NULL) == 1 &&
           EVP_DigestVerify(key->ed25519, signature.data, signature.len,
                            tbs.data, tbs.len) == 1;
}

static enum bv_err
verified(bool ok)
{
    if (ok)
        return BV_OK;
    ERR_clear_error(); /* a peer's bad signature must not fill the queue */
    return BV_E_BAD_SIGNATURE;
}

enum bv_err
key_verify_digest(struct key *key, enum alg_sig alg, struct span digest,
                  struct span signature)
{
    if (!alg_sig_fits(alg, key->alg) || key->alg == ALG_KEY_ED25519)
        return BV_E_UNSUPPORTED;
    if (digest.len != digest_len(digest_of_sig(alg)))
        return BV_E_USAGE;
    BV_TRY(verify_ctx(key, alg));
    return verified(EVP_PKEY_verify(key->verify, signature.data, signature.len,
                                    digest.data, digest.len) == 1);
}

enum bv_err
key_verify(struct key *key, enum alg_sig alg, struct span tbs,
           struct span signature)
{
    enum digest_alg hash = digest_of_sig(alg);
    uint8_t digest[DIGEST_MAX];

    if (!alg_sig_fits(alg, key->alg))
        return BV_E_UNSUPPORTED;
    if (key->alg == ALG_KEY_ED25519)
        return verified(verify_ed25519(key, tbs, signature));
    digest_of(hash, tbs, digest);
    return key_verify_digest(key, alg, span_of(digest, digest_len(hash)),
                             signature);
}

/* --- keys that are used once --- */

/* borrow_point puts the point into a key kept for this, which saves half of
 * what importing costs; it holds until the next call. libcrypto checks that
 * the point is on the curve. */
static enum bv_err
borrow_point(const struct alg_spki *spki, struct key **ret_key)
{
    static struct key *kept[ALG_KEY_P521 + 1];
    struct key **slot = &kept[spki->alg];

    if (*slot == NULL)
        BV_TRY(key_of_spki(spki, slot));
    else if (EVP_PKEY_set1_encoded_public_key((*slot)->pkey, spki->key.data,
                                              spki->key.len) != 1) {
        ERR_clear_error();
        return BV_E_BAD_KEY;
    }
    *ret_key = *slot;
    return BV_OK;
}

enum bv_err
key_check_spki(const struct alg_spki *spki)
{
    bv_auto(key) struct key *own = NULL;
    struct key *borrowed;

    return group_of(spki->alg) != NULL ? borrow_point(spki, &borrowed)
                                       : key_of_spki(spki, &own);
}

enum bv_err
key_verify_spki(const struct alg_spki *spki, enum alg_sig alg, struct span tbs,
                struct span signature)
{
    bv_auto(key) struct key *own = NULL;
    struct key *key;

    if (group_of(spki->alg) != NULL) {
        BV_TRY(borrow_point(spki, &key));
        return key_verify(key, alg, tbs, signature);
    }
    BV_TRY(key_of_spki(spki, &own));
    return key_verify(own, alg, tbs, signature);
}
