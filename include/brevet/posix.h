/* brevet/posix.h: the device library's storage, clock and random ports on
 * Linux and its kin.
 *
 * Storage is a directory (mode 0700), one file per record. A record is written
 * to a temporary file, fsync'ed, renamed over the old one, and the directory is
 * fsync'ed: after a power cut either content is there, whole. An exclusive lock
 * (flock on "lock") keeps a second process out. */
#ifndef BREVET_POSIX_H
#define BREVET_POSIX_H

#include "brevet/port.h"

BV_C_BEGIN

struct bv_posix;

/* bv_posix_open takes hold of a directory, making it if it is missing. NULL
 * with errno: EWOULDBLOCK when another process holds it, EPERM when others
 * than the owner may write to it. */
struct bv_posix *bv_posix_open(const char *dir);
/* bv_posix_open_reader takes no lock and writes nothing: set and erase are
 * FAILED. For looking at an identity that a running service holds. */
struct bv_posix *bv_posix_open_reader(const char *dir);
void bv_posix_close(struct bv_posix *posix); /* NULL is fine */
/* bv_posix_dirfd: the directory's descriptor, owned by posix. */
int bv_posix_dirfd(const struct bv_posix *posix);

/* bv_posix_ports fills clock, random and storage. The clock's wall time is
 * always "known"; its monotonic time counts suspend (CLOCK_BOOTTIME). */
void bv_posix_ports(struct bv_posix *posix, struct bv_ports *ret_ports);

BV_C_END
#endif
