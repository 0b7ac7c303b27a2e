#include "device/trust.h"

#include "wire/cert.h"
#include "wire/cms.h"

#define FORMAT    1
#define ITEM_HEAD 5 /* kind and length */

/* A bag from the server, sorted by what it may become. */
struct bag {
    struct bv_bytes certs[LIMIT_CMS_CERTS];
    size_t num;
};

static struct span
as_span(struct bv_bytes bytes)
{
    return span_of(bytes.data, bytes.len);
}

static struct bv_bytes
as_bytes(struct span span)
{
    return (struct bv_bytes){span.data, span.len};
}

static bool
is_listed(const struct bv_bytes *list, size_t num, struct span cert)
{
    for (size_t i = 0; i < num; i++)
        if (span_eq(as_span(list[i]), cert))
            return true;
    return false;
}

/* --- the stored form --- */

bool
trust_item(struct span set, size_t index, struct span *ret_cert,
           bool *ret_anchor)
{
    uint8_t format, anchor = 0;
    struct span cert = SPAN_EMPTY;
    if (span_u8(&set, &format) != BV_OK || format != FORMAT)
        return false;
    for (size_t i = 0; i <= index; i++)
        if (span_u8(&set, &anchor) != BV_OK || span_bytes(&set, &cert) != BV_OK)
            return false;
    *ret_cert = cert;
    *ret_anchor = anchor == 1;
    return true;
}

static void
put_item(struct sink *out, bool anchor, struct span cert)
{
    sink_u8(out, anchor ? 1 : 0);
    sink_bytes(out, cert);
}

static enum bv_record
generation(int which)
{
    return which == 1 ? BV_RECORD_TRUST_B : BV_RECORD_TRUST_A;
}

static void
hold(struct dev *dev, struct span set)
{
    struct span cert;
    bool anchor;
    for (size_t i = 0; trust_item(set, i, &cert, &anchor); i++) {
        if (anchor && dev->num_anchors < 2 * BV_TRUST_MAX)
            dev->anchors[dev->num_anchors++] = as_bytes(cert);
        if (!anchor && dev->num_helpers < BV_TRUST_MAX)
            dev->helpers[dev->num_helpers++] = as_bytes(cert);
    }
}

void
trust_load(struct dev *dev)
{
    size_t len = 0;
    dev->num_anchors = dev->num_helpers = 0;
    for (size_t i = 0; i < dev->config.num_anchors; i++)
        dev->anchors[dev->num_anchors++] = dev->config.anchors[i];
    if (dev->record.trust < 0)
        return;
    const struct bv_storage *storage = &dev->ports.storage;
    enum bv_port got = storage->get(storage->ctx, generation(dev->record.trust),
                                    dev_trust(dev), DEV_TRUST_SIZE, &len);
    if (got == BV_PORT_FAILED && dev->trust_tries < DEV_TRIES) {
        dev->trust_tries++; /* the pins may have been outlived: do not forget */
        return;
    }
    dev->trust_tries = 0;
    if (got != BV_PORT_OK)
        len = 0;
    if (len == 0)
        dev->record.trust = -1; /* begin again from the pins */
    hold(dev, span_of(dev_trust(dev), len));
}

/* --- judging --- */

static bool
chain(struct dev *dev, const struct bv_chain *question)
{
    dev_yield(dev);
    const struct bv_verify *verify = &dev->ports.verify;
    return verify->chain(verify->ctx, question) == BV_PORT_OK;
}

bool
trust_chain(struct dev *dev, struct span cert, struct bv_when when,
            enum bv_purpose purpose, const struct bv_bytes *extra,
            size_t num_extra)
{
    struct bv_bytes helpers[2 * BV_TRUST_MAX];
    size_t num = 0;
    for (size_t i = 0; i < num_extra && num < BV_TRUST_MAX; i++)
        helpers[num++] = extra[i];
    for (size_t i = 0; i < dev->num_helpers; i++)
        helpers[num++] = dev->helpers[i];
    struct bv_chain question = {
        .cert = as_bytes(cert),
        .helpers = helpers,
        .num_helpers = num,
        .anchors = dev->anchors,
        .num_anchors = dev->num_anchors,
        .when = when,
        .purpose = purpose,
    };
    return chain(dev, &question);
}

static bool
verifies_itself(struct dev *dev, struct span der)
{
    struct bv_bytes self = as_bytes(der);
    struct bv_chain question = {
        .cert = self,
        .anchors = &self,
        .num_anchors = 1,
        .when = dev->when,
        .purpose = BV_PURPOSE_CA,
    };
    return chain(dev, &question);
}

static bool
has_fingerprint(struct dev *dev, struct span der)
{
    uint8_t digest[32];
    const struct bv_verify *verify = &dev->ports.verify;
    return verify->sha256(verify->ctx, der.data, der.len, digest) ==
               BV_PORT_OK &&
           span_eq(SPAN_ARRAY(digest), span_of(dev->config.fingerprint, 32));
}

/* Is there another certificate in the bag over the same subject and key that
 * the old anchors vouch for? */
static bool
is_linked(struct dev *dev, const struct bag *bag, struct span der,
          const struct cert *candidate)
{
    for (size_t i = 0; i < bag->num; i++) {
        struct span other = as_span(bag->certs[i]);
        struct cert link;
        if (span_eq(other, der) || cert_parse(other, &link) != BV_OK)
            continue;
        if (span_eq(link.subject, candidate->subject) &&
            span_eq(link.spki.whole, candidate->spki.whole) &&
            trust_chain(dev, other, dev->when, BV_PURPOSE_CA, bag->certs,
                        bag->num))
            return true;
    }
    return false;
}

static bool
may_become_anchor(struct dev *dev, const struct bag *bag, struct span der,
                  bool first)
{
    struct cert cert;
    if (cert_parse(der, &cert) != BV_OK || !cert_may_sign(&cert))
        return false;
    if (first && dev->config.fingerprint != NULL && has_fingerprint(dev, der))
        return verifies_itself(dev, der);
    return cert_is_self_issued(&cert) && dev->num_anchors > 0 &&
           is_linked(dev, bag, der, &cert) && verifies_itself(dev, der);
}

/* --- a new set --- */

static enum bv_why
open_bag(struct span certs_only, struct bag *bag)
{
    struct cms_certs list;
    struct span cert;
    bag->num = 0;
    if (cms_certs_parse(certs_only, &list) != BV_OK)
        return BV_WHY_BAD_ANSWER;
    while (cms_certs_next(&list, &cert)) {
        if (bag->num >= BV_TRUST_MAX || cert.len > BV_CERT_MAX)
            return BV_WHY_TOO_LARGE;
        bag->certs[bag->num++] = as_bytes(cert);
    }
    return bag->num > 0 ? BV_WHY_NONE : BV_WHY_BAD_ANSWER;
}

/* An anchor past its end stays unless another one can take over; a device
 * that slept for years must still be able to ask. */
static bool
is_outlived(const struct dev *dev, struct span der)
{
    struct cert cert;
    return dev->when.exact && dev->num_anchors > 1 &&
           cert_parse(der, &cert) == BV_OK && cert.not_after < dev->when.time;
}

static void
put_old_anchors(struct dev *dev, struct sink *out)
{
    size_t kept = dev->config.num_anchors;
    for (size_t i = dev->config.num_anchors; i < dev->num_anchors; i++) {
        bool last = i + 1 == dev->num_anchors && kept == 0;
        if (!last && is_outlived(dev, as_span(dev->anchors[i])))
            continue;
        put_item(out, true, as_span(dev->anchors[i]));
        kept++;
    }
}

/* New anchors join dev->anchors at once, so that intermediates below them
 * chain in the same round. */
static size_t
put_new_anchors(struct dev *dev, const struct bag *bag, bool first,
                struct sink *out)
{
    size_t added = 0;
    for (size_t i = 0; i < bag->num; i++) {
        struct span der = as_span(bag->certs[i]);
        if (is_listed(dev->anchors, dev->num_anchors, der) ||
            dev->num_anchors >= BV_TRUST_MAX + dev->config.num_anchors ||
            !may_become_anchor(dev, bag, der, first))
            continue;
        put_item(out, true, der);
        dev->anchors[dev->num_anchors++] = as_bytes(der);
        added++;
    }
    return added;
}

static bool
is_helper(struct dev *dev, const struct bag *bag, struct span der)
{
    struct cert cert;
    return cert_parse(der, &cert) == BV_OK && cert_may_sign(&cert) &&
           !is_listed(dev->anchors, dev->num_anchors, der) &&
           trust_chain(dev, der, dev->when, BV_PURPOSE_CA, bag->certs,
                       bag->num);
}

/* One that finds no room in the record is left out: without it a server may
 * have to send it, without the whole set nobody is trusted. */
static size_t
put_helper(struct sink *out, struct span cert)
{
    if (out->failed || out->cap - out->len < cert.len + ITEM_HEAD)
        return 0;
    put_item(out, false, cert);
    return 1;
}

/* Intermediates of the bag first; old ones that still chain fill the rest. */
static void
put_helpers(struct dev *dev, const struct bag *bag, struct sink *out)
{
    size_t num = 0;
    for (size_t i = 0; i < bag->num && num < BV_TRUST_MAX; i++)
        if (is_helper(dev, bag, as_span(bag->certs[i])))
            num += put_helper(out, as_span(bag->certs[i]));
    for (size_t i = 0; i < dev->num_helpers && num < BV_TRUST_MAX; i++) {
        struct span old = as_span(dev->helpers[i]);
        if (is_listed(bag->certs, bag->num, old) || !is_helper(dev, bag, old))
            continue;
        num += put_helper(out, old);
    }
}

static enum bv_why
write_set(struct dev *dev, struct span set)
{
    struct record next = dev->record;
    next.trust = dev->record.trust == 0 ? 1 : 0;
    const struct bv_storage *storage = &dev->ports.storage;
    if (storage->set(storage->ctx, generation(next.trust), set.data, set.len) !=
            BV_PORT_OK ||
        !dev_save(dev, &next))
        return BV_WHY_STORAGE;
    return BV_WHY_NONE;
}

static bool
is_stored(struct dev *dev, struct span set)
{
    size_t len = 0;
    const struct bv_storage *storage = &dev->ports.storage;
    return dev->record.trust >= 0 &&
           storage->get(storage->ctx, generation(dev->record.trust),
                        dev_trust(dev), DEV_TRUST_SIZE, &len) == BV_PORT_OK &&
           span_eq(span_of(dev_trust(dev), len), set);
}

enum bv_why
trust_follow(struct dev *dev, struct span certs_only, bool first,
             bool *ret_changed)
{
    struct bag bag;
    struct span set;
    size_t cap =
        DEV_SCRATCH_SIZE < BV_RECORD_MAX ? DEV_SCRATCH_SIZE : BV_RECORD_MAX;
    struct sink out = sink_of(dev_scratch(dev), cap);
    enum bv_why why = open_bag(certs_only, &bag);
    if (why != BV_WHY_NONE)
        return why;
    sink_u8(&out, FORMAT);
    put_old_anchors(dev, &out);
    size_t added = put_new_anchors(dev, &bag, first, &out);
    if (first && dev->num_anchors == dev->config.num_anchors && added == 0 &&
        dev->config.num_anchors == 0)
        return BV_WHY_FINGERPRINT;
    put_helpers(dev, &bag, &out);
    if (sink_done(&out, &set) != BV_OK)
        return BV_WHY_TOO_LARGE;
    *ret_changed = false;
    if (is_stored(dev, set))
        return BV_WHY_NONE;
    why = write_set(dev, set);
    *ret_changed = why == BV_WHY_NONE;
    return why;
}
