/* X.509 v3 certificates (RFC 5280 4.1). cert_parse gives a view into the
 * caller's octets; nothing is copied, so the DER must outlive the view.
 * Signatures are not verified here (pki/key does). Freestanding.
 *
 * Making one: cert_build_tbs -> lint_tbs -> sign -> cert_assemble. */
#ifndef BV_WIRE_CERT_H
#define BV_WIRE_CERT_H

#include "base/limits.h"
#include "base/sink.h"
#include "base/span.h"
#include "wire/alg.h"
#include "wire/ext.h"

struct cert {
    struct span whole; /* the Certificate */
    struct span tbs;   /* what the signature covers, tag included */
    enum alg_sig sig_alg;
    struct span signature; /* ECDSA-Sig-Value DER, RSA or Ed25519 octets */

    struct span serial;            /* content octets, positive, 1..20 */
    struct span issuer, subject;   /* whole Name DER */
    int64_t not_before, not_after; /* Unix seconds, both inclusive */
    struct alg_spki spki;
    struct span extensions; /* content of the SEQUENCE; empty if absent */

    /* Extensions by meaning; absent ones are zero (pathlen: -1). */
    bool has_basic_constraints, is_ca;
    int pathlen;
    bool has_key_usage;
    uint32_t key_usage; /* enum ext_ku bits */
    struct span eku;    /* ExtKeyUsageSyntax DER; ext_has_eku */
    struct span san;    /* GeneralNames DER; san_open */
    bool san_critical;
    struct span ski, aki; /* key identifier octets */
    struct span crldp_url, ocsp_url, issuers_url;
    struct span name_constraints; /* NameConstraints DER */
    bool ocsp_nocheck, no_rev_avail;
    bool unknown_critical; /* one of those we do not know is critical */
};

/* cert_parse: in is exactly one certificate. BAD_MESSAGE: not DER, not v3, the
 * two algorithms differ, serial not positive or longer than 20 octets, unique
 * identifiers, empty or duplicate extensions, notAfter before notBefore;
 * TRAILING_BYTES; TOO_LARGE beyond LIMIT_CERT; UNSUPPORTED or BAD_KEY from
 * alg.h; BAD_NAME and UNSUPPORTED from name_check and san.h. An unknown
 * critical extension parses; the caller decides. */
enum bv_err cert_parse(struct span in, struct cert *ret_cert) BV_CHECKED;

/* cert_is_current: not_before <= now <= not_after. */
bool cert_is_current(const struct cert *cert, int64_t now);
/* cert_has_eku: the EKU extension lists oid; false when there is none. */
bool cert_has_eku(const struct cert *cert, struct span oid);
/* cert_may_sign: is_ca and, if key usage is there, keyCertSign. */
bool cert_may_sign(const struct cert *cert);
/* cert_names_issuer: issuer's subject is cert's issuer and, where both are
 * there, AKI equals SKI. Says nothing about the signature. */
bool cert_names_issuer(const struct cert *cert, const struct cert *issuer);
bool cert_is_self_issued(const struct cert *cert);

struct cert_spec {
    struct span serial; /* big-endian magnitude, not zero */
    enum alg_sig sig_alg;
    struct span issuer;            /* whole Name DER, from the CA's subject */
    int64_t not_before, not_after; /* inclusive */
    struct span subject;           /* whole Name DER */
    struct span spki;              /* whole SubjectPublicKeyInfo DER */
    struct span extensions;        /* what ext_put_* wrote */
};

/* cert_build_tbs writes a TBSCertificate: UTCTime through 2049, then
 * GeneralizedTime. Check the sink afterwards. */
void cert_build_tbs(struct sink *out, const struct cert_spec *spec);
/* cert_assemble wraps it into a Certificate. */
void cert_assemble(struct sink *out, struct span tbs, enum alg_sig sig_alg,
                   struct span signature);

#endif
