/* SHA-1 and SHA-2. SHA-1 is here because OCSP's CertID, the responder's key
 * hash and key identifiers are defined over it (RFC 6960 4.1.1, RFC 5280
 * 4.2.1.2); nothing is ever signed with it. Algorithms are fetched once per
 * process. One thread per process: the one-shot calls share a context.
 *
 * Hashing cannot fail for a reason a caller could act on, so the one-shot
 * calls return nothing; a libcrypto that cannot hash ends the process. */
#ifndef BV_PKI_DIGEST_H
#define BV_PKI_DIGEST_H

#include "base/auto.h"
#include "base/span.h"

enum digest_alg {
    DIGEST_SHA1 = 1,
    DIGEST_SHA256,
    DIGEST_SHA384,
    DIGEST_SHA512
};

#define DIGEST_SHA256_LEN 32
#define DIGEST_MAX        64

/* digest_len: 20, 32, 48 or 64 octets. */
size_t digest_len(enum digest_alg alg);

/* digest_of writes digest_len(alg) octets of the hash of in. */
void digest_of(enum digest_alg alg, struct span in, uint8_t *ret_digest);
/* digest_sha256 is digest_of for the hash used nearly everywhere. */
void digest_sha256(struct span in, uint8_t ret_digest[DIGEST_SHA256_LEN]);

/* Incremental, for what is too large to hold (CRLs, files). */
struct digest;
enum bv_err digest_new(enum digest_alg alg, struct digest **ret) BV_CHECKED;
void digest_update(struct digest *digest, struct span in);
/* digest_final writes digest_len octets and starts over. */
void digest_final(struct digest *digest, uint8_t *ret_digest);
void digest_free(struct digest *digest);
BV_AUTO_DEFINE(digest, struct digest, digest_free)

#endif
