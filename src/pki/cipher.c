#include "pki/cipher.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/auto.h"

BV_AUTO_DEFINE(EVP_CIPHER, EVP_CIPHER, EVP_CIPHER_free)
BV_AUTO_DEFINE(EVP_CIPHER_CTX, EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

static const char *
name_of(enum cms_cipher cipher)
{
    switch (cipher) {
    case CMS_CIPHER_DES_EDE3_CBC:
        return "DES-EDE3-CBC";
    case CMS_CIPHER_AES128_CBC:
        return "AES-128-CBC";
    case CMS_CIPHER_AES192_CBC:
        return "AES-192-CBC";
    case CMS_CIPHER_AES256_CBC:
        return "AES-256-CBC";
    case CMS_CIPHER_OTHER:
        break;
    }
    return NULL;
}

static enum bv_err
begin(enum cms_cipher cipher, struct span key, struct span iv, bool encrypts,
      EVP_CIPHER_CTX **ret_ctx)
{
    const char *name = name_of(cipher);
    if (name == NULL || key.len != cms_cipher_key_len(cipher) ||
        iv.len != cms_cipher_block_len(cipher))
        return BV_E_USAGE;
    bv_auto(EVP_CIPHER) EVP_CIPHER *kind = EVP_CIPHER_fetch(NULL, name, NULL);
    bv_auto(EVP_CIPHER_CTX) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (kind == NULL || ctx == NULL ||
        EVP_CipherInit_ex2(ctx, kind, key.data, iv.data, encrypts, NULL) != 1)
        return BV_E_CRYPTO;
    *ret_ctx = BV_STEAL(ctx);
    return BV_OK;
}

/* OpenSSL writes up to a block more than it is given, padding included. */
static enum bv_err
run(EVP_CIPHER_CTX *ctx, struct span in, struct sink *out)
{
    size_t block = (size_t)EVP_CIPHER_CTX_get_block_size(ctx);
    int len = 0, rest = 0;
    if (out->failed || in.len > INT_MAX - block ||
        out->cap - out->len < in.len + block)
        return BV_E_NO_SPACE;
    uint8_t *at = out->data + out->len;
    if (EVP_CipherUpdate(ctx, at, &len, in.data, (int)in.len) != 1 ||
        EVP_CipherFinal_ex(ctx, at + len, &rest) != 1) {
        ERR_clear_error(); /* a peer's padding must not fill the queue */
        return BV_E_BAD_MESSAGE;
    }
    out->len += (size_t)len + (size_t)rest;
    return BV_OK;
}

enum bv_err
cipher_encrypt(enum cms_cipher cipher, struct span key, struct span iv,
               struct span in, struct sink *out)
{
    bv_auto(EVP_CIPHER_CTX) EVP_CIPHER_CTX *ctx = NULL;
    BV_TRY(begin(cipher, key, iv, true, &ctx));
    enum bv_err err = run(ctx, in, out);
    return err == BV_E_BAD_MESSAGE ? BV_E_CRYPTO : err;
}

enum bv_err
cipher_decrypt(enum cms_cipher cipher, struct span key, struct span iv,
               struct span in, struct sink *out)
{
    bv_auto(EVP_CIPHER_CTX) EVP_CIPHER_CTX *ctx = NULL;
    BV_TRY(begin(cipher, key, iv, false, &ctx));
    return run(ctx, in, out);
}
