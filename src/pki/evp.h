/* Inside the room only: what a struct key is made of. */
#ifndef BV_PKI_EVP_H
#define BV_PKI_EVP_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/auto.h"
#include "pki/key.h"

struct key {
    EVP_PKEY *pkey;
    enum alg_key alg;
    unsigned bits;
    bool is_private;
    /* kept between calls: making them costs as much as half a signature */
    EVP_PKEY_CTX *sign, *verify;
    EVP_MD_CTX *ed25519;
    enum alg_sig verify_alg;
};

BV_AUTO_DEFINE(EVP_PKEY, EVP_PKEY, EVP_PKEY_free)
BV_AUTO_DEFINE(EVP_PKEY_CTX, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
BV_AUTO_DEFINE(X509, X509, X509_free)

/* key_of_evp takes pkey over, also on failure; UNSUPPORTED for kinds that
 * alg.h cannot name. */
enum bv_err key_of_evp(EVP_PKEY *pkey, bool is_private,
                       struct key **ret_key) BV_CHECKED;

/* x509_of_der decodes exactly one certificate; NULL if it is not one. */
static inline X509 *
x509_of_der(struct span der)
{
    const unsigned char *p = der.data;
    bv_auto(X509) X509 *x = d2i_X509(NULL, &p, (long)der.len);
    if (x == NULL || p != der.data + der.len)
        return NULL;
    return BV_STEAL(x);
}

#endif
