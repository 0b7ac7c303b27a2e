/* SCEP (RFC 8894): what stands in the attributes of a pkiMessage, the small
 * messages inside, and the query of a GET. The CMS around it is cms_signed.h
 * and cms_enveloped.h. Freestanding. */
#ifndef BV_WIRE_SCEP_H
#define BV_WIRE_SCEP_H

#include "wire/cms_signed.h"

#define SCEP_TYPE_MESSAGE "application/x-pki-message"
#define SCEP_TYPE_CA_CERT "application/x-x509-ca-cert"
#define SCEP_TYPE_CA_RA   "application/x-x509-ca-ra-cert"
#define SCEP_TYPE_NEXT_CA "application/x-x509-next-ca-cert"
#define SCEP_TYPE_CAPS    "text/plain"

/* RFC 8894 3.2.1.2 */
enum scep_type {
    SCEP_CERT_REP = 3,
    SCEP_RENEWAL_REQ = 17,
    SCEP_UPDATE_REQ = 18, /* of old drafts; means the same as RENEWAL_REQ */
    SCEP_PKCS_REQ = 19,
    SCEP_CERT_POLL = 20,
    SCEP_GET_CERT = 21,
    SCEP_GET_CRL = 22,
};
/* RFC 8894 3.2.1.3 */
enum scep_status { SCEP_SUCCESS = 0, SCEP_FAILURE = 2, SCEP_PENDING = 3 };
/* RFC 8894 3.2.1.4 */
enum scep_fail {
    SCEP_BAD_ALG = 0,
    SCEP_BAD_MESSAGE_CHECK = 1,
    SCEP_BAD_REQUEST = 2,
    SCEP_BAD_TIME = 3,
    SCEP_BAD_CERT_ID = 4,
};

/* Longer ones than the hash in hex, a UUID or a name are nobody's. */
#define SCEP_TRANSACTION_MAX 128
/* 16 by the RFC; clients have sent others, and get theirs back. */
#define SCEP_NONCE_MAX 64

/* The attributes of a request. Views. */
struct scep_attrs {
    unsigned message_type;      /* as sent, perhaps none of scep_type */
    struct span transaction_id; /* 1..SCEP_TRANSACTION_MAX octets */
    struct span sender_nonce;   /* 1..SCEP_NONCE_MAX octets */
};

/* scep_attrs_parse reads them from signedAttrs (cms_signed.attr_set). Texts may
 * be of any string type of one octet a character, and hold graphic ASCII and
 * spaces. BAD_MESSAGE: one is missing, twice, or not of its form. */
enum bv_err scep_attrs_parse(struct span attr_set,
                             struct scep_attrs *ret) BV_CHECKED;

/* What a CertRep says (RFC 8894 3.3.2). */
struct scep_reply {
    enum scep_status status;
    enum scep_fail fail;        /* FAILURE */
    struct span fail_text;      /* FAILURE: UTF-8; may be empty */
    struct span transaction_id; /* of the request */
    struct span recipient_nonce;
    struct span sender_nonce; /* fresh: older clients look for one */
    int64_t signing_time;     /* Unix seconds */
    struct span message_digest;
};
/* scep_put_reply_attrs writes the attributes in the order of a SET OF. */
enum bv_err scep_put_reply_attrs(struct sink *out,
                                 const struct scep_reply *reply) BV_CHECKED;
#define SCEP_ATTRS_MAX 1024

/* What GetCert and GetCRL hold, and CertPoll (RFC 8894 3.3.3, 3.3.4): issuer
 * and subject are whole Names, the serial the INTEGER's content octets. */
enum bv_err scep_issuer_serial_parse(struct span der, struct span *ret_issuer,
                                     struct span *ret_serial) BV_CHECKED;
enum bv_err scep_issuer_subject_parse(struct span der, struct span *ret_issuer,
                                      struct span *ret_subject) BV_CHECKED;

enum scep_operation {
    SCEP_OP_UNKNOWN = 0,
    SCEP_OP_GET_CA_CAPS,
    SCEP_OP_GET_CA_CERT,
    SCEP_OP_GET_NEXT_CA_CERT,
    SCEP_OP_PKI_OPERATION,
};
struct scep_query {
    enum scep_operation operation;
    bool has_message;
    struct span message; /* still percent-encoded */
};
/* scep_query_parse reads what stands behind "?". Keys and operations compare
 * without case; others are passed over. BAD_MESSAGE: a key twice. */
enum bv_err scep_query_parse(struct span query,
                             struct scep_query *ret) BV_CHECKED;
/* scep_message_decode undoes the escapes and the base64 of a GET PKIOperation,
 * whose spellings differ: line breaks within, "+" that was sent bare and reads
 * as a space, base64url, no padding. BAD_MESSAGE, NO_SPACE. */
enum bv_err scep_message_decode(struct span message,
                                struct sink *out) BV_CHECKED;

#endif
