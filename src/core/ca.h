/* Making CA objects with a key in hand: what `brevet init` and `brevet ca` do
 * offline. The running daemon builds the same bytes with the same code
 * (core/issue.h) and lets the signer sign them. */
#ifndef BV_CORE_CA_H
#define BV_CORE_CA_H

#include "core/profile.h"
#include "pki/key.h"

/* A certificate to make. Texts may be NULL. */
struct ca_spec {
    const struct profile *profile; /* "root", "intermediate", "ocsp", … */
    struct span subject; /* Name, DER; empty: made of the three texts */
    const char *cn, *organization, *country;
    struct span spki;        /* the subject's key, DER */
    struct span san;         /* GeneralNames DER; may be empty */
    struct span ski;         /* its key identifier; empty: made of the key */
    struct span issuer_cert; /* DER; empty: self-signed */
    struct key *issuer_key;  /* signs; must be issuer_cert's (or spki's) */
    struct span serial;      /* magnitude; empty: 17 octets, random, beginning
                              * with 0x41: they never meet those of a store
                              * (core/cas.h), which begin with 0x42 */
    int64_t now;             /* Unix seconds */
    const char *crl_url, *ocsp_url, *issuer_url; /* of the issuer */
};

/* ca_issue builds, lints (own reader and OpenSSL), signs and writes the DER
 * certificate. LINT, WRONG_KEY, CRYPTO, BAD_NAME with a sentence. */
enum bv_err ca_issue(const struct ca_spec *spec, struct sink *out,
                     char *ret_problem, size_t cap) BV_CHECKED;

/* ca_csr writes a PKCS #10 request for a CA key whose certificate somebody
 * else will sign. */
enum bv_err ca_csr(struct key *key, const char *cn, const char *organization,
                   const char *country, struct sink *out) BV_CHECKED;

/* ca_csr_of is ca_csr for a subject given as DER. */
enum bv_err ca_csr_of(struct key *key, struct span subject,
                      struct sink *out) BV_CHECKED;

/* ca_check judges a certificate that is to be installed for a CA key: the key
 * matches, it is a CA that may sign certificates and CRLs, it is valid now, it
 * chains through chain[0 .. num-1] (its issuer first, the root last) with
 * their constraints. spki may be empty: not compared. REFUSED, WRONG_KEY,
 * EXPIRED, BAD_SIGNATURE … with a sentence. */
enum bv_err ca_check(struct span cert, struct span spki,
                     const struct span *chain, size_t num_chain, int64_t now,
                     char *ret_problem, size_t cap) BV_CHECKED;

/* ca_host_san writes GeneralNames for host names and address literals.
 * BAD_NAME. */
enum bv_err ca_host_san(const char *const *hosts, size_t num_hosts,
                        struct sink *out) BV_CHECKED;

#endif
