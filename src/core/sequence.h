/* The numbers inside serials: reserved in blocks in the database, used only
 * once the reservation is durable, never used twice. */
#ifndef BV_CORE_SEQUENCE_H
#define BV_CORE_SEQUENCE_H

#include "core/state.h"

#define SEQUENCE_BLOCK 1024

/* sequence_refill reserves the next block in the open transaction when the
 * present one runs low. */
enum bv_err sequence_refill(struct core *core) BV_CHECKED;
void sequence_committed(struct sequence *sequence);
void sequence_rolled_back(struct sequence *sequence);
/* sequence_ensure makes sure that one number can be taken, committing a block
 * of its own (and with it what is ready) when there is none. */
enum bv_err sequence_ensure(struct core *core) BV_CHECKED;
/* sequence_take: sequence_ensure came before. BUSY when there is none. */
enum bv_err sequence_take(struct core *core, uint64_t *ret_seq) BV_CHECKED;
/* sequence_next: the lowest number not yet taken. */
uint64_t sequence_next(const struct sequence *sequence);

#endif
