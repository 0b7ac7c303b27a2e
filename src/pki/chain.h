/* Path validation of foreign chains by OpenSSL (RFC 5280 6): for `ca install`,
 * where somebody else's root signs ours, and for devices that come with their
 * manufacturer's certificate. Not on a hot path (100-250 us). Keys and digests
 * below 112 bits do not count. Revocation is not looked at. */
#ifndef BV_PKI_CHAIN_H
#define BV_PKI_CHAIN_H

#include "base/span.h"

enum chain_purpose {
    CHAIN_ANY = 0,
    CHAIN_TLS_CLIENT,
    CHAIN_TLS_SERVER,
    CHAIN_OCSP,
    CHAIN_CA, /* the leaf itself must be a CA that may sign certificates */
};

#define CHAIN_LIST_MAX 64

struct chain_options {
    const struct span *anchors; /* DER certificates; at most CHAIN_LIST_MAX */
    size_t num_anchors;
    const struct span *intermediates; /* DER, any order; as many */
    size_t num_intermediates;
    int64_t time; /* Unix seconds at which all must be valid; 0: do not
                   * check times */
    enum chain_purpose purpose;
    bool partial;     /* an anchor need not be self-signed */
    bool lenient;     /* without X509_V_FLAG_X509_STRICT: as TLS judges. Birth
                       * certificates of devices lack identifiers often */
    const char *host; /* NULL, or the DNS name the leaf must carry */
};

/* chain_verify: BV_OK when the leaf chains to an anchor. BAD_MESSAGE when a
 * certificate does not decode, EXPIRED for times, BAD_NAME for the host,
 * BAD_SIGNATURE, REFUSED for every other rule. *ret_problem, if not NULL, is
 * always set: OpenSSL's sentence, or "ok"; static storage. */
enum bv_err chain_verify(struct span leaf, const struct chain_options *options,
                         const char **ret_problem) BV_CHECKED;

#endif
