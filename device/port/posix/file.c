#include "device/port/posix/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"

static bool
write_all(int fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static bool
own(int fd, const struct file_mode *mode)
{
    bool keep = mode->uid == (uid_t)-1 && mode->gid == (gid_t)-1;
    return (keep || fchown(fd, mode->uid, mode->gid) == 0) &&
           fchmod(fd, mode->mode) == 0;
}

static bool
write_new(int dirfd, const char *name, const struct file_mode *mode,
          const void *data, size_t len)
{
    bv_auto_close int fd = openat(
        dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
        mode->mode & 0600);
    return fd >= 0 && own(fd, mode) && write_all(fd, data, len) &&
           fsync(fd) == 0;
}

#define TEMP_MAX 256

static bool
temp_of(const char *name, char temp[TEMP_MAX])
{
    int n = snprintf(temp, TEMP_MAX, ".%s.new", name);
    if (n >= 0 && n < TEMP_MAX)
        return true;
    errno = ENAMETOOLONG;
    return false;
}

static enum bv_port
give_up(int dirfd, const char *name)
{
    int kept = errno;
    file_discard(dirfd, name);
    errno = kept;
    return BV_PORT_FAILED;
}

void
file_discard(int dirfd, const char *name)
{
    char temp[TEMP_MAX];
    if (temp_of(name, temp))
        (void)unlinkat(dirfd, temp, 0);
}

enum bv_port
file_prepare_as(int dirfd, const char *name, const struct file_mode *mode,
                const void *data, size_t len)
{
    char temp[TEMP_MAX];
    if (!temp_of(name, temp))
        return BV_PORT_FAILED;
    (void)unlinkat(dirfd, temp, 0); /* what an interrupted write left */
    return write_new(dirfd, temp, mode, data, len) ? BV_PORT_OK
                                                   : give_up(dirfd, name);
}

enum bv_port
file_commit(int dirfd, const char *name)
{
    char temp[TEMP_MAX];
    if (!temp_of(name, temp) || renameat(dirfd, temp, dirfd, name) != 0)
        return give_up(dirfd, name);
    return fsync(dirfd) == 0 ? BV_PORT_OK : BV_PORT_FAILED;
}

enum bv_port
file_replace_as(int dirfd, const char *name, const struct file_mode *mode,
                const void *data, size_t len)
{
    enum bv_port done = file_prepare_as(dirfd, name, mode, data, len);
    return done == BV_PORT_OK ? file_commit(dirfd, name) : done;
}

enum bv_port
file_replace(int dirfd, const char *name, const void *data, size_t len)
{
    struct file_mode mode = {0600, (uid_t)-1, (gid_t)-1};
    return file_replace_as(dirfd, name, &mode, data, len);
}

enum bv_port
file_read(int dirfd, const char *name, void *out, size_t cap, size_t *ret_len)
{
    struct stat st;
    size_t len = 0;
    bv_auto_close int fd =
        openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? BV_PORT_NONE : BV_PORT_FAILED;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
        (size_t)st.st_size > cap)
        return BV_PORT_FAILED;
    while (len < (size_t)st.st_size) {
        ssize_t n = read(fd, (uint8_t *)out + len, (size_t)st.st_size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return BV_PORT_FAILED;
        len += (size_t)n;
    }
    *ret_len = len;
    return BV_PORT_OK;
}

enum bv_port
file_erase(int dirfd, const char *name)
{
    if (unlinkat(dirfd, name, 0) != 0)
        return errno == ENOENT ? BV_PORT_OK : BV_PORT_FAILED;
    return fsync(dirfd) == 0 ? BV_PORT_OK : BV_PORT_FAILED;
}
