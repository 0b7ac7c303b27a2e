/* CMS "certs-only": a SignedData with certificates and no signer (RFC 5652
 * 5.1, RFC 7030 4.1.3, RFC 5272 4.1), the form in which EST hands out
 * certificates. Freestanding; spans point into the caller's buffers. */
#ifndef BV_WIRE_CMS_H
#define BV_WIRE_CMS_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"

/* Octets of framing around the certificates, at most. */
#define CMS_OVERHEAD 64

/* cms_put_certs writes ContentInfo{SignedData v1, id-data without content,
 * no signers} around num DER certificates, 1..LIMIT_CMS_CERTS (more makes the
 * sink fail). The SET OF is put in DER order; equal certificates are written
 * once. Needs the sum of the lengths plus CMS_OVERHEAD. */
void cms_put_certs(struct sink *out, const struct span *certs, size_t num);

/* Every CMS message is a ContentInfo around one SEQUENCE (RFC 5652 3).
 * cms_info_take goes down to what is inside that; UNSUPPORTED for another
 * content type (OID content octets), BAD_MESSAGE, TRAILING_BYTES. cms_info_open
 * and cms_info_close bracket it when it is written, as der_open does. */
enum bv_err cms_info_take(struct span der, struct span type,
                          struct span *ret_in) BV_CHECKED;
struct cms_info {
    size_t info, content, inside;
};
struct cms_info cms_info_open(struct sink *out, struct span type);
void cms_info_close(struct sink *out, struct cms_info marks);

/* cms_put_cert_set writes the CertificateSet of a SignedData ([0] IMPLICIT), as
 * above; nothing for none. cms_put_sorted writes DER elements in the order of a
 * SET OF, equal ones once. */
void cms_put_cert_set(struct sink *out, const struct span *certs, size_t num);
void cms_put_sorted(struct sink *out, const struct span *elements, size_t num);

struct cms_certs {
    struct span certs; /* what cms_certs_next still has to take */
};

/* cms_certs_parse reads one ContentInfo; der must hold nothing after it.
 * Certificates may stand in any order, CRLs beside them are passed over, an
 * empty list is fine. BAD_MESSAGE, TRAILING_BYTES; UNSUPPORTED for another
 * content type or when there is encapsulated content or a signer; TOO_MANY
 * beyond LIMIT_CMS_CERTS. The certificates themselves are checked only to be
 * SEQUENCEs. */
enum bv_err cms_certs_parse(struct span der,
                            struct cms_certs *ret_list) BV_CHECKED;
/* cms_certs_open reads the content of a CertificateSet by the same rules. */
enum bv_err cms_certs_open(struct span set,
                           struct cms_certs *ret_list) BV_CHECKED;
/* cms_certs_next takes the next certificate (DER, whole); false at the end. */
bool cms_certs_next(struct cms_certs *list, struct span *ret_cert);

#endif
