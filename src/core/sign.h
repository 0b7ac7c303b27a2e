/* From a decided job to the signer: number, TBSCertificate, signature asked
 * for. And the one question that comes before: is the clock right? */
#ifndef BV_CORE_SIGN_H
#define BV_CORE_SIGN_H

#include "core/state.h"

/* When to ask again for what only an operator can mend, in seconds. */
#define SIGN_RETRY_OPERATOR 60

/* sign_clock: BAD_CLOCK when the time cannot be right. */
enum bv_err sign_clock(const struct core *core, int64_t now) BV_CHECKED;

/* sign_start builds the TBS for a decided job (d.device, d.profile, …, with
 * subject and san ready) and hands it to the signer. UNAVAILABLE, with a
 * sentence, when the CA's own certificate is revoked, not valid now, or not for
 * the profile's extended key usages; REFUSED when it does not permit the names.
 */
struct sign_cert {
    const struct profile *profile;
    struct issuer *issuer;
    struct span subject, spki, san;
};
enum bv_err sign_start(struct core *core, struct job *job,
                       const struct sign_cert *cert, int64_t now) BV_CHECKED;

#endif
