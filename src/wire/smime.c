#include "wire/smime.h"

#include "wire/der.h"
#include "wire/oid.h"

static void
note(struct smime_caps *caps, struct span oid)
{
    const struct {
        const struct span *oid;
        bool *seen;
    } known[] = {
        {&oid_aes128_cbc, &caps->cbc128},   {&oid_aes256_cbc, &caps->cbc256},
        {&oid_aes128_wrap, &caps->wrap128}, {&oid_aes256_wrap, &caps->wrap256},
        {&oid_rsaes_oaep, &caps->oaep},     {&oid_rsa, &caps->pkcs1},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        *known[i].seen |= span_eq(oid, *known[i].oid);
}

enum bv_err
smime_caps_parse(struct span der, struct smime_caps *ret_caps)
{
    struct smime_caps caps = {0};
    struct span list;
    BV_TRY(der_only(der, DER_SEQUENCE, &list));
    while (list.len > 0) {
        struct span one, oid;
        BV_TRY(der_take(&list, DER_SEQUENCE, &one));
        BV_TRY(der_oid(&one, &oid)); /* its parameters are its own affair */
        note(&caps, oid);
    }
    *ret_caps = caps;
    return BV_OK;
}

/* Of one kind of algorithm: is this size announced, or nothing said? */
static bool
allows(bool this_size, bool other_size)
{
    return this_size || !other_size;
}

unsigned
smime_caps_choose(const struct smime_caps *caps, bool transport)
{
    bool any_cbc = caps->cbc128 || caps->cbc256;
    bool any_wrap = caps->wrap128 || caps->wrap256;
    bool may_256 = allows(caps->cbc256, caps->cbc128);
    bool may_128 = allows(caps->cbc128, caps->cbc256);
    if (transport) {
        if (!allows(caps->oaep, caps->pkcs1) || (!any_cbc && !caps->oaep))
            return 0;
        return may_256 ? 256 : 128;
    }
    if (!any_cbc && !any_wrap)
        return 0;
    if (may_256 && allows(caps->wrap256, caps->wrap128))
        return 256;
    return may_128 && allows(caps->wrap128, caps->wrap256) ? 128 : 0;
}
