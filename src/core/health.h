/* The check of a large database, which a start does not wait for: read through
 * in pieces (core/piece.h) while requests are served. */
#ifndef BV_CORE_HEALTH_H
#define BV_CORE_HEALTH_H

#include "core/state.h"

/* health_start begins it, if the store left it out. When damage is found the
 * log says so, and core_commit CORRUPT. */
enum bv_err health_start(struct core *core) BV_CHECKED;

#endif
