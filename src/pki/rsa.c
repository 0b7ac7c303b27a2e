#include "pki/rsa.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "pki/evp.h"
#include "pki/random.h"

#define MODULUS_MAX 1024 /* octets: RSA-8192 */
/* 00 02, eight octets of padding at least, 00 (RFC 8017 7.2.1) */
#define PADDING_MIN 11

static EVP_PKEY_CTX *
context(const struct key *key)
{
    return EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
}

static bool
set_transport(EVP_PKEY_CTX *ctx, enum cms_transport transport)
{
    if (transport == CMS_TRANSPORT_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    const EVP_MD *md =
        transport == CMS_TRANSPORT_OAEP_SHA256 ? EVP_sha256() : EVP_sha1();
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1;
}

enum bv_err
rsa_wrap(const struct key *to, enum cms_transport transport,
         struct span content_key, struct sink *out)
{
    uint8_t buf[MODULUS_MAX];
    size_t len = sizeof buf;
    struct span all;
    if (to->alg != ALG_KEY_RSA || transport == CMS_TRANSPORT_OTHER)
        return BV_E_UNSUPPORTED;
    bv_auto(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = context(to);
    if (ctx == NULL || EVP_PKEY_encrypt_init(ctx) != 1 ||
        !set_transport(ctx, transport) ||
        EVP_PKEY_encrypt(ctx, buf, &len, content_key.data, content_key.len) !=
            1)
        return BV_E_CRYPTO;
    sink_put(out, span_of(buf, len));
    return sink_done(out, &all);
}

/* --- unwrapping --- */

/* All ones if the octet is 0, else 0; without a branch. */
static uint8_t
zero_mask(uint8_t octet)
{
    return (uint8_t)(((unsigned)octet - 1) >> 8);
}

/* select_key takes what PKCS #1 v1.5 padding should have before it, or leaves
 * the random key; each octet is looked at whatever the others are. */
static void
select_key(const uint8_t *block, size_t size, uint8_t *key, size_t len)
{
    size_t at = size - len;
    uint8_t good = zero_mask(block[0]) & zero_mask(block[1] ^ 2) &
                   zero_mask(block[at - 1]);
    for (size_t i = 2; i < at - 1; i++)
        good &= (uint8_t)~zero_mask(block[i]);
    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)((key[i] & ~good) | (block[at + i] & good));
}

/* The padding is ours to take off: libcrypto before 3.2 says when it is bad. */
static enum bv_err
unwrap_pkcs1(EVP_PKEY_CTX *ctx, struct span encrypted, uint8_t *key, size_t len)
{
    uint8_t block[MODULUS_MAX] = {0};
    size_t size = sizeof block;
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1)
        return BV_E_CRYPTO;
    if (EVP_PKEY_decrypt(ctx, block, &size, encrypted.data, encrypted.len) != 1)
        size = encrypted.len; /* not below the modulus: a block of zeros */
    if (size >= len + PADDING_MIN)
        select_key(block, size, key, len);
    OPENSSL_cleanse(block, sizeof block);
    return BV_OK;
}

static enum bv_err
unwrap_oaep(EVP_PKEY_CTX *ctx, enum cms_transport transport,
            struct span encrypted, uint8_t *key, size_t len)
{
    uint8_t plain[MODULUS_MAX];
    size_t size = sizeof plain;
    if (!set_transport(ctx, transport))
        return BV_E_CRYPTO;
    if (EVP_PKEY_decrypt(ctx, plain, &size, encrypted.data, encrypted.len) ==
            1 &&
        size == len)
        for (size_t i = 0; i < len; i++)
            key[i] = plain[i];
    OPENSSL_cleanse(plain, sizeof plain);
    return BV_OK;
}

enum bv_err
rsa_unwrap(const struct key *key, enum cms_transport transport,
           struct span encrypted, uint8_t *ret_key, size_t len)
{
    if (key->alg != ALG_KEY_RSA || transport == CMS_TRANSPORT_OTHER)
        return BV_E_UNSUPPORTED;
    if (!key->is_private)
        return BV_E_WRONG_KEY;
    if (len == 0 || len > RSA_CONTENT_KEY_MAX)
        return BV_E_USAGE;
    if (encrypted.len != (key->bits + 7) / 8)
        return BV_E_BAD_MESSAGE;
    bv_auto(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = context(key);
    if (ctx == NULL || EVP_PKEY_decrypt_init(ctx) != 1)
        return BV_E_CRYPTO;
    random_bytes(ret_key, len);
    enum bv_err err =
        transport == CMS_TRANSPORT_PKCS1
            ? unwrap_pkcs1(ctx, encrypted, ret_key, len)
            : unwrap_oaep(ctx, transport, encrypted, ret_key, len);
    ERR_clear_error();
    return err;
}

/* --- signatures --- */

static bool
set_hash(EVP_PKEY_CTX *ctx, enum digest_alg hash)
{
    const EVP_MD *md = hash == DIGEST_SHA1     ? EVP_sha1()
                       : hash == DIGEST_SHA384 ? EVP_sha384()
                       : hash == DIGEST_SHA512 ? EVP_sha512()
                                               : EVP_sha256();
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
           EVP_PKEY_CTX_set_signature_md(ctx, md) == 1;
}

enum bv_err
rsa_sign(const struct key *key, enum digest_alg hash, struct span digest,
         struct sink *out)
{
    uint8_t buf[LIMIT_SIGNATURE];
    size_t len = sizeof buf;
    struct span all;
    if (key->alg != ALG_KEY_RSA)
        return BV_E_UNSUPPORTED;
    if (!key->is_private)
        return BV_E_WRONG_KEY;
    if (digest.len != digest_len(hash))
        return BV_E_USAGE;
    bv_auto(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = context(key);
    if (ctx == NULL || EVP_PKEY_sign_init(ctx) != 1 || !set_hash(ctx, hash) ||
        EVP_PKEY_sign(ctx, buf, &len, digest.data, digest.len) != 1)
        return BV_E_CRYPTO;
    sink_put(out, span_of(buf, len));
    return sink_done(out, &all);
}

enum bv_err
rsa_verify(const struct key *key, enum digest_alg hash, struct span digest,
           struct span signature)
{
    if (key->alg != ALG_KEY_RSA)
        return BV_E_UNSUPPORTED;
    if (digest.len != digest_len(hash))
        return BV_E_USAGE;
    bv_auto(EVP_PKEY_CTX) EVP_PKEY_CTX *ctx = context(key);
    if (ctx == NULL || EVP_PKEY_verify_init(ctx) != 1 || !set_hash(ctx, hash))
        return BV_E_CRYPTO;
    if (EVP_PKEY_verify(ctx, signature.data, signature.len, digest.data,
                        digest.len) == 1)
        return BV_OK;
    ERR_clear_error();
    return BV_E_BAD_SIGNATURE;
}
