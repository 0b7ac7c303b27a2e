/* RSA as CMS uses it and X.509 does not: to carry a content key, and to sign
 * with whatever hash the other side uses. Keys of other kinds: UNSUPPORTED. */
#ifndef BV_PKI_RSA_H
#define BV_PKI_RSA_H

#include "pki/digest.h"
#include "pki/key.h"
#include "wire/cms_enveloped.h"

/* Longest content key that is carried. */
#define RSA_CONTENT_KEY_MAX 32

/* rsa_wrap encrypts a content key to a public key. UNSUPPORTED: OTHER. */
enum bv_err rsa_wrap(const struct key *to, enum cms_transport transport,
                     struct span content_key, struct sink *out) BV_CHECKED;

/* rsa_unwrap decrypts a content key that should have len octets, 1 to
 * RSA_CONTENT_KEY_MAX. Whatever is wrong with what was encrypted is not told:
 * the key is then a random one, in the same time for PKCS #1 v1.5 as a good
 * one, or every question would decrypt some of the next (Bleichenbacher 1998,
 * RFC 3218 2.3.2). WRONG_KEY without a private half; USAGE; BAD_MESSAGE: not
 * as long as the modulus, which whoever sent it knows. */
enum bv_err rsa_unwrap(const struct key *key, enum cms_transport transport,
                       struct span encrypted, uint8_t *ret_key,
                       size_t len) BV_CHECKED;

/* rsa_sign and rsa_verify: PKCS #1 v1.5 over a digest made with this hash.
 * Errors as key_sign_digest and key_verify_digest. Whether a hash is good
 * enough is the caller's question: SHA-1 is none that we ask for. */
enum bv_err rsa_sign(const struct key *key, enum digest_alg hash,
                     struct span digest, struct sink *out) BV_CHECKED;
enum bv_err rsa_verify(const struct key *key, enum digest_alg hash,
                       struct span digest, struct span signature) BV_CHECKED;

#endif
