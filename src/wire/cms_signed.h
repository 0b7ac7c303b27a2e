/* CMS SignedData with content and one signer (RFC 5652 5): the outside of every
 * SCEP message (RFC 8894 3.1). Reading needs DER: see ber.h. Views into the
 * caller's octets; nothing is verified here. Freestanding.
 *
 * Whoever reads hashes cms_signed.content, compares with attrs' messageDigest,
 * and verifies the signature over what cms_put_attrs writes. */
#ifndef BV_WIRE_CMS_SIGNED_H
#define BV_WIRE_CMS_SIGNED_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "wire/cms.h"

/* Digests and signatures of CMS are older than what X.509 has here (alg.h):
 * SHA-1 can be named, so that policy can refuse it with its own words. */
enum cms_digest {
    CMS_DIGEST_OTHER = 0, /* MD5 and whatever nobody should use */
    CMS_DIGEST_SHA1,
    CMS_DIGEST_SHA256,
    CMS_DIGEST_SHA384,
    CMS_DIGEST_SHA512,
};
enum cms_signature {
    CMS_SIGNATURE_OTHER = 0,
    CMS_SIGNATURE_RSA, /* PKCS #1 v1.5 */
    CMS_SIGNATURE_ECDSA,
};

/* Who signed, or for whom something is encrypted (RFC 5652 5.3, 6.2.1). */
struct cms_party {
    struct span issuer; /* whole Name DER; empty: named by key_id */
    struct span serial; /* INTEGER content octets */
    struct span key_id; /* subjectKeyIdentifier */
};

/* What is signed besides the content. Spans are empty where there is none. */
struct cms_attrs {
    struct span message_digest; /* the octets */
    bool has_signing_time;
    int64_t signing_time; /* Unix seconds */
};

struct cms_signed {
    struct span content; /* eContent's octets; empty too when there is none */
    bool has_content;
    struct cms_certs certs;
    struct span crls; /* CRLs, DER, one after another */
    struct cms_party signer;
    enum cms_digest digest; /* over content and attributes */
    enum cms_signature signature_alg;
    struct span attr_set; /* the content of signedAttrs */
    struct cms_attrs attrs;
    struct span signature;
};

/* cms_signed_parse reads one ContentInfo in DER. There must be exactly one
 * signer, with signed attributes, over id-data. BAD_MESSAGE, TRAILING_BYTES;
 * UNSUPPORTED: another content type, no signer, no attributes; TOO_MANY
 * signers, certificates (LIMIT_CMS_CERTS) or attributes (LIMIT_EXTENSIONS); a
 * required attribute twice or missing is BAD_MESSAGE (RFC 5652 11). Unknown
 * digests and signatures are named OTHER, not refused. */
enum bv_err cms_signed_parse(struct span der,
                             struct cms_signed *ret_signed) BV_CHECKED;

/* cms_put_attrs writes attributes as they are signed: SET OF (RFC 5652 5.4). */
void cms_put_attrs(struct sink *out, struct span attr_set);

/* cms_attr_find looks an attribute of one value up; ret_value is that value's
 * DER, tag included. NOT_FOUND; BAD_MESSAGE: it is there twice, or has not
 * exactly one value. */
enum bv_err cms_attr_find(struct span attr_set, struct span oid,
                          struct span *ret_value) BV_CHECKED;

/* cms_take_party reads a SignerIdentifier or RecipientIdentifier. */
enum bv_err cms_take_party(struct span *in, struct cms_party *ret) BV_CHECKED;
/* cms_party_is: is this the certificate with that issuer (whole Name DER),
 * serial, and subjectKeyIdentifier (may be empty)? Names compare as name_eq. */
bool cms_party_is(const struct cms_party *party, struct span issuer,
                  struct span serial, struct span ski);
/* cms_put_party writes IssuerAndSerialNumber. */
void cms_put_party(struct sink *out, struct span issuer, struct span serial);

/* A certificate of whoever speaks CMS, as far as that needs it: clients sign
 * with certificates they made themselves, of version 1 too, with SHA-1 or what
 * else cert.h refuses. Views. */
struct cms_cert {
    struct span issuer, subject; /* whole Name DER, not looked into */
    struct span serial;          /* INTEGER content octets */
    struct span spki;            /* whole */
};
/* cms_cert_parse: in is exactly one certificate. BAD_MESSAGE, TRAILING_BYTES.
 * What such a certificate says is believed by nobody. */
enum bv_err cms_cert_parse(struct span in, struct cms_cert *ret) BV_CHECKED;

struct cms_signed_spec {
    const struct span *certs; /* DER, 0..LIMIT_CMS_CERTS */
    size_t num_certs;
    bool has_content;
    struct span content;
    struct span issuer, serial; /* of the signer's certificate */
    enum cms_digest digest;
    enum cms_signature signature_alg;
    struct span attr_set; /* in DER order (cms_sort_attrs) */
    struct span signature;
};
/* cms_put_signed writes the ContentInfo. RSA is named rsaEncryption: SCEP
 * clients refuse the names that hold a hash. */
void cms_put_signed(struct sink *out, const struct cms_signed_spec *spec);

/* cms_put_attr writes one attribute of one value (DER). */
void cms_put_attr(struct sink *out, struct span oid, struct span value);
/* cms_sort_attrs writes attributes (DER, one after another) in the order of a
 * SET OF. BAD_MESSAGE, TOO_MANY beyond 16. */
enum bv_err cms_sort_attrs(struct span attrs, struct sink *out) BV_CHECKED;

#endif
