/* Jobs: what core has begun and not yet answered, and the numbers under which
 * the signer knows them. */
#ifndef BV_CORE_JOB_H
#define BV_CORE_JOB_H

#include "core/state.h"

/* job_new: NULL when memory is exhausted. */
struct job *job_new(void);
void job_free(struct job *job); /* wipes the key; not its followers */

/* Each hands the job to the signer, whose answer reaches job->on_signed through
 * core_signed; the octets are copied. UNAVAILABLE without a signer, BUSY when
 * no ticket or no room is left; the job is then still the caller's alone.
 *   job_sign, job_sign_digest: key by its name; the answer is the signature
 *   job_service_key: a new key of job->service for a CA; its SPKI
 *   job_service_cert: the certificate for it, in use from the answer on */
enum bv_err job_sign(struct core *core, struct job *job, const char *key,
                     struct span tbs) BV_CHECKED;
enum bv_err job_sign_digest(struct core *core, struct job *job, const char *key,
                            struct span digest) BV_CHECKED;
enum bv_err job_service_key(struct core *core, struct job *job,
                            const char *ca) BV_CHECKED;
enum bv_err job_service_cert(struct core *core, struct job *job, const char *ca,
                             struct span cert) BV_CHECKED;
/* job_service_have asks for the certificate in use. */
enum bv_err job_service_have(struct core *core, struct job *job,
                             const char *ca) BV_CHECKED;
/* job_answered finds the job of a ticket and takes it off the signer's list;
 * NULL when there is none (it was given up). */
struct job *job_answered(struct core *core, uint64_t ticket);
/* job_fail_all gives up on every job the signer has. */
void job_fail_all(struct core *core, enum bv_err err);

/* Jobs in flight by request hash. */
void job_hash_add(struct core *core, struct job *job);
void job_hash_drop(struct core *core, struct job *job);
struct job *job_hash_find(struct core *core, const uint8_t request_hash[32]);

#endif
