/* Is what the server sent the certificate we asked for? Freestanding. */
#ifndef BV_DEVICE_CHECK_H
#define BV_DEVICE_CHECK_H

#include "device/dev.h"

/* check_answer decodes the base64 body of a certs-only answer in place. */
enum bv_why check_answer(struct dev *dev, struct span *ret_der);

/* check_issued finds the certificate for the inactive slot's key in a
 * certs-only message and judges it: at most BV_CERT_MAX octets; the name that
 * was asked for (common name, every SAN; on renewal the same subject and SAN);
 * valid at `when` (notBefore up to 5 minutes ahead is let pass: the two clocks
 * may differ); chain to the trusted CAs. Loads the trust set. */
enum bv_why check_issued(struct dev *dev, struct span der, struct bv_when when,
                         struct span *ret_cert);

/* check_matches_key: cert (DER) carries the public key of this slot. */
bool check_matches_key(struct dev *dev, enum bv_slot slot, struct span cert);

/* check_asks_binding: the csrattrs just read ask for challengePassword. */
bool check_asks_binding(struct dev *dev);

#endif
