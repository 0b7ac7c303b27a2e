/* CMP: PKIMessages (RFC 4210, RFC 9810) as the lightweight profile (RFC 9483)
 * wants them, with the requests of CRMF (RFC 4211). A view into the caller's
 * octets, as in cert.h; nothing is verified here, and no clock is read.
 * Freestanding. What a server needs: it reads requests and writes answers.
 *
 *     BV_TRY(cmp_parse(der, &msg));           the frame and the header
 *     BV_TRY(cmp_check(&msg, &how, &fail));   the rules for headers
 *     switch (msg.body) … cmp_request_parse(&msg, &request, &fail) …
 *
 * cmp_parse takes the header of everything that has one, also what cmp_check
 * then refuses: an answer must repeat its transactionID and its nonce. ret_fail
 * is the PKIFailureInfo bit to answer with when the result is not BV_OK, and
 * says nothing when it is; what cmp_parse refuses is badDataFormat.
 *
 * An answer: cmp_put_header and one cmp_put_ for the body, each into memory of
 * its own; cmp_put_protected_part gives what is to be signed; cmp_assemble. */
#ifndef BV_WIRE_CMP_H
#define BV_WIRE_CMP_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "wire/alg.h"
#include "wire/cms.h"

/* The choices of PKIBody, by their tags. */
enum cmp_body {
    CMP_IR = 0,
    CMP_IP = 1,
    CMP_CR = 2,
    CMP_CP = 3,
    CMP_P10CR = 4,
    CMP_POPDECC = 5,
    CMP_POPDECR = 6,
    CMP_KUR = 7,
    CMP_KUP = 8,
    CMP_KRR = 9,
    CMP_KRP = 10,
    CMP_RR = 11,
    CMP_RP = 12,
    CMP_CCR = 13,
    CMP_CCP = 14,
    CMP_CKUANN = 15,
    CMP_CANN = 16,
    CMP_RANN = 17,
    CMP_CRLANN = 18,
    CMP_PKICONF = 19,
    CMP_NESTED = 20,
    CMP_GENM = 21,
    CMP_GENP = 22,
    CMP_ERROR = 23,
    CMP_CERT_CONF = 24,
    CMP_POLL_REQ = 25,
    CMP_POLL_REP = 26,
};

/* PKIFailureInfo, as der_named_bits returns it. */
enum cmp_fail {
    CMP_FAIL_NONE = 0,
    CMP_FAIL_BAD_ALG = 1 << 0,
    CMP_FAIL_BAD_MESSAGE_CHECK = 1 << 1,
    CMP_FAIL_BAD_REQUEST = 1 << 2,
    CMP_FAIL_BAD_TIME = 1 << 3,
    CMP_FAIL_BAD_CERT_ID = 1 << 4,
    CMP_FAIL_BAD_DATA_FORMAT = 1 << 5,
    CMP_FAIL_WRONG_AUTHORITY = 1 << 6,
    CMP_FAIL_INCORRECT_DATA = 1 << 7,
    CMP_FAIL_MISSING_TIME_STAMP = 1 << 8,
    CMP_FAIL_BAD_POP = 1 << 9,
    CMP_FAIL_CERT_REVOKED = 1 << 10,
    CMP_FAIL_CERT_CONFIRMED = 1 << 11,
    CMP_FAIL_WRONG_INTEGRITY = 1 << 12,
    CMP_FAIL_BAD_RECIPIENT_NONCE = 1 << 13,
    CMP_FAIL_TIME_NOT_AVAILABLE = 1 << 14,
    CMP_FAIL_UNACCEPTED_POLICY = 1 << 15,
    CMP_FAIL_UNACCEPTED_EXTENSION = 1 << 16,
    CMP_FAIL_ADD_INFO_NOT_AVAILABLE = 1 << 17,
    CMP_FAIL_BAD_SENDER_NONCE = 1 << 18,
    CMP_FAIL_BAD_CERT_TEMPLATE = 1 << 19,
    CMP_FAIL_SIGNER_NOT_TRUSTED = 1 << 20,
    CMP_FAIL_TRANSACTION_ID_IN_USE = 1 << 21,
    CMP_FAIL_UNSUPPORTED_VERSION = 1 << 22,
    CMP_FAIL_NOT_AUTHORIZED = 1 << 23,
    CMP_FAIL_SYSTEM_UNAVAIL = 1 << 24,
    CMP_FAIL_SYSTEM_FAILURE = 1 << 25,
    CMP_FAIL_DUPLICATE_CERT_REQ = 1 << 26,
};

enum cmp_status {
    CMP_ACCEPTED = 0,
    CMP_GRANTED_WITH_MODS = 1,
    CMP_REJECTION = 2,
    CMP_WAITING = 3,
    CMP_REVOCATION_WARNING = 4,
    CMP_REVOCATION_NOTIFICATION = 5,
    CMP_KEY_UPDATE_WARNING = 6,
};

/* PKIStatusInfo. */
struct cmp_status_info {
    enum cmp_status status;
    struct span text; /* UTF-8, the first of several; empty: none */
    uint32_t fail;    /* enum cmp_fail bits */
};

/* The versions spoken here: cmp2000 and cmp2021. */
#define CMP_VERSION_MIN 2
#define CMP_VERSION_MAX 3

/* Octets of a nonce at least: 128 bits, RFC 9483 3.1. */
#define CMP_NONCE_MIN 16

/* PKIHeader. Octets that are absent are empty. */
struct cmp_header {
    uint64_t pvno;
    /* Name DER: 30 00 is the NULL-DN, which also stands for a GeneralName of
     * another kind. Only the form was checked. */
    struct span sender, recipient;
    bool sender_is_name; /* sender was a directoryName */
    bool has_time;
    int64_t time;               /* messageTime */
    struct span protection_alg; /* AlgorithmIdentifier DER */
    struct span sender_kid, recip_kid;
    struct span transaction_id, sender_nonce, recip_nonce;
    /* from generalInfo; what else stands there is ignored */
    bool implicit_confirm;
    bool has_confirm_wait;
    int64_t confirm_wait;     /* confirmWaitTime, Unix seconds */
    struct span cert_profile; /* UTF-8 */
};

struct cmp_msg {
    struct span whole;
    struct cmp_header header;
    enum cmp_fail info_fail; /* generalInfo breaks this rule; for cmp_check */
    enum cmp_body body;
    struct span content; /* the one element inside the body's tag, whole; of a
                          * p10cr that is the CSR for csr_parse */
    struct span header_der, body_der; /* as received, for the protection */
    bool has_protection;
    struct span protection;       /* the BIT STRING's octets */
    struct cms_certs extra_certs; /* for cms_certs_next; not protected */
};

/* How a message is protected (RFC 9481 3, 6). */
enum cmp_protection_kind {
    CMP_PROTECTION_NONE = 0,
    CMP_PROTECTION_SIGNATURE,
    CMP_PROTECTION_PBM,    /* id-PasswordBasedMac, RFC 4211 4.4 */
    CMP_PROTECTION_PBMAC1, /* RFC 8018 7.1, with PBKDF2 */
};

enum cmp_hash {
    CMP_HASH_NONE = 0,
    CMP_HASH_SHA1, /* for HMAC, and to stretch a password; never certHash */
    CMP_HASH_SHA256,
    CMP_HASH_SHA384,
    CMP_HASH_SHA512,
};

struct cmp_protection {
    enum cmp_protection_kind kind;
    enum alg_sig sig; /* SIGNATURE */
    /* PBM, PBMAC1: */
    struct span salt;      /* octets, within LIMIT_CMP_SALT_… */
    uint32_t iterations;   /* within LIMIT_CMP_ROUNDS_… */
    enum cmp_hash stretch; /* PBM: owf; PBMAC1: the HMAC of PBKDF2's prf */
    enum cmp_hash mac;     /* the HMAC's */
    uint32_t key_len;      /* PBMAC1: octets PBKDF2 makes, LIMIT_CMP_KEY_… */
};

/* --- reading: the message --- */

/* cmp_parse: in is exactly one PKIMessage. BAD_MESSAGE, TRAILING_BYTES;
 * TOO_LARGE beyond LIMIT_CMP_MESSAGE, TOO_MANY beyond LIMIT_CMS_CERTS or
 * LIMIT_CMP_INFO. Any pvno is taken; freeText is ignored. */
enum bv_err cmp_parse(struct span in, struct cmp_msg *ret_msg) BV_CHECKED;

/* cmp_check holds a request against the rules that need neither key, state nor
 * clock (RFC 9483 3.1, 3.5; RFC 9810 5.1, 7), and says how it is protected:
 *   UNSUPPORTED  pvno (unsupportedVersion; answer with the nearest version of
 *                ours), a body no server answers (badRequest), an algorithm
 *                (badAlg)
 *   REFUSED      no protection, but for an error; or it does not agree with
 *                protectionAlg; or sender is no directoryName
 *                (badMessageCheck); kur, rr or nested by password
 *                (wrongIntegrity); a password stretched too little or too much
 *                (badAlg); generalInfo that may not be there (badRequest)
 *   BAD_MESSAGE  no transactionID (badDataFormat), senderNonce absent or below
 *                CMP_NONCE_MIN (badSenderNonce), recipNonce in the first
 *                message or absent in a later one (badRecipientNonce). */
enum bv_err cmp_check(const struct cmp_msg *msg,
                      struct cmp_protection *ret_protection,
                      enum cmp_fail *ret_fail) BV_CHECKED;

/* cmp_protection_parse reads an AlgorithmIdentifier, whole, as cmp_check does;
 * for MACs that stand elsewhere (publicKeyMAC). */
enum bv_err cmp_protection_parse(struct span algorithm,
                                 struct cmp_protection *ret_protection,
                                 enum cmp_fail *ret_fail) BV_CHECKED;
/* cmp_hash_len: octets of the hash, and of HMAC with it; 0 for NONE. */
size_t cmp_hash_len(enum cmp_hash hash);

/* --- reading: the bodies; msg->body must be the one that is read --- */

/* CertTemplate. Absent ones are empty or false. */
struct cmp_template {
    struct span serial;  /* content octets, positive */
    struct span issuer;  /* Name DER, form checked only */
    struct span subject; /* Name DER, name_check'ed; may be the empty Name */
    bool has_not_before, has_not_after;
    int64_t not_before, not_after;
    /* The content of the SubjectPublicKeyInfo, whose tag is another one here:
     * for cmp_template_spki. */
    struct span public_key;
    bool wants_key;         /* no key, or one of no octets: RFC 9483 4.1.6 */
    struct span extensions; /* content of Extensions, for ext_first */
    bool has_others;        /* signingAlg or unique identifiers, RFC 4211 5 */
};

struct cmp_cert_id {
    struct span issuer; /* Name DER */
    struct span serial; /* content octets, positive */
};

enum cmp_popo {
    CMP_POPO_NONE = 0,
    CMP_POPO_RA_VERIFIED,
    CMP_POPO_SIGNATURE,
    CMP_POPO_KEY_ENCIPHERMENT,
    CMP_POPO_KEY_AGREEMENT,
};

/* The one CertReqMsg of an ir, cr or kur. regInfo is ignored. */
struct cmp_request {
    int64_t cert_req_id;  /* to be repeated in the answer */
    struct span cert_req; /* CertRequest DER: what a signature covers … */
    struct cmp_template template;
    enum cmp_popo popo;
    enum alg_sig popo_alg;
    struct span popo_signature;
    /* … unless this is there: the content of POPOSigningKeyInput, which is
     * signed with the tag of a SEQUENCE: der_put(out, DER_SEQUENCE, it). Its
     * publicKey is the template's. One of sender and MAC is there. */
    struct span popo_input;
    struct span popo_sender;  /* Name DER; the NULL-DN for another kind */
    struct span popo_mac_alg; /* AlgorithmIdentifier DER, of publicKeyMAC */
    struct span popo_mac;     /* its value */
    /* Controls; the text of the first two */
    struct span reg_token, authenticator;
    bool has_old_cert;
    struct cmp_cert_id old_cert; /* oldCertID */
};

/* cmp_request_parse: TOO_MANY (badRequest) for more than one; BAD_NAME,
 * UNSUPPORTED, BAD_MESSAGE (badCertTemplate) for a template with a version
 * other than 3, a serial number or what has_others names, a bad subject or
 * none (a kur may leave it out), or bad extensions; REFUSED (badPOP) for a key
 * without proof of possession, or with poposkInput exactly where RFC 4211 4.1
 * does not want it; UNSUPPORTED (badAlg) for the proof's algorithm; REFUSED
 * (badRequest) for pkiArchiveOptions. */
enum bv_err cmp_request_parse(const struct cmp_msg *msg,
                              struct cmp_request *ret_request,
                              enum cmp_fail *ret_fail) BV_CHECKED;
/* cmp_template_spki writes the template's key as a SubjectPublicKeyInfo into
 * out (LIMIT_SPKI octets) and reads it there; NOT_FOUND when wants_key, else
 * as alg_spki_parse. */
enum bv_err cmp_template_spki(const struct cmp_template *template,
                              struct sink *out,
                              struct alg_spki *ret_spki) BV_CHECKED;

/* The one RevDetails of an rr. */
struct cmp_revocation {
    struct cmp_cert_id cert;
    bool has_reason;
    uint8_t reason; /* CRLReason: 0..6, 8..10 */
};

/* cmp_revocation_parse: NOT_FOUND (addInfoNotAvailable) without both issuer
 * and serial number; TOO_MANY (badRequest) for several. Other extensions than
 * reasonCode are ignored (RFC 9483 4.2). */
enum bv_err cmp_revocation_parse(const struct cmp_msg *msg,
                                 struct cmp_revocation *ret_revocation,
                                 enum cmp_fail *ret_fail) BV_CHECKED;

/* The one CertStatus of a certConf; none at all is a rejection (RFC 9810
 * 5.3.18). */
struct cmp_confirm {
    bool is_empty;
    struct span cert_hash;
    int64_t cert_req_id;
    struct cmp_status_info status; /* ACCEPTED when left out, or REJECTION */
    enum cmp_hash hash; /* hashAlg; NONE: that of the certificate's signature */
};

/* cmp_confirm_parse: UNSUPPORTED (badAlg) for another hashAlg, REFUSED
 * (badCertId) for any with pvno 2; REFUSED (badRequest) for another status, or
 * failInfo with an acceptance; TOO_MANY (badRequest). */
enum bv_err cmp_confirm_parse(const struct cmp_msg *msg,
                              struct cmp_confirm *ret_confirm,
                              enum cmp_fail *ret_fail) BV_CHECKED;

/* cmp_poll_parse: the one certReqId of a pollReq (-1: of a p10cr, or of what
 * has none). */
enum bv_err cmp_poll_parse(const struct cmp_msg *msg, int64_t *ret_cert_req_id,
                           enum cmp_fail *ret_fail) BV_CHECKED;

/* The one InfoTypeAndValue of a genm. */
struct cmp_info {
    struct span type; /* OID content octets */
    bool has_value;
    struct span value; /* one element, whole */
};

/* cmp_info_parse: none or several are TOO_MANY (badRequest, RFC 9483 4.3). */
enum bv_err cmp_info_parse(const struct cmp_msg *msg, struct cmp_info *ret_info,
                           enum cmp_fail *ret_fail) BV_CHECKED;

/* The one CRLStatus in the value of id-it-crlStatusList. */
struct cmp_crl_status {
    bool by_point;        /* dpn, else issuer */
    struct span source;   /* DistributionPointName or GeneralNames DER */
    bool has_this_update; /* only a CRL newer than that is wanted */
    int64_t this_update;
};

enum bv_err cmp_crl_status_parse(struct span value,
                                 struct cmp_crl_status *ret_status) BV_CHECKED;

struct cmp_nested {
    struct span rest; /* what cmp_nested_next still has to take */
};

/* cmp_nested_parse: one PKIMessage or more, TOO_MANY (badRequest) beyond
 * LIMIT_CMP_NESTED; they are checked only to be SEQUENCEs. */
enum bv_err cmp_nested_parse(const struct cmp_msg *msg,
                             struct cmp_nested *ret_list,
                             enum cmp_fail *ret_fail) BV_CHECKED;
/* cmp_nested_next takes the next message (DER, whole); false at the end. */
bool cmp_nested_next(struct cmp_nested *list, struct span *ret_der);

/* cmp_error_parse: what an error message says; its details are ignored. */
enum bv_err cmp_error_parse(const struct cmp_msg *msg,
                            struct cmp_status_info *ret_status,
                            enum cmp_fail *ret_fail) BV_CHECKED;

/* --- writing --- */

/* cmp_put_header writes all that is there: no messageTime without has_time. An
 * empty sender or recipient is written as NULL-DN. */
void cmp_put_header(struct sink *out, const struct cmp_header *header);
/* cmp_put_protection writes the AlgorithmIdentifier for protection_alg. */
void cmp_put_protection(struct sink *out,
                        const struct cmp_protection *protection);

/* Each of these writes one PKIBody. */

struct cmp_cert_rep {
    enum cmp_body body;  /* CMP_IP, CMP_CP or CMP_KUP */
    int64_t cert_req_id; /* -1: the request was a p10cr */
    struct cmp_status_info status;
    struct span cert;           /* DER; empty: none */
    const struct span *ca_pubs; /* DER */
    size_t num_ca_pubs;
};

void cmp_put_cert_rep(struct sink *out, const struct cmp_cert_rep *rep);
void cmp_put_pki_conf(struct sink *out);
/* An empty reason is left out. */
void cmp_put_poll_rep(struct sink *out, int64_t cert_req_id, uint64_t seconds,
                      struct span reason);
/* revoked may be NULL. */
void cmp_put_rev_rep(struct sink *out, const struct cmp_status_info *status,
                     const struct cmp_cert_id *revoked);
void cmp_put_error(struct sink *out, const struct cmp_status_info *status);
/* genp: the type alone, as an answer that there is nothing. */
void cmp_put_info_absent(struct sink *out, struct span type);
/* With num 0: absent. */
void cmp_put_info_ca_certs(struct sink *out, const struct span *certs,
                           size_t num);
void cmp_put_info_crls(struct sink *out, const struct span *crls, size_t num);
/* An empty new_with_old or old_with_new is left out (RFC 9483 4.3.2 wants the
 * first); without new_with_new: absent. */
void cmp_put_info_root_update(struct sink *out, struct span new_with_new,
                              struct span new_with_old,
                              struct span old_with_new);

/* cmp_put_protected_part writes what the protection covers (RFC 9810 5.1.3),
 * of an answer (what was written) or a request (header_der and body_der). */
void cmp_put_protected_part(struct sink *out, struct span header,
                            struct span body);
/* cmp_assemble writes the PKIMessage; an empty protection is left out, and so
 * is an empty list. Beyond LIMIT_CMS_CERTS the sink fails. */
void cmp_assemble(struct sink *out, struct span header, struct span body,
                  struct span protection, const struct span *extra_certs,
                  size_t num_extra_certs);

/* --- names for logs --- */

/* "ir", "certConf"; static storage. */
const char *cmp_body_name(enum cmp_body body);
/* "badPOP" of the lowest bit; "none" without one. */
const char *cmp_fail_name(uint32_t fail);

#endif
