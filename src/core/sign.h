/* From a decided job to the signer: number, TBSCertificate, signature asked
 * for. And the one question that comes before: is the clock right? */
#ifndef BV_CORE_SIGN_H
#define BV_CORE_SIGN_H

#include "core/state.h"

/* sign_clock: BAD_CLOCK when the time cannot be right. */
enum bv_err sign_clock(const struct core *core, int64_t now) BV_CHECKED;

/* sign_start builds the TBS for a decided job (d.device, d.profile, …, with
 * subject and san ready) and hands it to the signer. REFUSED when the CA's own
 * certificate is revoked, or does not permit the profile's extended key usages
 * or the names. */
struct sign_cert {
    const struct profile *profile;
    struct issuer *issuer;
    struct span subject, spki, san;
};
enum bv_err sign_start(struct core *core, struct job *job,
                       const struct sign_cert *cert, int64_t now) BV_CHECKED;

#endif
