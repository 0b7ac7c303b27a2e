/* The walls around one process: which system calls it may make (seccomp) and
 * which files it may touch (Landlock). Both are for good. The build picks one
 * implementation: sandbox_linux.c, or sandbox_none.c where there is no seccomp
 * and under the sanitizers, which make calls of their own. */
#ifndef BV_PROC_SANDBOX_H
#define BV_PROC_SANDBOX_H

#include "proc/channel.h"

#define SANDBOX_PATHS_MAX 24

/* What is in force afterwards, for the log. */
struct sandbox_state {
    bool syscalls; /* the role's list of system calls is enforced */
    int files;     /* Landlock's version; 0: the kernel has none */
};

/* sandbox_enter confines the calling process to its role. Directories in paths
 * (num of them, at most SANDBOX_PATHS_MAX) may be read and written beneath,
 * which only core uses; every other file is out of reach. A system call that is
 * not on the list ends the process with SIGSYS. Call identity_harden first. IO
 * when the kernel refuses what it should support; then do not go on. */
enum bv_err sandbox_enter(enum proc_role role, const char *const *paths,
                          size_t num, struct sandbox_state *ret) BV_CHECKED;

/* sandbox_is_built: false in a build without one. A sanitizer reserves
 * terabytes of shadow and looks for leaks by tracing its own process, so such a
 * build does without identity_harden too. */
bool sandbox_is_built(void);

#endif
