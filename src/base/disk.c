#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"

enum bv_err
disk_error(void)
{
    return errno == ENOSPC || errno == EDQUOT ? BV_E_DISK_FULL : BV_E_IO;
}

enum bv_err
disk_write(int fd, struct span bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return disk_error();
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
    return fsync(fd) == 0 ? BV_OK : disk_error();
}

enum bv_err
disk_create(const char *path, mode_t mode, struct span bytes)
{
    bv_auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 || fchmod(fd, mode) != 0)
        return disk_error();
    return disk_write(fd, bytes);
}

enum bv_err
disk_sync_folder(const char *path)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL)
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path + 1),
                       path);
    bv_auto_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? BV_OK : disk_error();
}

enum bv_err
disk_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        return disk_error();
    return disk_sync_folder(to);
}

enum bv_err
disk_replace(const char *path, mode_t mode, struct span bytes)
{
    char aside[PATH_MAX];
    (void)snprintf(aside, sizeof aside, "%s.new", path);
    (void)unlink(aside);
    enum bv_err err = disk_create(aside, mode, bytes);
    if (err == BV_OK)
        err = disk_rename(aside, path);
    if (err != BV_OK) {
        int why = errno;
        (void)unlink(aside);
        errno = why;
    }
    return err;
}
