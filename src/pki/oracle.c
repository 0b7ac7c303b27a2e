#include "pki/oracle.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "pki/evp.h"
#include "wire/cert.h"

BV_AUTO_DEFINE(X509_STORE, X509_STORE, X509_STORE_free)
BV_AUTO_DEFINE(X509_STORE_CTX, X509_STORE_CTX, X509_STORE_CTX_free)

/* Encoding again must give the same octets, and not from OpenSSL's cache of
 * what it read. */
static bool
encodes_the_same(X509 *x, struct span der)
{
    unsigned char *again = NULL;
    bv_auto(X509) X509 *copy = X509_dup(x);
    if (copy == NULL || i2d_re_X509_tbs(copy, NULL) <= 0)
        return false;
    int len = i2d_X509(copy, &again);
    bool same = len > 0 && span_eq(span_of(again, (size_t)len), der);
    OPENSSL_free(again);
    return same;
}

static const char *
judge_extensions(X509 *x)
{
    for (int i = 0; i < X509_get_ext_count(x); i++) {
        X509_EXTENSION *ext = X509_get_ext(x, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
        void *value;
        if (X509V3_EXT_get(ext) == NULL) {
            if (X509_EXTENSION_get_critical(ext))
                return "a critical extension is unknown to OpenSSL";
            continue;
        }
        if (X509_get_ext_by_NID(x, nid, i) >= 0)
            return "an extension stands twice";
        value = X509V3_EXT_d2i(ext);
        if (value == NULL)
            return "an extension does not decode";
        X509V3_EXT_METHOD *method = (void *)(uintptr_t)X509V3_EXT_get(ext);
        if (method->it != NULL)
            ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
        else if (method->ext_free != NULL)
            method->ext_free(value);
    }
    return NULL;
}

/* Before there is a signature, only its failure is overlooked. */
static int
overlook_signature(int ok, X509_STORE_CTX *ctx)
{
    int code = X509_STORE_CTX_get_error(ctx);
    if (ok || code != X509_V_ERR_CERT_SIGNATURE_FAILURE ||
        X509_STORE_CTX_get_error_depth(ctx) != 0)
        return ok;
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

static const char *
judge_chain(X509 *x, X509 *issuer, bool is_signed)
{
    bv_auto(X509_STORE) X509_STORE *store = X509_STORE_new();
    bv_auto(X509_STORE_CTX) X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    if (store == NULL || ctx == NULL ||
        X509_STORE_add_cert(store, issuer) != 1 ||
        X509_STORE_CTX_init(ctx, store, x, NULL) != 1)
        return "OpenSSL is out of memory";
    X509_STORE_CTX_set_flags(
        ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN |
                 X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_CHECK_SS_SIGNATURE);
    if (!is_signed)
        X509_STORE_CTX_set_verify_cb(ctx, overlook_signature);
    if (X509_verify_cert(ctx) == 1)
        return NULL;
    return X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
}

static const char *
judge(struct span der, struct span issuer_der, bool is_signed)
{
    bv_auto(X509) X509 *x = x509_of_der(der);
    bv_auto(X509) X509 *issuer =
        x509_of_der(issuer_der.len == 0 ? der : issuer_der);
    const char *problem;

    if (x == NULL || issuer == NULL)
        return "OpenSSL cannot decode the certificate";
    if (!encodes_the_same(x, der))
        return "OpenSSL encodes the certificate differently";
    if (X509_get0_pubkey(x) == NULL)
        return "OpenSSL cannot read the public key";
    if ((X509_get_extension_flags(x) & EXFLAG_INVALID) != 0)
        return "OpenSSL finds an extension invalid";
    /* asked first: a partial chain of one would trust the certificate itself */
    int code = X509_check_issued(issuer, x);
    if (code != X509_V_OK)
        return X509_verify_cert_error_string(code);
    problem = judge_extensions(x);
    return problem != NULL ? problem : judge_chain(x, issuer, is_signed);
}

static enum bv_err
report(const char *problem, const char **ret_problem)
{
    ERR_clear_error();
    if (ret_problem != NULL)
        *ret_problem = problem == NULL ? "ok" : problem;
    return problem == NULL ? BV_OK : BV_E_LINT;
}

enum bv_err
oracle_check_cert(struct span cert, struct span issuer,
                  const char **ret_problem)
{
    return report(judge(cert, issuer, true), ret_problem);
}

enum bv_err
oracle_check_tbs(struct span tbs, enum alg_sig alg, struct span issuer,
                 const char **ret_problem)
{
    static const uint8_t stand_in[64];
    uint8_t buf[LIMIT_CERT + 256];
    struct sink out = SINK_ARRAY(buf);
    struct span der;

    cert_assemble(&out, tbs, alg, SPAN_ARRAY(stand_in));
    if (sink_done(&out, &der) != BV_OK)
        return report("the certificate is too large", ret_problem);
    return report(judge(der, issuer, false), ret_problem);
}
