/* Files written so that a crash or a power cut leaves the old one or the new
 * one, never a part. Host side only.
 *
 * A new file is written aside, synced and renamed, and then the folder is
 * synced: only that makes the name durable. Failures are DISK_FULL or IO, with
 * errno left for a sentence about them; nothing is logged. Every call waits for
 * the disk: whoever is watched notes it first (proc/pulse.h). Paths are shorter
 * than PATH_MAX less four. */
#ifndef BV_BASE_DISK_H
#define BV_BASE_DISK_H

#include <sys/types.h>

#include "base/err.h"
#include "base/span.h"

/* disk_error says what errno means for a file that was to be written:
 * DISK_FULL (also a quota), else IO. */
enum bv_err disk_error(void) BV_CHECKED;
/* disk_write writes all of it from the descriptor's present place and syncs
 * the file. */
enum bv_err disk_write(int fd, struct span bytes) BV_CHECKED;
/* disk_create makes a file that is not there yet (errno EEXIST) with exactly
 * this mode, whatever the umask. Its name is durable with its folder's next
 * sync. Whatever was made stays on failure. */
enum bv_err disk_create(const char *path, mode_t mode,
                        struct span bytes) BV_CHECKED;
/* disk_replace gives path this mode and content. It goes through PATH.new; what
 * an earlier attempt left there, link or file, is removed, and so is our own
 * on failure. */
enum bv_err disk_replace(const char *path, mode_t mode,
                         struct span bytes) BV_CHECKED;
/* disk_rename moves a synced file over another in the same folder. */
enum bv_err disk_rename(const char *from, const char *to) BV_CHECKED;
/* disk_sync_folder makes names durable in the folder that path lies in. */
enum bv_err disk_sync_folder(const char *path) BV_CHECKED;

#endif
