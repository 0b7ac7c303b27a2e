/* The certificates of the CAs themselves in the inventory: one row for each,
 * as for every other certificate, so that they are listed, revoked, put on
 * their issuer's CRL and answered by its OCSP responder.
 *
 * A certificate whose serial number was made here (cas_serials, or a number
 * taken from the sequence) and whose issuer is one of our CAs has the row of
 * that number. One with another number (signed where there was no database)
 * gets the next free row: it is revoked by its key and listed on its issuer's
 * CRL, but its serial leads nowhere in the status map, so OCSP says "unknown".
 * One that somebody else issued gets a row for the inventory only, with issuer
 * 0: it is not ours to revoke. */
#ifndef BV_CORE_CAS_H
#define BV_CORE_CAS_H

#include "core/state.h"

/* cas_serials makes serial numbers for CA certificates that must be signed
 * before there is a core: it makes the store's serial key if there is none and
 * reserves the numbers durably. */
enum bv_err cas_serials(const struct store *store,
                        uint8_t (*ret_serials)[SERIAL_LEN],
                        unsigned num) BV_CHECKED;

/* cas_put adds a CA's certificate unless it is there, with its entry in the
 * log, in the open batch (sequence_ensure came before). actor: who brought it;
 * NULL: core found it in the configuration. *ret_seq is its row. CONFLICT, with
 * nothing written: a CA of ours signed it with the serial number of another
 * certificate. */
enum bv_err cas_put(struct core *core, struct span der, const char *actor,
                    uint64_t *ret_seq) BV_CHECKED;

/* cas_register puts every configured CA's certificate into the inventory, in a
 * batch of its own, and notes its row in struct issuer. */
enum bv_err cas_register(struct core *core) BV_CHECKED;

/* cas_is_revoked: the CA's own certificate is. Nothing is issued by it then;
 * CRLs and OCSP answers go on. */
bool cas_is_revoked(const struct core *core, const struct issuer *issuer);

#endif
