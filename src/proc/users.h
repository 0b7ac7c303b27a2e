/* The system users of the process table: one for each role, so that what one
 * role holds is out of another's reach. */
#ifndef BV_PROC_USERS_H
#define BV_PROC_USERS_H

#include <stddef.h>

#include "proc/identity.h"
#include "proc/table.h"

struct users {
    struct identity of[PROC_ANY]; /* by enum proc_role; the table's rows only */
};

/* users_find looks up the user of every row. NOT_FOUND when one is missing,
 * REFUSED when two rows share one or a row's is root; ret_problem then says
 * what to do, commands included. */
enum bv_err users_find(struct users *ret, char *ret_problem,
                       size_t cap) BV_CHECKED;

/* users_can_enter: whether this user can get to and into the directory, asked
 * as that user by a process of its own. Needs root. */
bool users_can_enter(const char *dir, const struct identity *who);

#endif
