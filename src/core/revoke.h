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

/* What came of it; the functions below add to it. */
struct revoke_done {
    unsigned changed; /* certificates */
    bool kept;        /* keyCompromise: one keeps another reason */
    bool key_only;    /* keyCompromise: there is nothing but the key */
    bool unasked;     /* one says noRevAvail: nobody asks for its status */
};

/* revoke_cert changes one certificate's status in the open batch. reason is a
 * CRLReason of RFC 5280 5.3.1 (7 and 8 are REFUSED), or REVOKE_RELEASE.
 *   good -> any reason; hold -> any other reason, which keeps the date of the
 *   hold; hold -> released; anything again -> nothing changes; revoked for good
 *   -> another reason or release: CONFLICT.
 * keyCompromise blocks the key, also of what is revoked for good already: the
 * reason stays what it was told to be, but that is no CONFLICT, since what
 * matters now is that nobody is certified for that key again. Errors of the
 * store: the caller undoes the batch (batch_fail). */
enum bv_err revoke_cert(struct core *core, uint64_t seq, int reason,
                        const struct revoke_actor *actor,
                        struct revoke_done *done) BV_CHECKED;
/* revoke_device and revoke_key do it for every certificate that is not past
 * its notAfter, or may still renew itself (renew-after-expiry); those where the
 * change does not apply, and another CA's, are passed over. NOT_FOUND when
 * there is none at all, REFUSED when all are another CA's; but revoke_key with
 * keyCompromise blocks the key all the same. */
enum bv_err revoke_device(struct core *core, const char *device, int reason,
                          const struct revoke_actor *actor,
                          struct revoke_done *done) BV_CHECKED;
enum bv_err revoke_key(struct core *core, const uint8_t key_hash[32],
                       int reason, const struct revoke_actor *actor,
                       struct revoke_done *done) BV_CHECKED;

/* revoke_reason_of_name: "keyCompromise" …; NOT_FOUND. */
enum bv_err revoke_reason_of_name(const char *name, int *ret_reason) BV_CHECKED;
/* NULL when the number is not a reason. */
const char *revoke_reason_name(int reason);

#endif
