/* The expectation is taken from a first reading of the input itself, so that
 * the rules behind the comparisons are reached. */
#include <string.h>

#include "fuzz.h"
#include "wire/cert.h"
#include "wire/lint.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char rule[LINT_RULE_MAX] = "";
    struct lint_expect expect = {.pathlen = -1};
    struct span tbs = span_of(data, len);
    struct cert cert;

    if (cert_parse(tbs, &cert) == BV_OK) {
        tbs = cert.tbs;
        expect = (struct lint_expect){
            .sig_alg = cert.sig_alg,
            .issuer = cert.issuer,
            .issuer_ski = cert.aki,
            .issuer_not_before = INT64_MIN,
            .issuer_not_after = INT64_MAX,
            .serial = cert.serial,
            .spki = cert.spki.whole,
            .subject = cert.subject,
            .not_before = cert.not_before,
            .not_after = cert.not_after,
            .is_ca = cert.is_ca,
            .pathlen = cert.pathlen,
            .key_usage = cert.key_usage,
            .san = cert.san,
            .ski = cert.ski,
            .wildcard = true,
            .basic_constraints = cert.has_basic_constraints,
            .crl_url = cert.crldp_url,
            .ocsp_url = cert.ocsp_url,
            .issuers_url = cert.issuers_url,
            .name_constraints = cert.name_constraints,
            .ocsp_nocheck = cert.ocsp_nocheck,
            .no_rev_avail = cert.no_rev_avail,
        };
    }
    if (lint_tbs(tbs, &expect, rule, sizeof(rule)) != BV_OK)
        fuzz_require(strlen(rule) > 0);
    return 0;
}
