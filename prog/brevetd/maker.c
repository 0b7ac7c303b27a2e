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

enum bv_err
maker_crl(struct span file, struct span anchors, int64_t now,
          struct sink *memory, struct span *ret_der, const char **ret_problem)
{
    struct span der = file;
    *ret_problem = "it cannot be read";
    if (pem_is(file, PEM_CRL))
        BV_TRY(pem_find(&file, PEM_CRL, memory, &der));
    BV_TRY(judge(der, anchors, now, ret_problem));
    *ret_der = der;
    return BV_OK;
}
