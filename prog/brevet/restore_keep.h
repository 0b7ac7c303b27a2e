/* What the database that is replaced still knows, carried into the backup that
 * takes its place: only what shuts somebody out. A backup must not let in again
 * whom somebody has shut out since. */
#ifndef BREVET_RESTORE_KEEP_H
#define BREVET_RESTORE_KEEP_H

#include "core/audit.h"
#include "store/store.h"

struct restore_keep {
    struct store *fresh; /* the backup, in an open transaction */
    /* appends an entry for each act carried over, of which this is told:
     * action, object, object_id, serial, cert_sha256 */
    enum bv_err (*note)(void *user, const struct audit_event *act);
    void *user;
    unsigned statuses, devices, keys, tokens; /* how many were carried */
    unsigned entries;     /* revocations on a CRL whose certificates are lost */
    bool whole;           /* the old database told everything */
    uint8_t issuers[256]; /* of the old database: their ids in the fresh one */
};

/* restore_keep_status makes a certificate's status at least as severe as this;
 * one the backup does not know is passed over. keyCompromise blocks the key. */
enum bv_err restore_keep_status(struct restore_keep *keep, uint64_t seq,
                                int reason, int64_t at) BV_CHECKED;
/* restore_keep_entry does it for an entry of a CRL; of a certificate the backup
 * does not know the entry alone is kept. issuer is the fresh database's. */
enum bv_err restore_keep_entry(struct restore_keep *keep, uint8_t issuer,
                               const struct store_revoked *row) BV_CHECKED;
/* restore_keep_old does it for every revoked certificate, blocked device or
 * key, and revoked or used token of the old database, which may stop being
 * readable at any page: an error of its is not one. A certificate or device the
 * backup does not know comes with its row. */
enum bv_err restore_keep_old(struct restore_keep *keep,
                             const struct store *old) BV_CHECKED;
/* restore_keep_crls does it for what the published CRLs in a folder list
 * (NAME.crl): they outlive a database that cannot be read. Of a certificate the
 * backup does not know, whose number is below end, its CRL entry alone is kept,
 * to the end of its CA. A file that is no CRL of a CA of ours is passed over.
 */
enum bv_err restore_keep_crls(struct restore_keep *keep, const char *folder,
                              uint64_t end) BV_CHECKED;

#endif
