/* The CRL of a CA whose key is elsewhere: core writes what is to be signed,
 * somebody signs it where the key is, core takes the CRL in and publishes it.
 * For short lists, as a root's is. */
#ifndef BV_CORE_CRL_BROUGHT_H
#define BV_CORE_CRL_BROUGHT_H

#include "core/state.h"

/* A TBSCertList that fits a message to and from an operator. */
#define CRL_BROUGHT_MAX 131072

/* crl_brought_tbs writes the TBSCertList of the CA's next CRL: the next number,
 * all that is revoked now. TOO_LARGE past CRL_BROUGHT_MAX. */
enum bv_err crl_brought_tbs(struct core *core, struct issuer *issuer,
                            struct sink *out) BV_CHECKED;

/* crl_brought_take publishes a CRL signed elsewhere, in the open batch: one of
 * our CAs' (found by its name), by its key, with a higher number than any
 * before (or one that was published and could not be recorded), in force.
 * *ret_missing: revoked since it was written, and not on it. Refusals come with
 * a sentence. */
enum bv_err crl_brought_take(struct core *core, struct span der,
                             const char *actor, struct issuer **ret_issuer,
                             unsigned *ret_missing, char *ret_problem,
                             size_t cap) BV_CHECKED;

/* crl_brought_unlisted: how many certificates were revoked after the newest
 * CRL of this offline CA was written. */
unsigned crl_brought_unlisted(struct core *core, const struct issuer *issuer);

#endif
