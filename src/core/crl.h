/* Publishing CRLs: complete, one per CA, streamed so that memory stays flat
 * whatever their length (RFC 5280 5; wire/crl.h writes the octets).
 *
 * When: by schedule (every crl_every seconds), and crl_delay seconds after a
 * status changed; at start only when the published file is not the recorded
 * one or a status changed since. Numbers strictly increase: one more than the
 * larger of the store's and the published file's; so does thisUpdate, of which
 * a client may know seconds only. An expired certificate's entry goes away only
 * after a CRL made past its notAfter listed it (RFC 5280 3.3).
 *
 * A CRL made by a clock that was ahead, and has been put back since, was in
 * force for nobody. So nothing counts as shown by it, what was dropped on its
 * account is listed again, and its nextUpdate is no promise: the next CRL, made
 * at once, runs from the right time. (RFC 5280 5.1.2.5 would have nextUpdate
 * never go back; but an old CRL good for as long as the clock was wrong would
 * hide every revocation after it from whoever is shown no other.)
 *
 * How: core/crl_file writes what is revoked at one moment to PATH.new and
 * hashes it, in pieces between which requests are served (core/piece); the
 * signer signs the hash, the file is completed, synced and checked, its row and
 * audit leaf are committed, and then it is renamed over PATH. So a published
 * number is always recorded; a crash in between skips a number, which is
 * allowed. What is revoked meanwhile is on the next one, which is due already.
 * A CA with an Ed25519 key signs whole messages only: its CRL is limited to
 * what fits one message (about 1,200 entries); beyond that publishing fails and
 * says so.
 */
#ifndef BV_CORE_CRL_H
#define BV_CORE_CRL_H

#include "core/state.h"

/* crl_open loads the schedule of an issuer from store and file; of an offline
 * one only what is watched. */
enum bv_err crl_open(struct core *core, struct issuer *issuer) BV_CHECKED;
/* crl_touch: a status of this issuer changed. */
void crl_touch(struct core *core, uint8_t issuer);
/* crl_start begins a new CRL; it is published when the signer has answered
 * and the batch committed. BUSY when one is under way, or the last one is of
 * this very second and the next one is due in the next; UNAVAILABLE without a
 * signer. */
enum bv_err crl_start(struct core *core, struct issuer *issuer) BV_CHECKED;
/* crl_is_late: less than a third of the time to nextUpdate is left, also of an
 * offline CA's; crl_tick logs it once a day, brevet status shows it. */
bool crl_is_late(const struct issuer *issuer, int64_t now);
/* crl_is_ahead: the last CRL is of a time that has not come: the clock that
 * made it was ahead. */
bool crl_is_ahead(const struct issuer *issuer, int64_t now);
/* What stands in a CRL made now: its nextUpdate, and how long ago a certificate
 * must have ended for its entry to be left out. */
int64_t crl_next_update(const struct issuer *issuer, int64_t now);
int64_t crl_prune_before(const struct issuer *issuer, int64_t now);
/* crl_tick starts what is due and returns when to come again (Unix s). */
int64_t crl_tick(struct core *core, int64_t now);

#endif
