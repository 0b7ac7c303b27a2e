#include "wire/ext.h"

#include "wire/der.h"
#include "wire/oid.h"
#include "wire/san.h"

/* --- writing --- */

void
ext_open(struct sink *out, struct span oid, bool critical, size_t mark[2])
{
    mark[0] = der_open(out, DER_SEQUENCE);
    der_put_oid(out, oid);
    if (critical) /* DEFAULT FALSE is never written, X.690 11.5 */
        der_put_boolean(out, true);
    mark[1] = der_open(out, DER_OCTET_STRING);
}

void
ext_close(struct sink *out, const size_t mark[2])
{
    der_close(out, mark[1]);
    der_close(out, mark[0]);
}

void
ext_put(struct sink *out, struct span oid, bool critical, struct span value)
{
    size_t mark[2];

    ext_open(out, oid, critical, mark);
    der_put_raw(out, value);
    ext_close(out, mark);
}

void
ext_put_basic_constraints(struct sink *out, bool is_ca, int pathlen)
{
    size_t mark[2], seq;

    ext_open(out, oid_basic_constraints, true, mark);
    seq = der_open(out, DER_SEQUENCE);
    if (is_ca)
        der_put_boolean(out, true);
    if (is_ca && pathlen >= 0)
        der_put_uint(out, (uint64_t)pathlen);
    der_close(out, seq);
    ext_close(out, mark);
}

void
ext_put_key_usage(struct sink *out, uint32_t mask)
{
    size_t mark[2];

    ext_open(out, oid_key_usage, true, mark);
    der_put_named_bits(out, mask);
    ext_close(out, mark);
}

void
ext_put_eku(struct sink *out, const struct span *oids, size_t num_oids)
{
    size_t mark[2], seq;

    ext_open(out, oid_eku, false, mark);
    seq = der_open(out, DER_SEQUENCE);
    for (size_t i = 0; i < num_oids; i++)
        der_put_oid(out, oids[i]);
    der_close(out, seq);
    ext_close(out, mark);
}

void
ext_put_san(struct sink *out, struct span san, bool critical)
{
    ext_put(out, oid_san, critical, san);
}

void
ext_put_ski(struct sink *out, struct span key_id)
{
    size_t mark[2];

    ext_open(out, oid_ski, false, mark);
    der_put(out, DER_OCTET_STRING, key_id);
    ext_close(out, mark);
}

void
ext_put_aki(struct sink *out, struct span key_id)
{
    size_t mark[2], seq;

    ext_open(out, oid_aki, false, mark);
    seq = der_open(out, DER_SEQUENCE);
    der_put(out, DER_CONTEXT(0), key_id);
    der_close(out, seq);
    ext_close(out, mark);
}

void
ext_put_crldp(struct sink *out, struct span url)
{
    size_t mark[2], points, point, name, full;

    ext_open(out, oid_crldp, false, mark);
    points = der_open(out, DER_SEQUENCE);
    point = der_open(out, DER_SEQUENCE);
    name = der_open(out, DER_CONTEXT_CONS(0));
    full = der_open(out, DER_CONTEXT_CONS(0));
    san_put(out, SAN_URI, url);
    der_close(out, full);
    der_close(out, name);
    der_close(out, point);
    der_close(out, points);
    ext_close(out, mark);
}

static void
put_access(struct sink *out, struct span method, struct span url)
{
    size_t mark;

    if (url.len == 0)
        return;
    mark = der_open(out, DER_SEQUENCE);
    der_put_oid(out, method);
    san_put(out, SAN_URI, url);
    der_close(out, mark);
}

void
ext_put_aia(struct sink *out, struct span ocsp_url, struct span issuers_url)
{
    size_t mark[2], seq;

    ext_open(out, oid_aia, false, mark);
    seq = der_open(out, DER_SEQUENCE);
    put_access(out, oid_ad_ocsp, ocsp_url);
    put_access(out, oid_ad_ca_issuers, issuers_url);
    der_close(out, seq);
    ext_close(out, mark);
}

void
ext_put_ocsp_nocheck(struct sink *out)
{
    ext_put(out, oid_ocsp_nocheck, false, SPAN_LIT("\x05\x00"));
}

void
ext_put_no_rev_avail(struct sink *out)
{
    ext_put(out, oid_no_rev_avail, false, SPAN_LIT("\x05\x00"));
}

void
ext_put_name_constraints(struct sink *out, struct span value)
{
    ext_put(out, oid_name_constraints, true, value);
}

/* GeneralSubtrees, left out when empty. */
static void
put_subtrees(struct sink *out, uint8_t tag, const struct span *dns, size_t num)
{
    if (num == 0)
        return;
    size_t list = der_open(out, tag);
    for (size_t i = 0; i < num; i++) {
        size_t subtree = der_open(out, DER_SEQUENCE);

        san_put(out, SAN_DNS, dns[i]);
        der_close(out, subtree);
    }
    der_close(out, list);
}

void
ext_build_name_constraints(struct sink *out, const struct span *permitted,
                           size_t num_permitted, const struct span *excluded,
                           size_t num_excluded)
{
    size_t seq = der_open(out, DER_SEQUENCE);

    put_subtrees(out, DER_CONTEXT_CONS(0), permitted, num_permitted);
    put_subtrees(out, DER_CONTEXT_CONS(1), excluded, num_excluded);
    der_close(out, seq);
}

/* --- walking --- */

void
ext_first(struct span extensions, struct ext_iter *ret_iter)
{
    *ret_iter = (struct ext_iter){extensions, extensions, 0};
}

static enum bv_err
take_ext(struct span *in, struct ext *ret_ext)
{
    struct ext ext = {0};
    struct span seq;

    BV_TRY(der_take(in, DER_SEQUENCE, &seq));
    BV_TRY(der_oid(&seq, &ext.oid));
    if (der_next_is(seq, DER_BOOLEAN)) {
        BV_TRY(der_boolean(&seq, &ext.critical));
        if (!ext.critical)
            return BV_E_BAD_MESSAGE; /* the default, written out */
    }
    BV_TRY(der_take(&seq, DER_OCTET_STRING, &ext.value));
    if (seq.len != 0)
        return BV_E_BAD_MESSAGE;
    *ret_ext = ext;
    return BV_OK;
}

/* The walk has no memory: what came before is read again. LIMIT_EXTENSIONS
 * keeps that cheap. */
static bool
came_before(const struct ext_iter *iter, struct span oid)
{
    struct span before =
        span_of(iter->all.data, iter->all.len - iter->rest.len);
    struct ext ext;

    while (before.len > 0 && take_ext(&before, &ext) == BV_OK) {
        if (span_eq(ext.oid, oid))
            return true;
    }
    return false;
}

enum bv_err
ext_next(struct ext_iter *iter, struct ext *ret_ext)
{
    struct span rest = iter->rest;
    struct ext ext;

    if (rest.len == 0)
        return BV_E_NOT_FOUND;
    if (iter->num == LIMIT_EXTENSIONS)
        return BV_E_TOO_MANY;
    BV_TRY(take_ext(&rest, &ext));
    if (came_before(iter, ext.oid))
        return BV_E_BAD_MESSAGE; /* RFC 5280 4.2 */
    iter->rest = rest;
    iter->num++;
    *ret_ext = ext;
    return BV_OK;
}

enum bv_err
ext_find(struct span extensions, struct span oid, struct ext *ret_ext)
{
    struct ext_iter iter;
    struct ext ext;

    ext_first(extensions, &iter);
    for (;;) {
        BV_TRY(ext_next(&iter, &ext));
        if (span_eq(ext.oid, oid)) {
            *ret_ext = ext;
            return BV_OK;
        }
    }
}

/* --- values --- */

enum bv_err
ext_basic_constraints(struct span value, bool *ret_is_ca, int *ret_pathlen)
{
    struct span seq;
    bool is_ca = false;
    uint64_t pathlen;

    *ret_pathlen = -1;
    BV_TRY(der_only(value, DER_SEQUENCE, &seq));
    if (der_next_is(seq, DER_BOOLEAN)) {
        BV_TRY(der_boolean(&seq, &is_ca));
        if (!is_ca)
            return BV_E_BAD_MESSAGE; /* DEFAULT FALSE written out */
    }
    if (seq.len > 0) {
        BV_TRY(der_uint(&seq, &pathlen));
        if (!is_ca || pathlen > INT16_MAX)
            return BV_E_BAD_MESSAGE; /* RFC 5280 4.2.1.9 */
        *ret_pathlen = (int)pathlen;
    }
    *ret_is_ca = is_ca;
    return seq.len == 0 ? BV_OK : BV_E_BAD_MESSAGE;
}

enum bv_err
ext_key_usage(struct span value, uint32_t *ret_mask)
{
    uint32_t mask;

    BV_TRY(der_named_bits(&value, &mask));
    BV_TRY(span_end(value));
    if (mask == 0) /* RFC 5280 4.2.1.3: at least one bit */
        return BV_E_BAD_MESSAGE;
    *ret_mask = mask;
    return BV_OK;
}

enum bv_err
ext_check_eku(struct span value)
{
    struct span seq, oid;
    size_t num = 0;

    BV_TRY(der_only(value, DER_SEQUENCE, &seq));
    if (seq.len == 0)
        return BV_E_BAD_MESSAGE;
    while (seq.len > 0) {
        struct span all = value, before;

        if (num++ == LIMIT_EXTENSIONS)
            return BV_E_TOO_MANY;
        BV_TRY(der_take(&all, DER_SEQUENCE, &before));
        before.len -= seq.len;
        BV_TRY(der_oid(&seq, &oid));
        while (before.len > 0) {
            struct span other;

            BV_TRY(der_oid(&before, &other));
            if (span_eq(other, oid))
                return BV_E_BAD_MESSAGE;
        }
    }
    return BV_OK;
}

bool
ext_has_eku(struct span value, struct span oid)
{
    struct span seq, found;

    if (der_only(value, DER_SEQUENCE, &seq) != BV_OK)
        return false;
    while (seq.len > 0 && der_oid(&seq, &found) == BV_OK) {
        if (span_eq(found, oid))
            return true;
    }
    return false;
}

enum bv_err
ext_ski(struct span value, struct span *ret_key_id)
{
    struct span key_id;

    BV_TRY(der_only(value, DER_OCTET_STRING, &key_id));
    if (key_id.len == 0)
        return BV_E_BAD_MESSAGE;
    *ret_key_id = key_id;
    return BV_OK;
}

enum bv_err
ext_aki(struct span value, struct span *ret_key_id)
{
    struct span seq, skipped, key_id = SPAN_EMPTY;
    bool has_id, has_issuer, has_serial;

    BV_TRY(der_only(value, DER_SEQUENCE, &seq));
    BV_TRY(der_take_opt(&seq, DER_CONTEXT(0), &has_id, &key_id));
    BV_TRY(der_take_opt(&seq, DER_CONTEXT_CONS(1), &has_issuer, &skipped));
    BV_TRY(der_take_opt(&seq, DER_CONTEXT(2), &has_serial, &skipped));
    if (seq.len != 0 || has_issuer != has_serial || (has_id && key_id.len == 0))
        return BV_E_BAD_MESSAGE;
    *ret_key_id = key_id;
    return BV_OK;
}

static bool
is_http(struct span url)
{
    struct span http = SPAN_LIT("http://"), https = SPAN_LIT("https://");

    return (url.len > http.len &&
            span_eq_nocase(span_of(url.data, http.len), http)) ||
           (url.len > https.len &&
            span_eq_nocase(span_of(url.data, https.len), https));
}

/* The first http URL in the content of a GeneralNames. */
static enum bv_err
find_url(struct span names, struct span *ret_url)
{
    while (names.len > 0) {
        struct span name;
        uint8_t tag;

        BV_TRY(der_any(&names, &tag, &name, NULL));
        if (tag == DER_CONTEXT(SAN_URI) && is_http(name)) {
            *ret_url = name;
            return BV_OK;
        }
    }
    return BV_OK;
}

/* DistributionPointName: fullName [0] or nameRelativeToCRLIssuer [1]. */
static enum bv_err
take_point_name(struct span name, struct span *ret_url)
{
    struct span full;

    if (!der_next_is(name, DER_CONTEXT_CONS(0)))
        return der_only(name, DER_CONTEXT_CONS(1), &full);
    BV_TRY(der_only(name, DER_CONTEXT_CONS(0), &full));
    return full.len > 0 ? find_url(full, ret_url) : BV_E_BAD_MESSAGE;
}

/* RFC 5280 4.2.1.13: a point has a name or a cRLIssuer. */
static enum bv_err
take_point(struct span *points, struct span *ret_url)
{
    struct span point, name, skipped;
    bool has_name, has_reasons, has_issuer;

    BV_TRY(der_take(points, DER_SEQUENCE, &point));
    BV_TRY(der_take_opt(&point, DER_CONTEXT_CONS(0), &has_name, &name));
    BV_TRY(der_take_opt(&point, DER_CONTEXT(1), &has_reasons, &skipped));
    BV_TRY(der_take_opt(&point, DER_CONTEXT_CONS(2), &has_issuer, &skipped));
    if (point.len != 0 || (!has_name && !has_issuer))
        return BV_E_BAD_MESSAGE;
    return has_name ? take_point_name(name, ret_url) : BV_OK;
}

enum bv_err
ext_crldp(struct span value, struct span *ret_url)
{
    struct span points, url = SPAN_EMPTY, ignored;

    BV_TRY(der_only(value, DER_SEQUENCE, &points));
    BV_TRY(take_point(&points, &url));
    while (points.len > 0)
        BV_TRY(take_point(&points, &ignored));
    *ret_url = url;
    return BV_OK;
}

/* accessLocation is one GeneralName. */
static enum bv_err
take_location(struct span access, struct span *ret_url)
{
    struct span rest = access, name;
    uint8_t tag;

    *ret_url = SPAN_EMPTY;
    BV_TRY(der_any(&rest, &tag, &name, NULL));
    return rest.len == 0 ? find_url(access, ret_url) : BV_E_BAD_MESSAGE;
}

enum bv_err
ext_aia(struct span value, struct span *ret_ocsp, struct span *ret_issuers)
{
    struct span list, ocsp = SPAN_EMPTY, issuers = SPAN_EMPTY;

    BV_TRY(der_only(value, DER_SEQUENCE, &list));
    if (list.len == 0)
        return BV_E_BAD_MESSAGE;
    while (list.len > 0) {
        struct span access, method, url;

        BV_TRY(der_take(&list, DER_SEQUENCE, &access));
        BV_TRY(der_oid(&access, &method));
        BV_TRY(take_location(access, &url));
        if (span_eq(method, oid_ad_ocsp) && ocsp.len == 0)
            ocsp = url;
        if (span_eq(method, oid_ad_ca_issuers) && issuers.len == 0)
            issuers = url;
    }
    *ret_ocsp = ocsp;
    *ret_issuers = issuers;
    return BV_OK;
}

enum bv_err
ext_null(struct span value)
{
    BV_TRY(der_null(&value));
    return span_end(value);
}
