#include "pki/library.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

/* X509_verify and its like look for the digest of a signature's algorithm in
 * the old tables (EVP_get_digestbynid), in every release so far. */
void
library_begin(void)
{
    const EVP_MD *const signed_with[] = {
        EVP_sha1(),     EVP_sha224(),   EVP_sha256(),   EVP_sha384(),
        EVP_sha512(),   EVP_sha3_224(), EVP_sha3_256(), EVP_sha3_384(),
        EVP_sha3_512(), NULL,
    };
    /* CMS looks for its ciphers there, too (pki/cms). */
    const EVP_CIPHER *const wrapped_with[] = {
        EVP_aes_128_cbc(),
        EVP_aes_192_cbc(),
        EVP_aes_256_cbc(),
        EVP_aes_128_wrap(),
        EVP_aes_192_wrap(),
        EVP_aes_256_wrap(),
        NULL,
    };
    (void)OPENSSL_init_crypto(OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
                                  OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
                              NULL);
    for (size_t i = 0; signed_with[i] != NULL; i++)
        (void)EVP_add_digest(signed_with[i]);
    for (size_t i = 0; wrapped_with[i] != NULL; i++)
        (void)EVP_add_cipher(wrapped_with[i]);
}
