/* Who may speak on the control socket. The parent looks the users of the
 * configuration up and writes a table into core's bundle, for core itself
 * cannot read the system's user list; core finds callers in it by the uid the
 * kernel vouches for. The daemon's own user is an administrator. */
#ifndef BREVETD_CALLERS_H
#define BREVETD_CALLERS_H

#include "base/sink.h"
#include "core/core.h"
#include "prog/config/config.h"

/* callers_write: lines "uid role name". BAD_CONFIG with the user that does not
 * exist. */
enum bv_err callers_write(const struct config *config, struct sink *out,
                          char *ret_problem, size_t cap) BV_CHECKED;
/* callers_find: NOT_FOUND when nothing is granted to this user. */
enum bv_err callers_find(struct span table, uid_t uid,
                         struct core_caller *ret_caller) BV_CHECKED;

#endif
