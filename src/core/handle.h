/* The enrolment path: a request from any door, step by step, to a signed and
 * stored certificate. handle.c decides, enroll.c stores. */
#ifndef BV_CORE_HANDLE_H
#define BV_CORE_HANDLE_H

#include "core/state.h"

/* handle_request takes a request over into a job (see core_submit). */
void handle_request(struct core *core, unsigned tag, uint64_t id,
                    const struct core_request *request);

/* handle_refuse ends a job with an error, audited within bounds. */
void handle_refuse(struct core *core, struct job *job, enum bv_err err);
/* handle_done is the job_done_fn of requests from doors. */
void handle_done(struct core *core, struct job *job, enum bv_err err);

#endif
