#include "pki/oracle.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "pki/evp.h"
#include "wire/cert.h"

BV_AUTO_DEFINE(X509_STORE, X509_STORE, X509_STORE_free)
BV_AUTO_DEFINE(X509_STORE_CTX, X509_STORE_CTX, X509_STORE_CTX_free)

typedef STACK_OF(X509) cert_list;

static void
free_list(cert_list *list)
{
    sk_X509_pop_free(list, X509_free);
}
BV_AUTO_DEFINE(cert_list, cert_list, free_list)

struct verdict {
    enum bv_err err;
    const char *problem;
};
#define GOOD ((struct verdict){BV_OK, "ok"})

static struct verdict
bad(const char *problem)
{
    return (struct verdict){BV_E_LINT, problem};
}

/* A name that a CA above may not certify is no fault of ours: somebody has
 * asked for it. */
static struct verdict
verdict_of(int code)
{
    bool names = code == X509_V_ERR_PERMITTED_VIOLATION ||
                 code == X509_V_ERR_EXCLUDED_VIOLATION ||
                 code == X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE ||
                 code == X509_V_ERR_UNSUPPORTED_NAME_SYNTAX;
    return (struct verdict){names ? BV_E_REFUSED : BV_E_LINT,
                            X509_verify_cert_error_string(code)};
}

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

/* cas: the issuer, then those above it; the last one is trusted. */
static struct verdict
judge_chain(X509 *x, cert_list *cas, bool is_signed)
{
    bv_auto(X509_STORE) X509_STORE *store = X509_STORE_new();
    bv_auto(X509_STORE_CTX) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    X509 *top = sk_X509_value(cas, sk_X509_num(cas) - 1);

    if (store == NULL || ctx == NULL || X509_STORE_add_cert(store, top) != 1 ||
        X509_STORE_CTX_init(ctx, store, x, cas) != 1)
        return bad("OpenSSL is out of memory");
    X509_STORE_CTX_set_flags(
        ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_PARTIAL_CHAIN |
                 X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_CHECK_SS_SIGNATURE);
    if (!is_signed)
        X509_STORE_CTX_set_verify_cb(ctx, overlook_signature);
    if (X509_verify_cert(ctx) == 1)
        return GOOD;
    return verdict_of(X509_STORE_CTX_get_error(ctx));
}

static bool
add(cert_list *list, struct span der)
{
    bv_auto(X509) X509 *x = x509_of_der(der);
    if (x == NULL || sk_X509_push(list, x) <= 0)
        return false;
    (void)BV_STEAL(x); /* the list's */
    return true;
}

static struct verdict
judge(struct span der, const struct span *cas, size_t num_cas, bool is_signed)
{
    bv_auto(X509) X509 *x = x509_of_der(der);
    bv_auto(cert_list) cert_list *list = sk_X509_new_null();
    const char *problem;

    if (x == NULL || list == NULL)
        return bad("OpenSSL cannot decode the certificate");
    for (size_t i = 0; i < num_cas; i++)
        if (!add(list, cas[i]))
            return bad("OpenSSL cannot decode a CA's certificate");
    if (!encodes_the_same(x, der))
        return bad("OpenSSL encodes the certificate differently");
    if (X509_get0_pubkey(x) == NULL)
        return bad("OpenSSL cannot read the public key");
    if ((X509_get_extension_flags(x) & EXFLAG_INVALID) != 0)
        return bad("OpenSSL finds an extension invalid");
    /* asked first: a partial chain of one would trust the certificate itself */
    int code = X509_check_issued(sk_X509_value(list, 0), x);
    if (code != X509_V_OK)
        return verdict_of(code);
    problem = judge_extensions(x);
    return problem != NULL ? bad(problem) : judge_chain(x, list, is_signed);
}

static enum bv_err
report(struct verdict verdict, const char **ret_problem)
{
    ERR_clear_error();
    if (ret_problem != NULL)
        *ret_problem = verdict.problem;
    return verdict.err;
}

enum bv_err
oracle_check_cert(struct span cert, struct span issuer,
                  const char **ret_problem)
{
    const struct span ca = issuer.len == 0 ? cert : issuer;
    return report(judge(cert, &ca, 1, true), ret_problem);
}

enum bv_err
oracle_check_tbs(struct span tbs, enum alg_sig alg, struct span issuer,
                 const struct span *above, size_t num_above,
                 const char **ret_problem)
{
    static const uint8_t stand_in[64];
    uint8_t buf[LIMIT_CERT + 256];
    struct sink out = SINK_ARRAY(buf);
    struct span der, cas[1 + LIMIT_CHAIN];

    cert_assemble(&out, tbs, alg, SPAN_ARRAY(stand_in));
    if (sink_done(&out, &der) != BV_OK)
        return report(bad("the certificate is too large"), ret_problem);
    if (num_above > LIMIT_CHAIN)
        return report(bad("there are too many CAs above"), ret_problem);
    cas[0] = issuer.len == 0 ? der : issuer;
    for (size_t i = 0; i < num_above; i++)
        cas[1 + i] = above[i];
    return report(judge(der, cas, 1 + num_above, false), ret_problem);
}
