/* The status map brought up to the database: what was committed and had not
 * reached the map when core ended. */
#ifndef BV_CORE_REPLAY_H
#define BV_CORE_REPLAY_H

#include "core/state.h"

/* replay_map opens the map (fd is taken over) and writes what its mark does not
 * cover: certificates, then changes. A map of another database, or one that is
 * ahead of this one (an older database came back), is made anew; until it is
 * whole, readers see "never issued". Errors of the map or the store. */
enum bv_err replay_map(struct core *core, int fd,
                       const uint8_t db_id[STATUSMAP_ID_LEN]) BV_CHECKED;

#endif
