/* Work too long for one turn of the loop (a CRL of a million entries, a
 * snapshot of the database) is done a piece at a time between two batches, so
 * that a request waits for one piece of it at most. */
#ifndef BV_CORE_PIECE_H
#define BV_CORE_PIECE_H

#include "core/state.h"

/* piece_add puts the job last in the queue; core_piece calls its on_piece once
 * when its turn comes, never inside a store transaction. To go on it is added
 * again. */
void piece_add(struct core *core, struct job *job);
/* piece_fail_all ends every job of the queue. */
void piece_fail_all(struct core *core, enum bv_err err);

#endif
