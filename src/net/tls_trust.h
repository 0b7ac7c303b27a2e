/* Who vouches for a TLS client: our own CAs, or one of the manufacturers'.
 * Part of net/tls; only tls.c includes this. */
#ifndef BV_NET_TLS_TRUST_H
#define BV_NET_TLS_TRUST_H

#include <openssl/ssl.h>

#include "base/limits.h"
#include "net/tls.h"

struct tls_vendor {
    char name[LIMIT_SHORT_NAME];
    X509_STORE *store;
};

struct tls_trust {
    OSSL_LIB_CTX *lib; /* not owned */
    X509_STORE *own;
    struct tls_vendor *vendors;
    size_t num_vendors;
    int64_t own_expired_s;
    bool own_any_usage;
};

/* tls_trust_init: BAD_CONFIG when a set does not parse or is empty (own may
 * be empty). On failure call tls_trust_done as well. */
enum bv_err tls_trust_init(struct tls_trust *trust, OSSL_LIB_CTX *lib,
                           const struct tls_settings *settings) BV_CHECKED;
void tls_trust_done(struct tls_trust *trust);

struct tls_verdict {
    enum net_trust trust;
    const char *name;    /* of the vendor, else "" */
    bool renewal_only;   /* an own one; trust is NONE */
    enum bv_err failure; /* OK, EXPIRED (an own one), REFUSED, TOO_LARGE */
    uint8_t *chain; /* what a vendor's leaf was verified by, see exchange.h;
                     * OPENSSL_free */
    size_t chain_len;
};

/* tls_trust_check verifies the chain that ctx was made for (against the own
 * anchors), then the vendors. A leaf over LIMIT_CERT is nobody's. Returns what
 * the callback of OpenSSL returns and leaves in ctx the error from which the
 * alert is made. *ret_verdict holds an earlier verdict, or zeros. */
int tls_trust_check(const struct tls_trust *trust, X509_STORE_CTX *ctx,
                    struct tls_verdict *ret_verdict);

#endif
