/* Requests that wait for an operator (profiles with approval). The queue is
 * bounded as a whole, per credential and per address, so that nobody fills it
 * for everybody else. */
#ifndef BV_CORE_PENDING_H
#define BV_CORE_PENDING_H

#include "core/work.h"

/* pending_check: does this request wait? A new one is put into the queue, in
 * the open batch, unless its claim code has expired. job->d.was_pending: it is
 * or was in the queue. REFUSED when an operator denied it; RATE_LIMITED when
 * there is no room for it. Needs job->d.pending_digest. */
enum bv_err pending_check(struct work *w, bool *ret_waits) BV_CHECKED;

#endif
