/* Who asked for CRLs and wants to hear when they are what clients get. For
 * core/crl and the verb crl.publish. */
#ifndef BV_CORE_CRL_WAIT_H
#define BV_CORE_CRL_WAIT_H

#include "core/admin.h"

/* After this many seconds the answer is that it is still being made. */
#define CRL_WAIT_MAX 60

/* crl_wait defers the call until, of the issuers so chosen, the CRL that was
 * begun last is served: {"rows":[{"ca":…,"crl_number":…,"crl_next_update":…,
 * "served":true}]}. One that could not be published is an error; a bound, after
 * which "served" is false. wanted has one count for each of core's issuers: the
 * crl_begun to wait for, 0 for none. NO_MEMORY. */
enum bv_err crl_wait(struct admin_call *call,
                     const uint64_t *wanted) BV_CHECKED;
/* crl_wait_look ends those whose wait is over. */
void crl_wait_look(struct core *core, int64_t now);
/* crl_wait_fail_all ends all. */
void crl_wait_fail_all(struct core *core, enum bv_err err);

#endif
