/* The enrolment path: a request from any door, step by step, to a signed and
 * stored certificate. handle.c decides, enroll.c stores. */
#ifndef BV_CORE_HANDLE_H
#define BV_CORE_HANDLE_H

#include "core/authorize.h"
#include "core/state.h"
#include "wire/csr.h"

/* handle_request takes a request over into a job (see core_submit). */
void handle_request(struct core *core, unsigned tag, uint64_t id,
                    const struct core_request *request);

/* handle_check_csr reads a CSR and refuses keys that may not be certified
 * under the profile: algorithm, weakness, blocked, of a CA, and (with
 * check_pop) a signature that does not verify. Also for operators' CSRs. */
enum bv_err handle_check_csr(struct core *core, const struct profile *profile,
                             struct span der, bool check_pop,
                             struct csr *ret_csr, uint8_t ret_key_hash[32],
                             char *ret_problem, size_t cap) BV_CHECKED;
/* handle_key_owner: CONFLICT when the key was certified for another device.
 * device 0: a new one. */
enum bv_err handle_key_owner(struct core *core, const uint8_t key_hash[32],
                             int64_t device) BV_CHECKED;

/* handle_clock: BAD_CLOCK when the time cannot be right. */
enum bv_err handle_clock(const struct core *core, int64_t now) BV_CHECKED;

/* handle_refuse ends a job with an error, audited within bounds. */
void handle_refuse(struct core *core, struct job *job, enum bv_err err);
/* handle_done is the job_done_fn of requests from doors. */
void handle_done(struct core *core, struct job *job, enum bv_err err);

/* handle_sign builds the TBS for a decided job (d.device, d.profile, …, with
 * subject and san ready) and hands it to the signer. */
struct handle_cert {
    const struct profile *profile;
    struct issuer *issuer;
    struct span subject, spki, san;
};
enum bv_err handle_sign(struct core *core, struct job *job,
                        const struct handle_cert *cert, int64_t now) BV_CHECKED;

#endif
