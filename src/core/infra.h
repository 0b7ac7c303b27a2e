/* What core does for itself by the clock: certificates of the OCSP responders
 * and SCEP RAs (infra_service.c) and of the daemon's TLS (infra_tls.c),
 * checkpoints (core/checkpoint.h). What fails is tried again half a minute
 * later. */
#ifndef BV_CORE_INFRA_H
#define BV_CORE_INFRA_H

#include <sys/types.h>

#include "core/state.h"

/* infra_open looks at the TLS certificate on disk and sets the schedule. */
void infra_open(struct core *core);
/* infra_signer_changed: a new signer has the services' keys of its files, or
 * none; it will be asked. */
void infra_signer_changed(struct core *core);
/* infra_services_added: another configuration may have CAs or services that
 * were not there before. */
void infra_services_added(struct core *core);
/* infra_tick starts what is due; returns when to come again (Unix s). */
int64_t infra_tick(struct core *core, int64_t now);
/* infra_tls_renew begins a new TLS certificate now. BUSY when one is under
 * way, NOT_FOUND when the operator provides it. */
enum bv_err infra_tls_renew(struct core *core) BV_CHECKED;

/* infra_write_file replaces a file durably (base/disk.h). */
enum bv_err infra_write_file(const char *path, mode_t mode,
                             struct span text) BV_CHECKED;
/* infra_read_file: NOT_FOUND when it is not there, empty, or has cap octets or
 * more. */
enum bv_err infra_read_file(const char *path, uint8_t *buf, size_t cap,
                            size_t *ret_len) BV_CHECKED;

/* --- for infra_*.c --- */

/* Each starts its certificates that are due; returns when to come again, next
 * at the latest. */
int64_t infra_service_tick(struct core *core, int64_t now, int64_t next);
int64_t infra_tls_tick(struct core *core, int64_t now, int64_t next);
/* infra_store writes the signed certificate's row and log entry (object: whose
 * it is) in the open batch, which an error undoes. */
enum bv_err infra_store(struct core *core, struct job *job,
                        struct span signature, enum audit_action action,
                        const char *object) BV_CHECKED;
/* infra_renew_at: when the renewal window of these dates opens. */
int64_t infra_renew_at(const struct profile *profile, int64_t not_before,
                       int64_t not_after);
/* infra_is_ours: signed by this CA's very key, and good in the status map. */
bool infra_is_ours(struct core *core, const struct cert *cert,
                   const struct issuer *issuer);

#endif
