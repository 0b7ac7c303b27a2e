/* Starting a role: fork, then execute its program, so that a role shares
 * nothing with the parent: not its memory, not its address layout, and no
 * library either of them does without. */
#ifndef BV_PROC_SPAWN_H
#define BV_PROC_SPAWN_H

#include <sys/types.h>

#include "proc/channel.h"
#include "proc/identity.h"

/* The descriptor a role finds its channel to the parent on. */
#define SPAWN_FD 3

/* The part of a command line that says which role to be: "core", "door/2". */
#define SPAWN_ROLE_OPTION "--role"

/* spawn_role starts role number index from program, an open descriptor of the
 * executable (so it stays the one that was there when it was opened, whatever
 * is installed over it), or -1: the one that runs now. It gives back its
 * process id and our end of its channel (non-blocking, close-on-exec; the
 * caller owns it). The child keeps 0, 1, 2 and SPAWN_FD, has default signals,
 * an environment of PATH and JOURNAL_STREAM, and has dropped to who when that
 * is not NULL. It is killed by the kernel should the parent die without a word.
 */
enum bv_err spawn_role(int program, enum proc_role role, unsigned index,
                       const struct identity *who, pid_t *ret_pid,
                       int *ret_fd) BV_CHECKED;

#endif
