/* A pkiMessage as it came: taken apart, verified, decrypted. No state of the
 * door in here, no question to anybody. */
#ifndef BV_FRONT_SCEP_MESSAGE_H
#define BV_FRONT_SCEP_MESSAGE_H

#include "base/auto.h"
#include "pki/digest.h"
#include "pki/key.h"
#include "wire/cms_enveloped.h"
#include "wire/scep.h"

/* Why a request fails: failInfo, and a sentence (failInfoText). */
struct message_fault {
    enum scep_fail fail;
    const char *text;
};

struct message {
    uint8_t *memory; /* all the spans point into it */
    size_t cap;
    struct sink arena;
    struct cms_signed cms;
    struct scep_attrs attrs;
    struct span cert; /* of the signer, DER */
    struct cms_cert signer;
    struct key *key; /* its public key */
    struct cms_enveloped envelope;
};

/* message_new reads a message (BER). BAD_MESSAGE, UNSUPPORTED and their like:
 * it is none, or has no transaction to answer to; NO_MEMORY. */
enum bv_err message_new(struct span in, struct message **ret) BV_CHECKED;
/* message_free wipes: there may have been a claim code in it. */
void message_free(struct message *message);
BV_AUTO_DEFINE(message, struct message, message_free)

/* The steps, each after the one before; NULL: all is well. legacy: SHA-1 and
 * 3DES pass, as the profile allows.
 *   message_verify      the signer's certificate is there, and its signature
 *                       over what was sent
 *   message_open        the envelope is there and of a kind we open
 *   message_decrypt     what was in it, with its content key; ret_content is
 *                       DER. One sentence for all that can be wrong in it */
const struct message_fault *message_verify(struct message *message,
                                           bool legacy);
const struct message_fault *message_open(struct message *message, bool legacy);
const struct message_fault *message_decrypt(struct message *message,
                                            struct span content_key,
                                            struct span *ret_content);

/* message_hash: what the hash of a message is called in pki/digest.h; SHA-256
 * for one that nobody should use. */
enum digest_alg message_hash(enum cms_digest digest);

#endif
