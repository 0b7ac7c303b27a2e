/* The requests a device sends. Each is written to the front of the BODY region;
 * the others are used on the way. Freestanding. */
#ifndef BV_DEVICE_REQUEST_H
#define BV_DEVICE_REQUEST_H

#include "device/dev.h"

/* request_get writes GET <path>/<operation>. */
enum bv_why request_get(struct dev *dev, const char *operation, bool last,
                        size_t *ret_len);
/* request_enrol makes a CSR for the key of the inactive slot and writes POST
 * simpleenroll or, with the active identity as credential, simplereenroll.
 * Renewal repeats subject and SAN of the active certificate octet by octet
 * (RFC 7030 4.2.2). The channel binding of the open connection goes in as
 * challengePassword (RFC 7030 3.5) where wanted. Uses TRUST and SCRATCH. */
enum bv_why request_enrol(struct dev *dev, size_t *ret_len);

#endif
