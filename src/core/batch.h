/* Group commit: one store transaction that many jobs write into. */
#ifndef BV_CORE_BATCH_H
#define BV_CORE_BATCH_H

#include "core/state.h"

/* batch_begin opens the transaction unless it is open. */
enum bv_err batch_begin(struct core *core) BV_CHECKED;
/* batch_look opens it for reading: within it a question to the store does not
 * lock the database anew. That it cannot be opened is no error of a reader. */
void batch_look(struct core *core);
/* batch_ready: the job has written all it wants; it ends with this batch. */
void batch_ready(struct core *core, struct job *job);
/* batch_map notes a status word for after the commit. change: number of the
 * status change, 0 for a new certificate. NO_MEMORY. */
enum bv_err batch_map(struct core *core, uint64_t seq, uint64_t word,
                      uint64_t change) BV_CHECKED;
/* batch_audit appends an entry in the transaction (opening it). */
enum bv_err batch_audit(struct core *core,
                        const struct audit_event *event) BV_CHECKED;
/* batch_error: what the store refuses of what we write is no fault of those who
 * wait for it. */
enum bv_err batch_error(enum bv_err err);
/* batch_fail undoes the whole batch and ends its jobs with that error. */
void batch_fail(struct core *core, enum bv_err err);
/* batch_commit makes the batch durable and ends its jobs. */
enum bv_err batch_commit(struct core *core) BV_CHECKED;

#endif
