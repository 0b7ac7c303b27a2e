/* Which certificate a renewal replaces, and the names it keeps. */
#ifndef BV_CORE_RENEW_H
#define BV_CORE_RENEW_H

#include "core/work.h"

/* renew_names finds the certificate that is renewed and copies its subject and
 * SAN (RFC 7030 4.2.2): the one presented, or, when an RA asks for a device,
 * the device's newest good one of this profile with the CSR's names. Sets
 * w->old and, for an RA, job->d.device. REFUSED when the CSR asks for other
 * names or there is no such certificate. */
enum bv_err renew_names(struct work *w) BV_CHECKED;

#endif
