/* Counters per key and time window in a table of fixed size: failed secrets
 * per address, issues per device, refusals written to the audit log. A full
 * table forgets what is past first, then who has done least: memory never
 * grows, and the busiest is remembered. */
#ifndef BV_CORE_RATES_H
#define BV_CORE_RATES_H

#include "base/auto.h"
#include "base/limits.h"
#include "base/span.h"

enum rates_kind {
    RATES_FAIL_ADDRESS = 1,
    RATES_FAIL_DEVICE,
    RATES_ISSUE_DEVICE,
    RATES_AUDIT_REFUSAL,
    RATES_OCSP_ADDRESS, /* front/status/bound */
};

struct rates;
enum bv_err rates_new(struct rates **ret_rates) BV_CHECKED;
void rates_free(struct rates *rates);
BV_AUTO_DEFINE(rates, struct rates, rates_free)

/* rates_count: how many were added for this key in the window (seconds) that
 * contains now. */
unsigned rates_count(struct rates *rates, enum rates_kind kind, struct span key,
                     int64_t now, int64_t window);
void rates_add(struct rates *rates, enum rates_kind kind, struct span key,
               int64_t now, int64_t window);
/* rates_take_back undoes one rates_add of the same arguments. */
void rates_take_back(struct rates *rates, enum rates_kind kind, struct span key,
                     int64_t now, int64_t window);

/* rates_net: what an address counts as: an IPv6 address its /64, since whoever
 * has one address of it has them all; everything else itself. */
void rates_net(const char *peer, char ret_net[LIMIT_PEER]);

#endif
