/* What EST (RFC 7030, updated by 8951 and 9908) puts on the wire besides CSRs
 * and CMS: operations, base64 bodies, HTTP Basic, CSR attributes and
 * the two-part answer of serverkeygen. Used by the server's door and by the
 * device. Freestanding; spans point into the caller's buffers. */
#ifndef BV_WIRE_EST_H
#define BV_WIRE_EST_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "wire/alg.h"

#define EST_PREFIX "/.well-known/est"

#define EST_TYPE_PKCS10   "application/pkcs10"
#define EST_TYPE_CMC      "application/pkcs7-mime"
#define EST_TYPE_CSRATTRS "application/csrattrs"
/* cacerts: the bare type. Enrolment answers: with the parameter, one space.
 * Some clients compare these as whole strings. */
#define EST_TYPE_CACERTS "application/pkcs7-mime"
#define EST_TYPE_CERTS   "application/pkcs7-mime; smime-type=certs-only"

/* --- operations --- */

enum est_op {
    EST_OP_NONE = 0, /* not an operation we know */
    EST_OP_CACERTS,
    EST_OP_SIMPLEENROLL,
    EST_OP_SIMPLEREENROLL,
    EST_OP_CSRATTRS,
    EST_OP_SERVERKEYGEN,
    EST_OP_FULLCMC,
};

/* est_op_of_name: EST_OP_NONE when it is no operation (so: fit for a label). */
enum est_op est_op_of_name(struct span name);
const char *est_op_name(enum est_op op);

/* --- HTTP fields --- */

/* est_basic_parse decodes "Basic <base64 of user:secret>" (RFC 7617): scheme
 * without case, strict base64, first colon splits, user may be empty. The
 * text lands in buf (cap octets; decoded length is enough), user and secret
 * point into it. BAD_MESSAGE otherwise; UNSUPPORTED for another scheme. */
enum bv_err est_basic_parse(struct span field, uint8_t *buf, size_t cap,
                            struct span *ret_user,
                            struct span *ret_secret) BV_CHECKED;
void est_put_basic(struct sink *out, struct span user, struct span secret);

/* --- bodies --- */

enum est_body { EST_BODY_BASE64, EST_BODY_LENIENT };

/* est_body_decode turns a body into DER in buf: base64 with SP, TAB, CR and LF
 * anywhere (RFC 8951 3.1). EST_BODY_LENIENT also takes raw DER (first octet
 * 0x30) and one PEM block. Needs cap >= body.len * 3 / 4 (LENIENT: body.len).
 * BAD_MESSAGE when it is neither or empty. */
enum bv_err est_body_decode(struct span body, enum est_body mode, uint8_t *buf,
                            size_t cap, struct span *ret_der) BV_CHECKED;

/* Octets est_put_body needs for n octets of DER. */
#define EST_BODY_MAX(n) (((n) + 2) / 3 * 4 + (n) / 48 + 2)
/* est_put_body writes DER as base64: one line and a line feed; with wrap,
 * lines of 64 characters. */
void est_put_body(struct sink *out, struct span der, bool wrap);
/* est_wants_wrap: this client fails on one long line (RFC 8951 lets the
 * server choose): only a User-Agent that starts with "libest", and only for
 * more than EST_WRAP_FROM characters; strongSwan fails on wrapped lines. */
#define EST_WRAP_FROM 1000
bool est_wants_wrap(struct span user_agent, size_t der_len);

/* --- serverkeygen (RFC 7030 4.4.2) --- */

#define EST_KEYGEN_BOUNDARY "brevet-serverkeygen-part"
#define EST_TYPE_KEYGEN     "multipart/mixed; boundary=" EST_KEYGEN_BOUNDARY

/* est_put_keygen writes the multipart body, key part first, CRLF line ends:
 * key is PKCS#8, or CMS EnvelopedData when wrapped; certs is certs-only CMS.
 * Needs EST_BODY_MAX of both plus EST_KEYGEN_OVERHEAD. */
#define EST_KEYGEN_OVERHEAD 512
void est_put_keygen(struct sink *out, struct span key, bool wrapped,
                    struct span certs);

/* --- CSR attributes (RFC 7030 4.5.2, RFC 9908) --- */

#define EST_RDNS_MAX       8
#define EST_EXTENSIONS_MAX 16

/* One RDN the client is to put into its subject. value is one whole DER
 * string element; empty: the client fills it in. */
struct est_rdn {
    struct span oid, value;
};

/* One extension to ask for. value is what goes into extnValue; empty: the
 * client fills it in. */
struct est_extension {
    struct span oid, value;
    bool critical;
};

struct est_csrattrs {
    enum alg_key key;  /* NONE: no wish */
    unsigned rsa_bits; /* with ALG_KEY_RSA; 0: no wish */
    enum alg_sig sig;  /* NONE: no wish */
    bool challenge;    /* challengePassword: channel binding wanted */
    bool is_template;  /* subject and extensions are the whole wish */
    struct est_rdn subject[EST_RDNS_MAX];
    size_t num_rdns;
    struct est_extension extensions[EST_EXTENSIONS_MAX];
    size_t num_extensions;
};

/* est_csrattrs_put writes CsrAttrs (DER, not base64). With is_template it
 * writes both forms, the older list first, so that every client finds its own
 * (RFC 9908 section 4); the list then carries only extensions with a value.
 * With challenge the list stands alone: a template cannot ask for it.
 * Everything empty: the empty SEQUENCE. */
void est_csrattrs_put(struct sink *out, const struct est_csrattrs *attrs);

/* est_csrattrs_decode reads CsrAttrs. A template, when there is one, is used
 * alone (plus challenge and sig of the list); unknown OIDs and attributes are
 * passed over. BAD_MESSAGE; TOO_MANY RDNs or extensions; UNSUPPORTED for a
 * key kind or curve that cannot be made. */
enum bv_err est_csrattrs_decode(struct span der,
                                struct est_csrattrs *ret_attrs) BV_CHECKED;

#endif
