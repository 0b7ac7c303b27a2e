/* How much one device may have: the quota section of the configuration. */
#ifndef BV_CORE_QUOTA_H
#define BV_CORE_QUOTA_H

#include "core/work.h"

/* quota_count counts one certificate, or one wish for approval, against the
 * device; RATE_LIMITED when it had its share of this hour. */
enum bv_err quota_count(struct work *w) BV_CHECKED;
/* quota_check: REFUSED when the device has too many valid certificates, else
 * quota_count. */
enum bv_err quota_check(struct work *w) BV_CHECKED;
/* quota_check_again, when the certificate is to be written (0: for a device
 * that is new): REFUSED when others that were on their way too filled the
 * number. */
enum bv_err quota_check_again(struct core *core, const struct job *job,
                              int64_t device) BV_CHECKED;
/* quota_uncount undoes quota_count of a job that failed through no fault of
 * the device's. */
void quota_uncount(struct core *core, const struct job *job, enum bv_err err);

#endif
