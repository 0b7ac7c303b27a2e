#include "wire/cms.h"

#include "wire/der.h"
#include "wire/oid.h"

/* --- writing --- */

/* least_after returns the least certificate greater than *last (all of them
 * when last is NULL): a selection sort without memory, for at most 16. */
static const struct span *
least_after(const struct span *certs, size_t num, const struct span *last)
{
    const struct span *least = NULL;

    for (size_t i = 0; i < num; i++) {
        if (last != NULL && span_cmp(certs[i], *last) <= 0)
            continue;
        if (least == NULL || span_cmp(certs[i], *least) < 0)
            least = &certs[i];
    }
    return least;
}

/* X.690 11.6: the elements of a SET OF ascend as octet strings. DER elements
 * cannot be proper prefixes of each other, so plain comparison decides. */
void
cms_put_sorted(struct sink *out, const struct span *certs, size_t num)
{
    const struct span *next = least_after(certs, num, NULL);

    while (next != NULL) {
        der_put_raw(out, *next);
        next = least_after(certs, num, next);
    }
}

struct cms_info
cms_info_open(struct sink *out, struct span type)
{
    struct cms_info marks;

    marks.info = der_open(out, DER_SEQUENCE);
    der_put_oid(out, type);
    marks.content = der_open(out, DER_CONTEXT_CONS(0));
    marks.inside = der_open(out, DER_SEQUENCE);
    return marks;
}

void
cms_info_close(struct sink *out, struct cms_info marks)
{
    der_close(out, marks.inside);
    der_close(out, marks.content);
    der_close(out, marks.info);
}

void
cms_put_cert_set(struct sink *out, const struct span *certs, size_t num)
{
    if (num == 0)
        return;
    size_t set = der_open(out, DER_CONTEXT_CONS(0));
    cms_put_sorted(out, certs, num);
    der_close(out, set);
}

void
cms_put_certs(struct sink *out, const struct span *certs, size_t num)
{
    if (num == 0 || num > LIMIT_CMS_CERTS) {
        out->failed = true;
        return;
    }
    struct cms_info marks = cms_info_open(out, oid_cms_signed_data);
    der_put_uint(out, 1);
    der_put(out, DER_SET, SPAN_EMPTY); /* digestAlgorithms */
    size_t encap = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid_cms_data);
    der_close(out, encap);
    cms_put_cert_set(out, certs, num);
    der_put(out, DER_SET, SPAN_EMPTY); /* signerInfos */
    cms_info_close(out, marks);
}

/* --- reading --- */

static enum bv_err
check_oid(struct span *in, struct span want)
{
    struct span oid;

    BV_TRY(der_oid(in, &oid));
    return span_eq(oid, want) ? BV_OK : BV_E_UNSUPPORTED;
}

enum bv_err
cms_info_take(struct span der, struct span type, struct span *ret_in)
{
    struct span info;
    struct span content;

    BV_TRY(der_only(der, DER_SEQUENCE, &info));
    BV_TRY(check_oid(&info, type));
    BV_TRY(der_take(&info, DER_CONTEXT_CONS(0), &content));
    BV_TRY(span_end(info));
    return der_only(content, DER_SEQUENCE, ret_in);
}

/* RFC 5652 5.1: some senders write version 3, and name digest algorithms
 * nobody used; neither changes what the certificates are. */
static enum bv_err
skip_to_certs(struct span *in)
{
    uint64_t version;
    struct span skipped;
    struct span encap;

    BV_TRY(der_uint(in, &version));
    if (version < 1 || version > 5)
        return BV_E_UNSUPPORTED;
    BV_TRY(der_take(in, DER_SET, &skipped));
    BV_TRY(der_take(in, DER_SEQUENCE, &encap));
    BV_TRY(check_oid(&encap, oid_cms_data));
    return encap.len == 0 ? BV_OK : BV_E_UNSUPPORTED;
}

enum bv_err
cms_certs_open(struct span set, struct cms_certs *ret_list)
{
    struct span rest = set;
    struct span cert;

    for (unsigned num = 0; rest.len > 0; num++) {
        if (num == LIMIT_CMS_CERTS)
            return BV_E_TOO_MANY;
        BV_TRY(der_take(&rest, DER_SEQUENCE, &cert));
    }
    ret_list->certs = set;
    return BV_OK;
}

enum bv_err
cms_certs_parse(struct span der, struct cms_certs *ret_list)
{
    struct span in;
    struct span certs = SPAN_EMPTY;
    struct span signers;
    struct span skipped;
    bool present;

    BV_TRY(cms_info_take(der, oid_cms_signed_data, &in));
    BV_TRY(skip_to_certs(&in));
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(0), &present, &certs));
    if (!present)
        certs = SPAN_EMPTY;
    BV_TRY(der_take_opt(&in, DER_CONTEXT_CONS(1), &present, &skipped));
    BV_TRY(der_take(&in, DER_SET, &signers));
    BV_TRY(span_end(in));
    if (signers.len > 0)
        return BV_E_UNSUPPORTED;
    return cms_certs_open(certs, ret_list);
}

bool
cms_certs_next(struct cms_certs *list, struct span *ret_cert)
{
    return der_take_whole(&list->certs, DER_SEQUENCE, ret_cert) == BV_OK;
}
