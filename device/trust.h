/* The CA certificates a device holds: reading and writing the stored set, and
 * the rule by which a bag from the server may change it. Freestanding.
 *
 * Stored: one octet 1, then per certificate one octet (1 anchor, 0
 * intermediate) and the DER with a 32-bit length. Pinned certificates of the
 * configuration are anchors too and not stored again. */
#ifndef BV_DEVICE_TRUST_H
#define BV_DEVICE_TRUST_H

#include "device/dev.h"

/* trust_load fills dev->anchors and helpers from the pinned certificates and
 * the stored set, which is read into the TRUST region (they point there). A
 * set that cannot be read is given up: the pins of the configuration are the
 * root of all trust, and the next step begins again from them. */
void trust_load(struct dev *dev);

/* trust_follow takes the certificates of a certs-only message (DER) into the
 * set: CA certificates that chain to an anchor become intermediates; a
 * self-signed one becomes an anchor only if the old anchors vouch for its key
 * (a certificate over the same subject and key that chains to them: NewWithOld,
 * RFC 9810 4.4), or, on first trust, if it has the pinned fingerprint. Expired
 * anchors leave only when another one stays. Writes the inactive generation
 * and saves the record when anything changed. Needs trust_load before it; the
 * spans of dev->anchors are void after it. */
enum bv_why trust_follow(struct dev *dev, struct span certs_only, bool first,
                         bool *ret_changed);

/* trust_chain: does cert (DER) chain to what is held? extra: more helpers, at
 * most BV_TRUST_MAX, may be NULL. */
bool trust_chain(struct dev *dev, struct span cert, struct bv_when when,
                 enum bv_purpose purpose, const struct bv_bytes *extra,
                 size_t num_extra);

/* trust_item: the index-th certificate of an encoded set; false at its end or
 * where it is damaged. */
bool trust_item(struct span set, size_t index, struct span *ret_cert,
                bool *ret_anchor);

#endif
