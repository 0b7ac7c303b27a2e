/* Taking certificates back: by number, by device, by key. */
#ifndef BV_CORE_REVOKE_H
#define BV_CORE_REVOKE_H

#include "core/state.h"

/* Who does it, for the audit log. */
struct revoke_actor {
    enum audit_actor actor;
    enum audit_auth auth;
    const char *id;
};

/* Release from hold. */
#define REVOKE_RELEASE (-1)

/* revoke_cert changes one certificate's status in the open batch. reason is a
 * CRLReason of RFC 5280 5.3.1 (7 and 8 are REFUSED), or REVOKE_RELEASE.
 *   good -> any reason; hold -> any other reason, which keeps the date of the
 *   hold; hold -> released; anything again -> nothing changes (*ret_changed
 *   false); revoked for good -> another reason or release: CONFLICT.
 * keyCompromise blocks the key. Errors of the store: the caller undoes the
 * batch (batch_fail). */
enum bv_err revoke_cert(struct core *core, uint64_t seq, int reason,
                        const struct revoke_actor *actor,
                        bool *ret_changed) BV_CHECKED;
/* revoke_device and revoke_key do it for every certificate that is not past
 * its notAfter, or may still renew itself (renew-after-expiry); those where the
 * change does not apply, and another CA's, are passed over. NOT_FOUND when
 * there is none at all, REFUSED when all are another CA's. */
enum bv_err revoke_device(struct core *core, const char *device, int reason,
                          const struct revoke_actor *actor,
                          unsigned *ret_num) BV_CHECKED;
enum bv_err revoke_key(struct core *core, const uint8_t key_hash[32],
                       int reason, const struct revoke_actor *actor,
                       unsigned *ret_num) BV_CHECKED;

/* revoke_reason_of_name: "keyCompromise" …; NOT_FOUND. */
enum bv_err revoke_reason_of_name(const char *name, int *ret_reason) BV_CHECKED;
/* NULL when the number is not a reason. */
const char *revoke_reason_name(int reason);

#endif
