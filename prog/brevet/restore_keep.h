/* What the database that is replaced still knows, carried into the backup that
 * takes its place: only what shuts somebody out. A backup must not let in again
 * whom somebody has shut out since. */
#ifndef BREVET_RESTORE_KEEP_H
#define BREVET_RESTORE_KEEP_H

#include "core/audit.h"
#include "store/store.h"

struct restore_keep {
    struct store *fresh; /* the backup, in an open transaction */
    /* appends an entry for each act carried over */
    enum bv_err (*note)(void *user, enum audit_action action,
                        enum audit_object object, const char *name,
                        struct span serial);
    void *user;
    unsigned statuses, devices, tokens; /* how many were carried */
};

/* restore_keep_status makes a certificate's status at least as severe as this;
 * one the backup does not know is passed over. keyCompromise blocks the key. */
enum bv_err restore_keep_status(struct restore_keep *keep, uint64_t seq,
                                int reason, int64_t at) BV_CHECKED;
/* restore_keep_old does it for every revoked certificate, blocked device and
 * revoked or used token of the old database, which may stop being readable at
 * any page: an error of its is not one. */
enum bv_err restore_keep_old(struct restore_keep *keep,
                             const struct store *old) BV_CHECKED;

#endif
