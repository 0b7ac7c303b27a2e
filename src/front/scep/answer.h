/* A CertRep (RFC 8894 3.3.2), put together: its content, its attributes and,
 * with the RA's signature over these, the message. */
#ifndef BV_FRONT_SCEP_ANSWER_H
#define BV_FRONT_SCEP_ANSWER_H

#include "front/scep/message.h"

#define ANSWER_NONCE_LEN 16

struct answer {
    const struct message *to;
    struct scep_reply reply;
    enum digest_alg hash;
    enum cms_digest digest;
    uint8_t *content; /* EnvelopedData; SUCCESS only */
    size_t content_len;
    uint8_t attrs[SCEP_ATTRS_MAX]; /* content of the SET, sorted */
    size_t attrs_len;
    uint8_t nonce[ANSWER_NONCE_LEN], message_digest[DIGEST_MAX];
};

/* answer_begin prepares an answer to a message that has been read. It speaks
 * the client's hash and cipher if they are any good: old ones know no other.
 * reply.status, fail and fail_text are then the caller's to set. */
void answer_begin(struct answer *answer, const struct message *to);
void answer_done(struct answer *answer);

/* answer_content encrypts certs-only CMS (DER) to the message's signer.
 * NO_MEMORY, CRYPTO. */
enum bv_err answer_content(struct answer *answer,
                           struct span certs_only) BV_CHECKED;
/* answer_attrs makes the attributes; *ret_tbs, in out, is what is to be signed.
 * now: Unix seconds. */
enum bv_err answer_attrs(struct answer *answer, int64_t now, struct sink *out,
                         struct span *ret_tbs) BV_CHECKED;
/* answer_size: room for answer_put. answer_put writes the message: signature
 * is by the key of cert (DER). */
size_t answer_size(const struct answer *answer, struct span cert);
enum bv_err answer_put(const struct answer *answer, struct span signature,
                       struct span cert, struct sink *out) BV_CHECKED;

#endif
