/* Block ciphers in CBC mode with PKCS #7 padding, as CMS encrypts its content
 * (RFC 5652 6.3). Nothing here is authenticated: whoever decrypts must not tell
 * one failure from another. */
#ifndef BV_PKI_CIPHER_H
#define BV_PKI_CIPHER_H

#include "base/sink.h"
#include "wire/cms_enveloped.h"

/* cipher_encrypt writes in, padded: at most a block more. USAGE: a key or an IV
 * of another length than the cipher's; CRYPTO; NO_SPACE. */
enum bv_err cipher_encrypt(enum cms_cipher cipher, struct span key,
                           struct span iv, struct span in,
                           struct sink *out) BV_CHECKED;
/* cipher_decrypt writes what was encrypted, always less than in.
 * (out needs a block more than in.) BAD_MESSAGE: it does not decrypt; the
 * others as above. */
enum bv_err cipher_decrypt(enum cms_cipher cipher, struct span key,
                           struct span iv, struct span in,
                           struct sink *out) BV_CHECKED;

#endif
