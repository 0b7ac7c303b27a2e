/* What core does for itself by the clock: OCSP responder certificates, the
 * daemon's TLS certificate, checkpoints of the audit log. */
#ifndef BV_CORE_INFRA_H
#define BV_CORE_INFRA_H

#include "core/state.h"

/* infra_open looks at the TLS certificate on disk and sets the schedule. */
void infra_open(struct core *core);
/* infra_signer_changed: a new signer has the OCSP keys of its files, or none;
 * it will be asked. */
void infra_signer_changed(struct core *core);
/* infra_tick starts what is due; returns when to come again (Unix s). */
int64_t infra_tick(struct core *core, int64_t now);
/* infra_tls_renew begins a new TLS certificate now. BUSY when one is under
 * way, NOT_FOUND when the operator provides it. */
enum bv_err infra_tls_renew(struct core *core) BV_CHECKED;
/* infra_known_checkpoint reads the checkpoint kept beside the database;
 * NOT_FOUND when there is none. */
enum bv_err infra_known_checkpoint(const struct core_config *config,
                                   struct sink *out) BV_CHECKED;
/* infra_write_file replaces a file durably: written aside, synced, renamed. */
enum bv_err infra_write_file(const char *path, mode_t mode,
                             struct span text) BV_CHECKED;
/* infra_checkpoint begins a signed checkpoint now. */
enum bv_err infra_checkpoint(struct core *core) BV_CHECKED;

#endif
