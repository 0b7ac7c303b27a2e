#include "net/tls_trust.h"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "base/auto.h"

BV_AUTO_DEFINE(bio, BIO, BIO_free_all)
BV_AUTO_DEFINE(cert, X509, X509_free)
BV_AUTO_DEFINE(store, X509_STORE, X509_STORE_free)
BV_AUTO_DEFINE(store_ctx, X509_STORE_CTX, X509_STORE_CTX_free)

/* Certificates are made in our library context, and the store keeps the
 * decoded objects: their keys are decoded once, not once a handshake. */
static enum bv_err
add_next(X509_STORE *store, BIO *in, OSSL_LIB_CTX *lib, bool *ret_more)
{
    bv_auto(cert) X509 *cert = X509_new_ex(lib, NULL);
    if (cert == NULL)
        return BV_E_NO_MEMORY;
    *ret_more = PEM_read_bio_X509(in, &cert, NULL, NULL) != NULL;
    if (!*ret_more)
        return BV_OK;
    if (X509_get0_pubkey(cert) == NULL)
        return BV_E_BAD_CONFIG;
    return X509_STORE_add_cert(store, cert) == 1 ? BV_OK : BV_E_NO_MEMORY;
}

static enum bv_err
load_store(OSSL_LIB_CTX *lib, struct span pem, X509_STORE **ret_store)
{
    bv_auto(store) X509_STORE *store = X509_STORE_new();
    bv_auto(bio) BIO *in = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (store == NULL || in == NULL)
        return BV_E_NO_MEMORY;
    bool more = true;
    size_t count = 0;
    for (; more; count += more)
        BV_TRY(add_next(store, in, lib, &more));
    if (count == 0)
        return BV_E_BAD_CONFIG;
    *ret_store = BV_STEAL(store);
    return BV_OK;
}

static enum bv_err
load_vendors(struct tls_trust *trust, const struct tls_settings *settings)
{
    size_t count = settings->num_manufacturers;
    if (count == 0)
        return BV_OK;
    trust->vendors = calloc(count, sizeof(*trust->vendors));
    if (trust->vendors == NULL)
        return BV_E_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct tls_vendor *vendor = &trust->vendors[i];
        const struct tls_anchors *from = &settings->manufacturers[i];
        BV_TRY(span_copy_str(span_str(from->name), vendor->name,
                             sizeof(vendor->name)));
        BV_TRY(load_store(trust->lib, from->pem, &vendor->store));
        trust->num_vendors = i + 1;
    }
    return BV_OK;
}

enum bv_err
tls_trust_init(struct tls_trust *trust, OSSL_LIB_CTX *lib,
               const struct tls_settings *settings)
{
    *trust = (struct tls_trust){.lib = lib,
                                .own_expired_s = settings->own_expired_s,
                                .own_any_usage = settings->own_any_usage};
    if (settings->own_pem.len > 0)
        BV_TRY(load_store(lib, settings->own_pem, &trust->own));
    return load_vendors(trust, settings);
}

void
tls_trust_done(struct tls_trust *trust)
{
    for (size_t i = 0; i < trust->num_vendors; i++)
        X509_STORE_free(trust->vendors[i].store);
    free(trust->vendors);
    X509_STORE_free(trust->own);
}

/* No anchor of this set is in the chain at all; another set may know it. One
 * that has the issuer's name but not its key is not in it either. */
static bool
is_stranger(int error)
{
    return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
           error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE ||
           error == X509_V_ERR_CERT_SIGNATURE_FAILURE ||
           error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT;
}

/* The chain without its ends: who gets it has the leaf, and trusts an anchor
 * of its own only. */
static int
keep_chain(X509_STORE_CTX *ctx, struct tls_verdict *verdict)
{
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 1; i < sk_X509_num(chain) - 1; i++) {
        X509 *cert = sk_X509_value(chain, i);
        int len = i2d_X509(cert, NULL);
        uint8_t *all = len > 0
                           ? OPENSSL_realloc(verdict->chain,
                                             verdict->chain_len + (size_t)len)
                           : NULL;
        if (all == NULL)
            return X509_V_ERR_OUT_OF_MEM;
        verdict->chain = all;
        all += verdict->chain_len;
        verdict->chain_len += (size_t)i2d_X509(cert, &all);
    }
    return X509_V_OK;
}

/* An IDevID often has no extendedKeyUsage; the purpose "ssl_client" lets that
 * pass and refuses one that has other usages only. */
static int
check_vendor(const struct tls_trust *trust, const struct tls_vendor *vendor,
             X509_STORE_CTX *given, struct tls_verdict *verdict)
{
    bv_auto(store_ctx) X509_STORE_CTX *ctx =
        X509_STORE_CTX_new_ex(trust->lib, NULL);
    if (ctx == NULL ||
        X509_STORE_CTX_init(ctx, vendor->store, X509_STORE_CTX_get0_cert(given),
                            X509_STORE_CTX_get0_untrusted(given)) != 1)
        return X509_V_ERR_OUT_OF_MEM;
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM *model = X509_STORE_CTX_get0_param(given);
    (void)X509_STORE_CTX_set_default(ctx, "ssl_client");
    (void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_depth(param, X509_VERIFY_PARAM_get_depth(model));
    X509_VERIFY_PARAM_set_auth_level(param,
                                     X509_VERIFY_PARAM_get_auth_level(model));
    if (X509_verify_cert(ctx) == 1)
        return keep_chain(ctx, verdict);
    int error = X509_STORE_CTX_get_error(ctx);
    return error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED;
}

static void
accept_as(X509_STORE_CTX *ctx, struct tls_verdict *verdict,
          enum net_trust trust, const char *name)
{
    verdict->trust = trust;
    verdict->name = name;
    verdict->failure = BV_OK;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
}

/* --- what an own certificate is forgiven --- */

struct leniency {
    const struct tls_trust *trust;
    bool used;
};

static bool
expired_lately(const X509 *cert, int64_t grace_s)
{
    time_t limit = time(NULL) - (time_t)grace_s;
    return grace_s > 0 && X509_cmp_time(X509_get0_notAfter(cert), &limit) > 0;
}

/* Its key may sign (the handshake proves that it does), but EKU says for
 * other protocols. */
static bool
may_sign(X509 *cert)
{
    return (X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE) != 0;
}

static int
on_error(int ok, X509_STORE_CTX *ctx)
{
    struct leniency *leniency = X509_STORE_CTX_get_app_data(ctx);
    X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
    int error = X509_STORE_CTX_get_error(ctx);
    bool forgiven = false;
    if (ok || X509_STORE_CTX_get_error_depth(ctx) != 0 || cert == NULL)
        return ok;
    if (error == X509_V_ERR_CERT_HAS_EXPIRED)
        forgiven = expired_lately(cert, leniency->trust->own_expired_s);
    else if (error == X509_V_ERR_INVALID_PURPOSE)
        forgiven = leniency->trust->own_any_usage && may_sign(cert);
    leniency->used |= forgiven;
    return forgiven;
}

static bool
verify_own(const struct tls_trust *trust, X509_STORE_CTX *ctx,
           struct tls_verdict *ret_verdict)
{
    struct leniency leniency = {.trust = trust};
    X509_STORE_CTX_set_app_data(ctx, &leniency);
    X509_STORE_CTX_set_verify_cb(ctx, on_error);
    bool ok = X509_verify_cert(ctx) == 1;
    X509_STORE_CTX_set_app_data(ctx, NULL);
    if (!ok)
        return false;
    accept_as(ctx, ret_verdict, leniency.used ? NET_TRUST_NONE : NET_TRUST_OWN,
              "");
    ret_verdict->renewal_only = leniency.used;
    return true;
}

static int
refuse(X509_STORE_CTX *ctx, struct tls_verdict *verdict, int error,
       enum bv_err why)
{
    verdict->failure = why;
    X509_STORE_CTX_set_error(ctx, error);
    return 0;
}

int
tls_trust_check(const struct tls_trust *trust, X509_STORE_CTX *ctx,
                struct tls_verdict *ret_verdict)
{
    int error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    OPENSSL_free(ret_verdict->chain);
    *ret_verdict = (struct tls_verdict){.name = ""};
    if (i2d_X509(X509_STORE_CTX_get0_cert(ctx), NULL) > LIMIT_CERT)
        return refuse(ctx, ret_verdict, X509_V_ERR_CERT_REJECTED,
                      BV_E_TOO_LARGE);
    if (trust->own != NULL) {
        if (verify_own(trust, ctx, ret_verdict))
            return 1;
        error = X509_STORE_CTX_get_error(ctx);
    }
    bool own_expired = error == X509_V_ERR_CERT_HAS_EXPIRED;
    for (size_t i = 0; i < trust->num_vendors && is_stranger(error); i++) {
        error = check_vendor(trust, &trust->vendors[i], ctx, ret_verdict);
        if (error != X509_V_OK)
            continue;
        accept_as(ctx, ret_verdict, NET_TRUST_MANUFACTURER,
                  trust->vendors[i].name);
        return 1;
    }
    /* Whatever stands in the way of building a chain, what the client needs
     * to know is that nobody here knows its CA. */
    if (is_stranger(error) || error == X509_V_OK)
        error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    return refuse(ctx, ret_verdict, error,
                  own_expired ? BV_E_EXPIRED : BV_E_REFUSED);
}
