/* A second opinion on certificates we build: OpenSSL decodes them, encodes
 * them again, reads every extension and judges them with X509_V_FLAG_X509_
 * STRICT against their issuer and, where they are given, the CAs above it. It
 * costs about 300 us on OpenSSL 3.0, and 100 us for each CA above, so core asks
 * for the first certificate after a change, for a sample, or for all with
 * `lint = full`; and for all below name constraints, which nobody else here
 * judges. */
#ifndef BV_PKI_ORACLE_H
#define BV_PKI_ORACLE_H

#include "base/span.h"
#include "wire/alg.h"

/* oracle_check_cert judges a finished certificate. issuer is the issuer's DER
 * certificate; empty for a self-signed one. Times are not compared with any
 * clock. LINT when something is wrong, with *ret_problem (if not NULL) a
 * sentence in static storage; "ok" otherwise. */
enum bv_err oracle_check_cert(struct span cert, struct span issuer,
                              const char **ret_problem) BV_CHECKED;
/* oracle_check_tbs is the same before there is a signature: the TBS is wrapped
 * with a stand-in, and only the signature itself is not judged. above are the
 * CAs above the issuer, the next first, the last one trusted; there may be
 * none. REFUSED for a name outside of the name constraints of one of them. */
enum bv_err oracle_check_tbs(struct span tbs, enum alg_sig alg,
                             struct span issuer, const struct span *above,
                             size_t num_above,
                             const char **ret_problem) BV_CHECKED;

#endif
