/* OCSP messages (RFC 6960, 9919, 9654): requests and responses, both ways.
 * Freestanding. Hashes and signatures are made elsewhere. */
#ifndef BV_WIRE_OCSP_H
#define BV_WIRE_OCSP_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "wire/alg.h"

/* The hash of a CertID, in the order of pki/digest.h. */
enum ocsp_hash {
    OCSP_HASH_SHA1 = 1,
    OCSP_HASH_SHA256,
    OCSP_HASH_SHA384,
    OCSP_HASH_SHA512,
};

/* OCSPResponseStatus, RFC 6960 4.2.1. */
enum ocsp_answer {
    OCSP_ANSWER_OK = 0,
    OCSP_ANSWER_MALFORMED = 1,
    OCSP_ANSWER_INTERNAL = 2,
    OCSP_ANSWER_TRY_LATER = 3,
    OCSP_ANSWER_SIG_REQUIRED = 5,
    OCSP_ANSWER_UNAUTHORIZED = 6,
};

enum ocsp_status { OCSP_STATUS_GOOD, OCSP_STATUS_REVOKED, OCSP_STATUS_UNKNOWN };

struct ocsp_cert_id {
    enum ocsp_hash hash;
    struct span name_hash, key_hash; /* of the length the hash has */
    struct span serial;              /* INTEGER content octets, 1..21 */
    struct span whole;               /* the CertID as it came: an answer must
                                      * repeat it octet for octet */
};

#define OCSP_NONCE_MAX 128 /* RFC 9654 2.1 */

struct ocsp_request {
    struct ocsp_cert_id certs[LIMIT_OCSP_CERTS];
    unsigned num_certs; /* at least 1 */
    bool has_nonce;
    struct span nonce; /* 1..OCSP_NONCE_MAX octets */
};

/* ocsp_request_parse reads a whole OCSPRequest. A signature on it is skipped
 * unread, as are non-critical extensions other than the nonce. Every error is
 * answered with OCSP_ANSWER_MALFORMED:
 *   BAD_MESSAGE, TRAILING_BYTES  not DER, not v1, no certificate, a nonce of 0
 *                                or more than 128 octets, an extension twice
 *   UNSUPPORTED                  a critical extension, another hash algorithm
 *   TOO_MANY                     more than LIMIT_OCSP_CERTS
 *   TOO_LARGE                    more than LIMIT_OCSP_REQUEST octets */
enum bv_err ocsp_request_parse(struct span der,
                               struct ocsp_request *ret_request) BV_CHECKED;

/* ocsp_get_decode turns what follows the prefix of a GET target (raw, with or
 * without the "/" before it) into DER: percent-decoding, once more if a proxy
 * encoded twice; base64 or base64url, padding optional, space taken for '+'.
 * BAD_MESSAGE when it is not that, TOO_LARGE above LIMIT_OCSP_REQUEST. The DER
 * lands in buf, which must hold LIMIT_OCSP_REQUEST octets. */
enum bv_err ocsp_get_decode(struct span path, uint8_t buf[LIMIT_OCSP_REQUEST],
                            struct span *ret_der) BV_CHECKED;

/* ocsp_cert_id_put writes a CertID (parameters NULL, as everybody does). */
void ocsp_cert_id_put(struct sink *out, const struct ocsp_cert_id *id);
/* ocsp_request_put writes an unsigned request: certs[i].whole if not empty,
 * else from the parts; a nonce if has_nonce. */
void ocsp_request_put(struct sink *out, const struct ocsp_request *request);

struct ocsp_single {
    struct span cert_id; /* CertID, whole */
    enum ocsp_status status;
    int64_t revoked_at;               /* REVOKED */
    int reason;                       /* REVOKED: CRLReason; 0 is left out */
    int64_t this_update, next_update; /* Unix seconds; next_update 0: none */
};

#define OCSP_KEY_HASH_LEN 20

/* What is signed: RFC 6960 4.2.1 ResponseData. */
struct ocsp_data {
    uint8_t key_hash[OCSP_KEY_HASH_LEN]; /* responderID byKey: SHA-1 of the
                                          * public key's BIT STRING octets */
    int64_t produced_at;
    struct ocsp_single singles[LIMIT_OCSP_CERTS]; /* in request order */
    unsigned num_singles;
    struct span nonce; /* empty: none */
};

/* ocsp_data_put writes ResponseData: the octets to sign. */
void ocsp_data_put(struct sink *out, const struct ocsp_data *data);
/* ocsp_response_put wraps signed ResponseData into a whole OCSPResponse. cert
 * is the responder's certificate; empty when the CA itself signs. */
void ocsp_response_put(struct sink *out, struct span data, enum alg_sig alg,
                       struct span signature, struct span cert);
/* ocsp_error_put writes an OCSPResponse without an answer (5 octets). */
void ocsp_error_put(struct sink *out, enum ocsp_answer status);

#define OCSP_CERTS_MAX 4

/* A response read back: agents, tests, stapling. */
struct ocsp_response {
    enum ocsp_answer status; /* if not OK, all else is empty */
    struct span data;        /* ResponseData, whole: what is signed */
    enum alg_sig alg;
    struct span signature;
    bool by_key;
    struct span responder; /* by_key: 20 octets, else the Name, whole */
    int64_t produced_at;
    struct ocsp_single singles[LIMIT_OCSP_CERTS];
    struct ocsp_cert_id ids[LIMIT_OCSP_CERTS]; /* of singles[i] */
    unsigned num_singles;
    bool has_nonce;
    struct span nonce;
    struct span certs[OCSP_CERTS_MAX]; /* whole certificates */
    unsigned num_certs;
};

/* ocsp_response_parse reads a whole OCSPResponse, strictly; only
 * id-pkix-ocsp-basic. It does not verify anything. */
enum bv_err ocsp_response_parse(struct span der,
                                struct ocsp_response *ret) BV_CHECKED;

#endif
