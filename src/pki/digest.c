#include "pki/digest.h"

#include <assert.h>
#include <stdlib.h>

#include <openssl/evp.h>

struct digest {
    EVP_MD_CTX *ctx;
    const EVP_MD *md;
};

static const char *const names[] = {
    [DIGEST_SHA1] = "SHA1",
    [DIGEST_SHA256] = "SHA256",
    [DIGEST_SHA384] = "SHA384",
    [DIGEST_SHA512] = "SHA512",
};

/* Fetched once: an implicit fetch costs as much as hashing 200 octets. */
static const EVP_MD *
md_of(enum digest_alg alg)
{
    static EVP_MD *kept[DIGEST_SHA512 + 1];

    assert(alg >= DIGEST_SHA1 && alg <= DIGEST_SHA512);
    if (kept[alg] == NULL)
        kept[alg] = EVP_MD_fetch(NULL, names[alg], NULL);
    if (kept[alg] == NULL)
        abort();
    return kept[alg];
}

size_t
digest_len(enum digest_alg alg)
{
    static const uint8_t lens[] = {0, 20, 32, 48, 64};
    assert(alg >= DIGEST_SHA1 && alg <= DIGEST_SHA512);
    return lens[alg];
}

void
digest_of(enum digest_alg alg, struct span in, uint8_t *ret_digest)
{
    static EVP_MD_CTX *ctx;

    if (ctx == NULL)
        ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, md_of(alg), NULL) != 1 ||
        EVP_DigestUpdate(ctx, in.data, in.len) != 1 ||
        EVP_DigestFinal_ex(ctx, ret_digest, NULL) != 1)
        abort();
}

void
digest_sha256(struct span in, uint8_t ret_digest[DIGEST_SHA256_LEN])
{
    digest_of(DIGEST_SHA256, in, ret_digest);
}

enum bv_err
digest_new(enum digest_alg alg, struct digest **ret)
{
    bv_auto(digest) struct digest *digest = calloc(1, sizeof *digest);

    if (digest == NULL)
        return BV_E_NO_MEMORY;
    digest->md = md_of(alg);
    digest->ctx = EVP_MD_CTX_new();
    if (digest->ctx == NULL)
        return BV_E_NO_MEMORY;
    if (EVP_DigestInit_ex2(digest->ctx, digest->md, NULL) != 1)
        return BV_E_CRYPTO;
    *ret = BV_STEAL(digest);
    return BV_OK;
}

void
digest_update(struct digest *digest, struct span in)
{
    if (EVP_DigestUpdate(digest->ctx, in.data, in.len) != 1)
        abort();
}

void
digest_final(struct digest *digest, uint8_t *ret_digest)
{
    if (EVP_DigestFinal_ex(digest->ctx, ret_digest, NULL) != 1 ||
        EVP_DigestInit_ex2(digest->ctx, digest->md, NULL) != 1)
        abort();
}

void
digest_free(struct digest *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->ctx);
    free(digest);
}
