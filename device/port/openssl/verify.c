#include "device/port/openssl/port.h"

X509 *
verify_cert_of(struct bv_bytes der)
{
    const uint8_t *p = der.data;
    X509 *cert = d2i_X509(NULL, &p, (long)der.len);
    if (cert != NULL && p == der.data + der.len)
        return cert;
    X509_free(cert);
    ERR_clear_error();
    return NULL;
}

int
verify_ignore_begin(int ok, X509_STORE_CTX *ctx)
{
    if (ok || X509_STORE_CTX_get_error(ctx) != X509_V_ERR_CERT_NOT_YET_VALID)
        return ok;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* An anchor of the operator's choice need not be self-signed (partial chain);
 * everything else is held to RFC 5280 (strict). */
X509_STORE *
verify_store(const struct bv_bytes *anchors, size_t num,
             const struct bv_when *when)
{
    bv_auto(X509_STORE) X509_STORE *store = X509_STORE_new();
    if (store == NULL)
        return NULL;
    for (size_t i = 0; i < num; i++) {
        bv_auto(X509) X509 *cert = verify_cert_of(anchors[i]);
        if (cert == NULL || X509_STORE_add_cert(store, cert) != 1)
            return NULL;
    }
    X509_VERIFY_PARAM *param = X509_STORE_get0_param(store);
    X509_VERIFY_PARAM_set_time(param, (time_t)when->time);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN |
                                           X509_V_FLAG_X509_STRICT |
                                           X509_V_FLAG_CHECK_SS_SIGNATURE);
    return BV_STEAL(store);
}

STACK_OF(X509) *
verify_stack(const struct bv_bytes *certs, size_t num)
{
    STACK_OF(X509) *stack = sk_X509_new_null();
    for (size_t i = 0; stack != NULL && i < num; i++) {
        X509 *cert = verify_cert_of(certs[i]);
        if (cert == NULL) /* a helper we cannot read cannot help */
            continue;
        if (sk_X509_push(stack, cert) == 0)
            X509_free(cert);
    }
    return stack;
}

static bool
suits(X509 *cert, enum bv_purpose purpose)
{
    bool self_issued = X509_NAME_cmp(X509_get_subject_name(cert),
                                     X509_get_issuer_name(cert)) == 0;
    bool own_key = self_issued && X509_check_issued(cert, cert) == X509_V_OK;
    if (own_key && X509_self_signed(cert, 1) != 1)
        return false;
    return purpose != BV_PURPOSE_CA ||
           (X509_check_ca(cert) == 1 &&
            (X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) != 0);
}

static bool
has_path(X509 *cert, X509_STORE *store, STACK_OF(X509) *helpers, bool exact)
{
    bv_auto(X509_STORE_CTX) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (ctx == NULL || X509_STORE_CTX_init(ctx, store, cert, helpers) != 1)
        return false;
    if (!exact)
        X509_STORE_CTX_set_verify_cb(ctx, verify_ignore_begin);
    return X509_verify_cert(ctx) == 1;
}

static enum bv_port
chain(void *ctx, const struct bv_chain *chain)
{
    struct bv_openssl *openssl = ctx;
    bv_auto(X509) X509 *cert = verify_cert_of(chain->cert);
    bv_auto(X509_STORE) X509_STORE *store =
        verify_store(chain->anchors, chain->num_anchors, &chain->when);
    STACK_OF(X509) *helpers = verify_stack(chain->helpers, chain->num_helpers);
    bool good = cert != NULL && store != NULL && helpers != NULL &&
                suits(cert, chain->purpose) &&
                has_path(cert, store, helpers, chain->when.exact);
    sk_X509_pop_free(helpers, X509_free);
    return good ? BV_PORT_OK
                : openssl_note(openssl, BV_PORT_REFUSED,
                               "the certificate does not verify");
}

static enum bv_port
sha256(void *ctx, const uint8_t *data, size_t len, uint8_t ret_digest[32])
{
    struct bv_openssl *openssl = ctx;
    if (EVP_Digest(data, len, ret_digest, NULL, EVP_sha256(), NULL) != 1)
        return openssl_note(openssl, BV_PORT_FAILED, "hashing");
    return BV_PORT_OK;
}

struct bv_verify
verify_port(struct bv_openssl *openssl)
{
    return (struct bv_verify){openssl, chain, sha256};
}
