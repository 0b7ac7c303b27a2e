#include "device/check.h"

#include "device/trust.h"
#include "wire/base64.h"
#include "wire/cert.h"
#include "wire/cms.h"
#include "wire/est.h"
#include "wire/name.h"
#include "wire/san.h"

enum bv_why
check_answer(struct dev *dev, struct span *ret_der)
{
    struct span type, body = exchange_body(&dev->exchange);
    if (!http_field_find(dev->exchange.response.fields, "Content-Type",
                         &type) ||
        !http_media_type_is(type, EST_TYPE_CACERTS))
        return BV_WHY_BAD_ANSWER;
    /* the body stands in our own BODY region */
    uint8_t *text = dev_body(dev) + (body.data - dev_body(dev));
    if (body.len == 0 ||
        base64_decode_in_place(text, body.len, ret_der) != BV_OK)
        return BV_WHY_BAD_ANSWER;
    return BV_WHY_NONE;
}

bool
check_matches_key(struct dev *dev, enum bv_slot slot, struct span der)
{
    struct cert cert;
    struct span spki;
    return cert_parse(der, &cert) == BV_OK &&
           dev_spki(dev, slot, &spki) == BV_PORT_OK &&
           span_eq(cert.spki.whole, spki);
}

/* The certificate with our key; the others may help to chain it. */
static enum bv_why
find_ours(struct dev *dev, struct span der, struct span *ret_cert,
          struct bv_bytes *others, size_t *ret_num_others)
{
    struct cms_certs list;
    struct span cert;
    bool found = false;
    *ret_num_others = 0;
    if (cms_certs_parse(der, &list) != BV_OK)
        return BV_WHY_BAD_ANSWER;
    while (cms_certs_next(&list, &cert)) {
        if (!found && check_matches_key(dev, dev_inactive(dev), cert)) {
            *ret_cert = cert;
            found = true;
        } else if (*ret_num_others < BV_TRUST_MAX) {
            others[(*ret_num_others)++] =
                (struct bv_bytes){cert.data, cert.len};
        }
    }
    if (!found)
        return *ret_num_others > 0 ? BV_WHY_WRONG_KEY : BV_WHY_BAD_ANSWER;
    return ret_cert->len <= BV_CERT_MAX ? BV_WHY_NONE : BV_WHY_TOO_LARGE;
}

static bool
has_asked_san(const struct cert *cert, const struct bv_san *san)
{
    static const enum san_type types[] = {
        [BV_SAN_DNS] = SAN_DNS,
        [BV_SAN_IP] = SAN_IP,
        [BV_SAN_URI] = SAN_URI,
        [BV_SAN_EMAIL] = SAN_EMAIL,
    };
    return cert->san.len > 0 &&
           san_has(cert->san, types[san->kind],
                   span_of(san->value.data, san->value.len));
}

static bool
is_named_as_asked(const struct dev *dev, const struct cert *cert)
{
    struct name_ava cn;
    if (name_find(cert->subject, NAME_CN, &cn) != BV_OK ||
        !span_eq_str(cn.value, dev->config.id))
        return false;
    for (size_t i = 0; i < dev->config.num_sans; i++)
        if (!has_asked_san(cert, &dev->config.sans[i]))
            return false;
    return true;
}

static bool
is_named_as_before(struct dev *dev, const struct cert *cert)
{
    struct span der;
    struct cert old;
    return dev_load_cert(dev, dev->record.active, dev_scratch(dev), BV_CERT_MAX,
                         &der) == BV_PORT_OK &&
           cert_parse(der, &old) == BV_OK &&
           name_eq(old.subject, cert->subject) && san_eq(old.san, cert->san);
}

/* Dates, and the moment at which the chain is to be judged. */
static enum bv_why
check_dates(const struct cert *cert, struct bv_when *when)
{
    if (cert->not_after <= when->time)
        return BV_WHY_DATES;
    if (!when->exact || cert->not_before <= when->time)
        return BV_WHY_NONE;
    if (cert->not_before - when->time > DEV_SKEW)
        return BV_WHY_DATES;
    when->time = cert->not_before;
    return BV_WHY_NONE;
}

enum bv_why
check_issued(struct dev *dev, struct span der, struct bv_when when,
             struct span *ret_cert)
{
    struct bv_bytes others[BV_TRUST_MAX];
    size_t num_others;
    struct span ours;
    struct cert cert;
    enum bv_why why = find_ours(dev, der, &ours, others, &num_others);
    if (why != BV_WHY_NONE)
        return why;
    if (cert_parse(ours, &cert) != BV_OK)
        return BV_WHY_BAD_ANSWER;
    bool named = dev->cred == DEV_CRED_ACTIVE ? is_named_as_before(dev, &cert)
                                              : is_named_as_asked(dev, &cert);
    if (!named)
        return BV_WHY_WRONG_NAME;
    why = check_dates(&cert, &when);
    if (why != BV_WHY_NONE)
        return why;
    trust_load(dev);
    if (!trust_chain(dev, ours, when, BV_PURPOSE_DEVICE, others, num_others))
        return BV_WHY_CHAIN;
    *ret_cert = ours;
    return BV_WHY_NONE;
}

bool
check_asks_binding(struct dev *dev)
{
    struct span der, body = exchange_body(&dev->exchange);
    struct est_csrattrs attrs;
    uint8_t *text = dev_body(dev) + (body.data - dev_body(dev));
    return body.len > 0 &&
           base64_decode_in_place(text, body.len, &der) == BV_OK &&
           est_csrattrs_decode(der, &attrs) == BV_OK && attrs.challenge;
}
