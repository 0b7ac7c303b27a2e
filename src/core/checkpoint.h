/* Signed checkpoints of the audit log, by the clock (core/audit.h says what one
 * is worth). Its text is committed before the signer sees it, its signature
 * after; the newest is also kept in a file beside the database. */
#ifndef BV_CORE_CHECKPOINT_H
#define BV_CORE_CHECKPOINT_H

#include "core/state.h"

/* checkpoint_start begins one now. BUSY when one is under way, NOT_FOUND
 * without a log key. */
enum bv_err checkpoint_start(struct core *core) BV_CHECKED;
/* checkpoint_tick starts one that is due and worth it; returns when to come
 * again (Unix s), next at the latest. */
int64_t checkpoint_tick(struct core *core, int64_t now, int64_t next);
/* checkpoint_kept reads the one kept beside the database; NOT_FOUND when there
 * is none. */
enum bv_err checkpoint_kept(const struct core_config *config,
                            struct sink *out) BV_CHECKED;

#endif
