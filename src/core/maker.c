#include "core/maker.h"

#include "pki/chain.h"
#include "wire/crl.h"
#include "wire/der.h"
#include "wire/name.h"

enum bv_err
maker_split(struct span all, struct span *items, size_t cap, size_t *ret_num)
{
    size_t num = 0;
    for (; all.len > 0; num++) {
        if (num == cap)
            return BV_E_TOO_MANY;
        BV_TRY(der_take_whole(&all, DER_SEQUENCE, &items[num]));
    }
    *ret_num = num;
    return BV_OK;
}

struct look {
    const struct core_manufacturer *m;
    int64_t now;
    const char **ret_problem;
};

static enum bv_err
deny(const struct look *l, enum bv_err err, const char *sentence)
{
    *l->ret_problem = sentence;
    return err;
}

/* --- one certificate --- */

static bool
is_issuers(const struct crl *crl, const struct cert *cert)
{
    return name_eq(crl->issuer, cert->issuer) &&
           (crl->key_id.len == 0 || cert->aki.len == 0 ||
            span_eq(crl->key_id, cert->aki));
}

struct finding {
    bool revoked, current, expired;
};

static enum bv_err
look_up(const struct look *l, const struct cert *cert, struct finding *ret)
{
    struct span rest = l->m->crls, der;
    *ret = (struct finding){0};
    while (rest.len > 0) {
        struct crl crl;
        struct crl_entry entry;
        bool found = false;
        BV_TRY(der_take_whole(&rest, DER_SEQUENCE, &der));
        BV_TRY(crl_parse(der, &crl));
        if (!is_issuers(&crl, cert))
            continue;
        BV_TRY(crl_find(&crl, cert->serial, &found, &entry));
        ret->revoked |= found;
        ret->current |= l->now <= crl.next_update;
        ret->expired |= l->now > crl.next_update;
    }
    return BV_OK;
}

static enum bv_err
check_one(const struct look *l, const struct cert *cert, bool required,
          const char *revoked)
{
    struct finding found;
    /* A list that cannot be read says nothing good about anybody. */
    if (look_up(l, cert, &found) != BV_OK)
        return deny(l, BV_E_REFUSED, "the manufacturer's CRL is unusable");
    if (found.revoked)
        return deny(l, BV_E_REVOKED, revoked);
    if (found.current)
        return BV_OK;
    if (found.expired)
        return deny(l, BV_E_REFUSED, "the manufacturer's CRL has expired");
    return required ? deny(l, BV_E_REFUSED,
                           "there is no CRL of the manufacturer by the issuer")
                    : BV_OK;
}

/* --- the path --- */

static enum bv_err
check_ca(const struct look *l, const struct cert *cert, bool required)
{
    return check_one(l, cert, required,
                     "the manufacturer revoked the CA of this certificate");
}

static bool
is_named(const struct cert *anchor, const struct cert *peer,
         const struct span *between, size_t num)
{
    struct cert cert;
    for (size_t i = 0; i < num; i++) {
        if (cert_parse(between[i], &cert) == BV_OK &&
            cert_names_issuer(&cert, anchor))
            return true;
    }
    return cert_names_issuer(peer, anchor);
}

static enum bv_err
check_anchors(const struct look *l, const struct cert *peer,
              const struct span *between, size_t num)
{
    struct span rest = l->m->anchors, der;
    struct cert anchor;
    while (rest.len > 0 && der_take_whole(&rest, DER_SEQUENCE, &der) == BV_OK) {
        if (cert_parse(der, &anchor) == BV_OK &&
            !cert_is_self_issued(&anchor) &&
            is_named(&anchor, peer, between, num))
            BV_TRY(check_ca(l, &anchor, false));
    }
    return BV_OK;
}

static bool
is_anchor(const struct core_manufacturer *m, struct span cert)
{
    struct span rest = m->anchors, der;
    while (rest.len > 0 && der_take_whole(&rest, DER_SEQUENCE, &der) == BV_OK) {
        if (span_eq(der, cert))
            return true;
    }
    return false;
}

enum bv_err
maker_check(const struct core_manufacturer *m, const struct cert *peer,
            struct span chain, int64_t now, const char **ret_problem)
{
    const struct look l = {m, now, ret_problem};
    struct span between[CHAIN_LIST_MAX];
    struct cert cert;
    size_t num;
    if (m->crls.len == 0 && !m->crl_required)
        return BV_OK;
    BV_TRY(check_one(&l, peer, m->crl_required,
                     "the manufacturer revoked this certificate"));
    if (maker_split(chain, between, CHAIN_LIST_MAX, &num) != BV_OK)
        return deny(&l, BV_E_REFUSED, "the chain cannot be read");
    for (size_t i = 0; i < num; i++) {
        if (is_anchor(m, between[i]))
            continue;
        if (cert_parse(between[i], &cert) != BV_OK)
            return deny(&l, BV_E_REFUSED, "the chain cannot be read");
        BV_TRY(check_ca(&l, &cert, m->crl_required));
    }
    return check_anchors(&l, peer, between, num);
}
