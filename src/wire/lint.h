/* The last look before signing. lint_tbs reads a TBSCertificate back from its
 * octets alone, trusting nothing of what made it, and checks every rule of RFC
 * 5280 and of the house that can be checked without other documents; then it
 * compares with what was decided. A finding means a bug of ours or a profile
 * that contradicts itself: the certificate must not be signed. A few
 * microseconds; freestanding. */
#ifndef BV_WIRE_LINT_H
#define BV_WIRE_LINT_H

#include "base/span.h"
#include "wire/alg.h"

/* A rule's name ("serial-positive") fits with its NUL. */
#define LINT_RULE_MAX 40

/* What was decided. Every field counts: an empty SAN means "no SAN". */
struct lint_expect {
    enum alg_sig sig_alg;
    bool self_signed;       /* a root: issuer fields below are its own */
    struct span issuer;     /* Name DER of the CA's subject */
    struct span issuer_ski; /* empty: then no AKI may be there */
    int64_t issuer_not_before, issuer_not_after;
    bool outlive_issuer; /* notAfter 99991231235959Z may exceed the issuer's */
    struct span serial;  /* magnitude; leading zeros do not count */
    struct span spki;    /* whole DER */
    struct span subject; /* Name DER */
    int64_t not_before, not_after;
    int64_t max_lifetime; /* seconds, inclusive ends; 0: no bound */
    bool is_ca;
    int pathlen;            /* -1: absent */
    uint32_t key_usage;     /* enum ext_ku bits */
    const struct span *eku; /* OIDs, in any order */
    size_t num_eku;
    struct span san;        /* GeneralNames DER; empty: none */
    struct span ski;        /* empty: none */
    bool wildcard;          /* a dNSName may begin with "*." */
    bool basic_constraints; /* the extension is there */
    struct span crl_url, ocsp_url, issuers_url; /* empty: none */
    struct span name_constraints; /* NameConstraints DER; empty: none */
    bool ocsp_nocheck, no_rev_avail;
};

/* lint_tbs: BV_OK or LINT with the name of the first rule broken in ret_rule,
 * NUL-terminated and cut to cap (LINT_RULE_MAX fits all). */
enum bv_err lint_tbs(struct span tbs, const struct lint_expect *expect,
                     char *ret_rule, size_t cap) BV_CHECKED;

/* lint_rule_name: the i-th rule's name and sentence; NULL past the last. */
const char *lint_rule_name(size_t i);
const char *lint_rule_text(size_t i);

#endif
