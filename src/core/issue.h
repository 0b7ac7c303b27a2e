/* From a decision to the octets that are signed: one TBSCertificate, built by
 * a profile, read back and linted. Used by the daemon for every certificate
 * and by core/ca.h offline. Nothing here is signed or stored. */
#ifndef BV_CORE_ISSUE_H
#define BV_CORE_ISSUE_H

#include "core/profile.h"
#include "wire/cert.h"

struct issue_spec {
    const struct profile *profile;
    const struct cert *issuer; /* NULL: self-signed with spki's own key */
    struct span crl_url, ocsp_url, issuer_url; /* empty: left out */
    struct span serial;                        /* magnitude */
    struct span subject;                       /* Name DER */
    struct span spki;
    struct span san; /* GeneralNames DER; empty: none */
    struct span ski; /* subjectKeyIdentifier; empty: made of the key */
    int64_t now;     /* Unix seconds */
    bool oracle;     /* ask OpenSSL for a second opinion */
    /* The CAs above the issuer, for that opinion; the next first. With them,
     * name constraints of all are kept. */
    const struct span *above;
    size_t num_above;
};

struct issue_result {
    int64_t not_before, not_after;
    enum alg_sig sig_alg;
};

/* Largest TBS: a certificate of LIMIT_CERT minus nothing worth counting. */
#define ISSUE_TBS_MAX LIMIT_CERT

/* issue_validity works out both dates (inclusive): from now minus backdate,
 * never before the issuer's notBefore, never past its notAfter unless the
 * profile has no expiry. EXPIRED when the issuer is not valid now. */
enum bv_err issue_validity(const struct profile *profile,
                           const struct cert *issuer, int64_t now,
                           int64_t *ret_not_before,
                           int64_t *ret_not_after) BV_CHECKED;

/* issue_build writes the TBSCertificate. LINT (with the rule in ret_problem)
 * when profile and request together make something RFC 5280 forbids; REFUSED
 * for a CA below an issuer whose pathLenConstraint is 0, and (with oracle)
 * for a name outside of the name constraints above. */
enum bv_err issue_build(const struct issue_spec *spec, struct sink *out,
                        struct issue_result *ret, char *ret_problem,
                        size_t cap) BV_CHECKED;

/* issue_barred: of the extended key usages, which a CA with this certificate
 * may not give, as bits 1u << enum profile_eku: if it has an extKeyUsage, those
 * that are not in it. RFC 5280 says nothing of that; verifiers take it for a
 * constraint. OCSPSigning is a service to the CA itself and never barred. */
unsigned issue_barred(const struct cert *ca);
/* issue_is_barred: the profile has one of them. */
bool issue_is_barred(const struct profile *profile, unsigned barred);

/* issue_key_id writes the subjectKeyIdentifier of a key: the leftmost 160 bits
 * of SHA-256 over the BIT STRING's octets (RFC 7093 section 2, method 1). */
#define ISSUE_KEY_ID_LEN 20
void issue_key_id(const struct alg_spki *spki,
                  uint8_t ret_id[ISSUE_KEY_ID_LEN]);

#endif
