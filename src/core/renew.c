#include "core/renew.h"

#include <string.h>

#include "base/time.h"
#include "core/enroll.h"
#include "core/names.h"
#include "wire/name.h"
#include "wire/san.h"

/* --- an RA renews for a device --- */

struct search {
    struct work *w;
    uint64_t last;
    unsigned in_page;
    enum bv_err err;
};

static bool
has_names(const struct csr *csr, const struct cert *cert)
{
    return name_eq(csr->subject, cert->subject) &&
           (csr->san.len == 0 || san_eq(csr->san, cert->san));
}

static enum bv_err
look_at(void *user, const struct store_cert *row)
{
    struct search *search = user;
    struct work *w = search->w;
    struct cert cert;
    search->last = row->seq;
    search->in_page++;
    if (row->reason >= 0 || strcmp(row->profile, w->profile->name) != 0 ||
        row->seq < w->old_seq || row->der.len > sizeof w->old_buf)
        return BV_OK;
    if (cert_parse(row->der, &cert) != BV_OK || !has_names(&w->csr, &cert))
        return BV_OK;
    memcpy(w->old_buf, row->der.data, row->der.len);
    w->old_seq = row->seq;
    return cert_parse(span_of(w->old_buf, row->der.len), &w->old);
}

static enum bv_err
find_old(struct work *w, int64_t device)
{
    const struct store *store = w->core->store;
    struct search search = {.w = w};
    w->old_seq = 0;
    do {
        struct store_cert_filter filter = {
            .after = search.last,
            .device = device,
            .expires_after = w->now - w->profile->renew_after_expiry,
            .expires_before = TIME_NO_EXPIRY + 1,
            .status = -1,
            .limit = LIMIT_PAGE};
        search.in_page = 0;
        BV_TRY(store->cert_list(store->ctx, &filter, look_at, &search));
    } while (search.in_page == LIMIT_PAGE);
    return w->old_seq != 0
               ? BV_OK
               : work_say(w, BV_E_REFUSED,
                          "the device has no such certificate to renew");
}

static enum bv_err
find_for_ra(struct work *w)
{
    struct store_device device;
    char *name = w->job->d.device;
    if (names_of_subject(w->csr.subject, false, name) != BV_OK ||
        name[0] == '\0')
        return work_say(w, BV_E_BAD_NAME, "the CSR names no device");
    enum bv_err err = enroll_device_find(w->core, name, &device);
    if (err == BV_E_NOT_FOUND || err == BV_E_CONFLICT)
        return work_say(w, BV_E_REFUSED, "there is no such device");
    BV_TRY(err);
    return find_old(w, device.id);
}

/* --- the names --- */

static enum bv_err
check_names(struct work *w)
{
    if (!name_eq(w->csr.subject, w->old.subject))
        return work_say(w, BV_E_REFUSED,
                        "a renewal may not change the subject name");
    if (w->csr.san.len > 0 && !san_eq(w->csr.san, w->old.san))
        return work_say(w, BV_E_REFUSED, "a renewal may not change the SAN");
    if (w->csr.san.len == 0 && w->old.san.len > 0 &&
        w->profile->renew_needs_san)
        return work_say(w, BV_E_REFUSED,
                        "the CSR must repeat the SAN of the certificate");
    return BV_OK;
}

/* --- after the end --- */

/* Past its end only the last certificate renews: an older one may lie in a
 * backup or on a scrapped board. One that the device asked for with this very
 * key may never have reached it. */
static enum bv_err
check_is_last(struct work *w)
{
    struct store_device device;
    bool has_newer;
    if (w->now <= w->id.peer.not_after)
        return BV_OK;
    BV_TRY(enroll_device_find(w->core, w->job->d.device, &device));
    BV_TRY(w->core->store->cert_has_newer(
        w->core->store->ctx, device.id, w->id.seq, w->profile->name,
        SPAN_ARRAY(w->job->d.key_hash), &has_newer));
    return has_newer ? work_say(w, BV_E_REFUSED,
                                "the certificate has expired, and a newer "
                                "one took its place")
                     : BV_OK;
}

enum bv_err
renew_names(struct work *w)
{
    w->old = w->id.peer;
    w->old_seq = w->id.seq;
    if (w->id.auth == AUDIT_AUTH_RA)
        BV_TRY(find_for_ra(w));
    else
        BV_TRY(check_is_last(w));
    BV_TRY(check_names(w));
    sink_put(&w->subject, w->old.subject);
    sink_put(&w->san, w->old.san);
    return w->san.failed || w->subject.failed ? BV_E_TOO_LARGE : BV_OK;
}
