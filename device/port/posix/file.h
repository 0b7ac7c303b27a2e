/* Files of a directory replaced as one atomic act. Shared by the storage port
 * and by the key port on OpenSSL. */
#ifndef BV_DEVICE_PORT_POSIX_FILE_H
#define BV_DEVICE_PORT_POSIX_FILE_H

#include "brevet/port.h"

#include <sys/types.h>

/* How a file is made. uid and gid of -1 stay as they are. */
struct file_mode {
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

/* file_replace_as writes data to a new file (O_EXCL, O_NOFOLLOW, never more
 * open than mode, owned as asked before it has content), fsyncs it, renames it
 * over name and fsyncs the directory. FAILED (with errno) leaves the old
 * content and no temporary file. */
enum bv_port file_replace_as(int dirfd, const char *name,
                             const struct file_mode *mode, const void *data,
                             size_t len);
/* The same in two acts, for files that belong together: file_prepare_as leaves
 * the new file beside name, fsynced, so that no lack of space or rights is met
 * later; file_commit renames it and fsyncs the directory; file_discard removes
 * what was prepared. */
enum bv_port file_prepare_as(int dirfd, const char *name,
                             const struct file_mode *mode, const void *data,
                             size_t len);
enum bv_port file_commit(int dirfd, const char *name);
void file_discard(int dirfd, const char *name);
/* file_replace: mode 0600, our own owner. */
enum bv_port file_replace(int dirfd, const char *name, const void *data,
                          size_t len);

/* file_read reads a regular file, never through a symbolic link. NONE when
 * there is none; FAILED when it does not fit. */
enum bv_port file_read(int dirfd, const char *name, void *out, size_t cap,
                       size_t *ret_len);

/* file_erase removes it durably; OK when it was not there. */
enum bv_port file_erase(int dirfd, const char *name);

#endif
