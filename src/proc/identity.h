/* Who a process is: dropping to a system user, and the promises that hold for
 * every role whatever its user: no core dumps, no tracing, no capabilities, no
 * new privileges, bounded memory and descriptors. */
#ifndef BV_PROC_IDENTITY_H
#define BV_PROC_IDENTITY_H

#include <sys/types.h>

#include "base/span.h"

struct identity {
    uid_t uid;
    gid_t gid;
};

/* identity_find looks a system user up; NOT_FOUND. */
enum bv_err identity_find(const char *user, struct identity *ret) BV_CHECKED;

/* identity_drop becomes that user for good: supplementary groups and, where
 * allowed, the capability bounding set emptied, all three ids set, and verified
 * by trying to get back. Needs root. REFUSED when
 * the kernel did not do what was asked; the caller must then exit. */
enum bv_err identity_drop(const struct identity *who) BV_CHECKED;

/* identity_open is open(2) as that user, for root that touches what belongs to
 * a role: so the role can lead it nowhere it could not go by itself. Not
 * through links, and a pipe does not wait for its other end. Who is not root
 * opens as itself. -1 with errno; the caller closes. */
int identity_open(const struct identity *who, const char *path, int flags,
                  mode_t mode);

/* identity_harden: no core dumps (PR_SET_DUMPABLE, RLIMIT_CORE), no_new_privs,
 * no capabilities, umask 077, and, where not 0, at most data_mb MiB of private
 * memory and files descriptors. Call in every role before it reads a byte. */
enum bv_err identity_harden(unsigned data_mb, unsigned files) BV_CHECKED;

#endif
