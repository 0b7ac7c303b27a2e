/* The second half of every issued certificate: the signature has come, now the
 * rows, the audit leaf and the answer. */
#ifndef BV_CORE_ENROLL_H
#define BV_CORE_ENROLL_H

#include "core/state.h"

/* enroll_signed is the job_signed_fn of every certificate of a device. */
void enroll_signed(struct core *core, struct job *job, enum bv_err err,
                   struct span signature);

/* enroll_assemble joins TBS and signature in job->cert; the first signature of
 * each CA after a signer started is verified. */
enum bv_err enroll_assemble(struct core *core, struct job *job,
                            struct span signature) BV_CHECKED;
/* enroll_put writes the certificate's row (device 0: infrastructure) and notes
 * its status word. */
enum bv_err enroll_put(struct core *core, struct job *job,
                       int64_t device) BV_CHECKED;
/* enroll_audit appends the entry of a certificate job's outcome. */
enum bv_err enroll_audit(struct core *core, const struct job *job,
                         enum audit_action action,
                         enum bv_err outcome) BV_CHECKED;
/* enroll_device_find copies the row; NOT_FOUND; CONFLICT when there is a device
 * whose name differs in letter case only (RFC 5280 7.1: the same subject). */
enum bv_err enroll_device_find(struct core *core, const char *name,
                               struct store_device *ret_row) BV_CHECKED;

#endif
