/* What one client may have signed for it. An answer that is kept costs nothing;
 * one with a nonce, or about a serial number that was never issued, is signed
 * each time. */
#ifndef BV_FRONT_STATUS_BOUND_H
#define BV_FRONT_STATUS_BOUND_H

#include "base/auto.h"
#include "base/span.h"

struct bound;
enum bv_err bound_new(struct bound **ret_bound) BV_CHECKED;
void bound_free(struct bound *bound);
BV_AUTO_DEFINE(bound, struct bound, bound_free)

/* bound_take counts one answer signed for this address (IPv6: its /64); false
 * when it has had its share: per_second in the mean of ten seconds, 0: no
 * bound. The log tells of it once in that time. */
bool bound_take(struct bound *bound, const char *peer, unsigned per_second,
                int64_t now);
/* bound_unissued: one was about a serial number that was never issued. The log
 * tells how many there were, once a minute: somebody may be guessing numbers,
 * or hold a forged certificate (RFC 6960 does not let the answer say so). */
void bound_unissued(struct bound *bound, const char *peer, int64_t now);

#endif
