#include "pki/chain.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "pki/evp.h"

#define SECURITY_LEVEL 2 /* as in net/tls: 112 bits */

BV_AUTO_DEFINE(X509_STORE, X509_STORE, X509_STORE_free)
BV_AUTO_DEFINE(X509_STORE_CTX, X509_STORE_CTX, X509_STORE_CTX_free)

typedef STACK_OF(X509) cert_stack;

static void
stack_free(cert_stack *stack)
{
    sk_X509_pop_free(stack, X509_free);
}
BV_AUTO_DEFINE(stack, cert_stack, stack_free)

static enum bv_err
fill_store(X509_STORE *store, const struct chain_options *options)
{
    for (size_t i = 0; i < options->num_anchors; i++) {
        bv_auto(X509) X509 *x = x509_of_der(options->anchors[i]);
        if (x == NULL)
            return BV_E_BAD_MESSAGE;
        if (X509_STORE_add_cert(store, x) != 1)
            return BV_E_NO_MEMORY;
    }
    return BV_OK;
}

static enum bv_err
fill_stack(cert_stack *stack, const struct chain_options *options)
{
    for (size_t i = 0; i < options->num_intermediates; i++) {
        bv_auto(X509) X509 *x = x509_of_der(options->intermediates[i]);
        if (x == NULL)
            return BV_E_BAD_MESSAGE;
        if (sk_X509_push(stack, x) == 0)
            return BV_E_NO_MEMORY;
        (void)BV_STEAL(x);
    }
    return BV_OK;
}

static bool
set_params(X509_VERIFY_PARAM *param, const struct chain_options *options)
{
    static const int purposes[] = {
        [CHAIN_ANY] = X509_PURPOSE_ANY,
        [CHAIN_TLS_CLIENT] = X509_PURPOSE_SSL_CLIENT,
        [CHAIN_TLS_SERVER] = X509_PURPOSE_SSL_SERVER,
        [CHAIN_OCSP] = X509_PURPOSE_OCSP_HELPER,
        [CHAIN_CA] = X509_PURPOSE_ANY,
    };
    unsigned long flags = options->lenient ? 0 : X509_V_FLAG_X509_STRICT;

    X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
    if (options->partial)
        flags |= X509_V_FLAG_PARTIAL_CHAIN;
    if (options->time == 0)
        flags |= X509_V_FLAG_NO_CHECK_TIME;
    else
        X509_VERIFY_PARAM_set_time(param, (time_t)options->time);
    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set_flags(param, flags) == 1 &&
           X509_VERIFY_PARAM_set_purpose(param, purposes[options->purpose]) ==
               1 &&
           (options->host == NULL ||
            X509_VERIFY_PARAM_set1_host(param, options->host, 0) == 1);
}

static enum bv_err
err_of_verify(int code)
{
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return BV_E_EXPIRED;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return BV_E_BAD_NAME;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return BV_E_BAD_SIGNATURE;
    default:
        return BV_E_REFUSED;
    }
}

static enum bv_err
verify(X509_STORE_CTX *ctx, X509 *leaf, const struct chain_options *options,
       const char **ret_problem)
{
    if (X509_verify_cert(ctx) != 1) {
        int code = X509_STORE_CTX_get_error(ctx);
        *ret_problem = X509_verify_cert_error_string(code);
        return err_of_verify(code);
    }
    if (options->purpose == CHAIN_CA &&
        (X509_check_ca(leaf) != 1 ||
         (X509_get_key_usage(leaf) & KU_KEY_CERT_SIGN) == 0)) {
        *ret_problem = "the certificate is not a CA's";
        return BV_E_REFUSED;
    }
    *ret_problem = "ok";
    return BV_OK;
}

static enum bv_err
run(struct span leaf_der, const struct chain_options *options,
    const char **ret_problem)
{
    bv_auto(X509) X509 *leaf = x509_of_der(leaf_der);
    bv_auto(X509_STORE) X509_STORE *store = X509_STORE_new();
    bv_auto(X509_STORE_CTX) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    bv_auto(stack) cert_stack *others = sk_X509_new_null();

    *ret_problem = "a certificate could not be decoded";
    if (leaf == NULL)
        return BV_E_BAD_MESSAGE;
    if (options->num_anchors > CHAIN_LIST_MAX ||
        options->num_intermediates > CHAIN_LIST_MAX)
        return BV_E_TOO_MANY;
    if (store == NULL || ctx == NULL || others == NULL)
        return BV_E_NO_MEMORY;
    BV_TRY(fill_store(store, options));
    BV_TRY(fill_stack(others, options));
    if (X509_STORE_CTX_init(ctx, store, leaf, others) != 1 ||
        !set_params(X509_STORE_CTX_get0_param(ctx), options))
        return BV_E_CRYPTO;
    return verify(ctx, leaf, options, ret_problem);
}

enum bv_err
chain_verify(struct span leaf, const struct chain_options *options,
             const char **ret_problem)
{
    const char *problem;
    enum bv_err err = run(leaf, options, &problem);

    ERR_clear_error();
    if (ret_problem != NULL)
        *ret_problem = problem;
    return err;
}
