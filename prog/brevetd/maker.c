#include "prog/brevetd/maker.h"

#include "base/time.h"
#include "pki/key.h"
#include "wire/cert.h"
#include "wire/crl.h"
#include "wire/pem.h"

static bool
has_signed(const struct cert *cert, const struct crl *crl)
{
    bv_auto(key) struct key *key = NULL;
    bool may = !cert->has_key_usage || (cert->key_usage & EXT_KU_CRL_SIGN) != 0;
    return may && span_eq(cert->subject, crl->issuer) &&
           key_of_spki(&cert->spki, &key) == BV_OK &&
           key_verify(key, crl->sig, crl->tbs, crl->signature) == BV_OK;
}

static bool
is_by_one_of(struct span anchors, const struct crl *crl)
{
    uint8_t buf[LIMIT_CERT];
    for (;;) {
        struct sink out = SINK_ARRAY(buf);
        struct span der;
        struct cert cert;
        enum bv_err err = pem_find(&anchors, PEM_CERTIFICATE, &out, &der);
        if (err != BV_OK)
            return false;
        if (cert_parse(der, &cert) == BV_OK && has_signed(&cert, crl))
            return true;
    }
}

static enum bv_err
judge(struct span der, struct span anchors, int64_t now, const char **problem)
{
    struct crl crl;
    *problem = "it cannot be read";
    BV_TRY(crl_parse(der, &crl));
    *problem = "it has no nextUpdate";
    if (crl.next_update == TIME_NO_EXPIRY)
        return BV_E_BAD_MESSAGE;
    *problem = "it covers a part of the certificates only";
    if (crl.idp.len > 0)
        return BV_E_UNSUPPORTED;
    *problem = "none of the manufacturer's CA certificates signed it";
    if (!is_by_one_of(anchors, &crl))
        return BV_E_BAD_SIGNATURE;
    *problem = "it has expired";
    return now > crl.next_update ? BV_E_EXPIRED : BV_OK;
}

static enum bv_err
take(struct span file, struct sink *memory, struct span *ret_der)
{
    size_t start = memory->len;
    if (pem_is(file, PEM_CRL))
        return pem_find(&file, PEM_CRL, memory, ret_der);
    sink_put(memory, file);
    *ret_der = span_of(memory->data + start, memory->len - start);
    return memory->failed ? BV_E_NO_SPACE : BV_OK;
}

enum bv_err
maker_crl(struct span file, struct span anchors, int64_t now,
          struct sink *memory, const char **ret_problem)
{
    size_t start = memory->len;
    struct span der;
    *ret_problem = "it cannot be read";
    enum bv_err err = take(file, memory, &der);
    if (err == BV_OK)
        err = judge(der, anchors, now, ret_problem);
    if (err != BV_OK)
        memory->len = start;
    return err;
}
