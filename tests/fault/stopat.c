/* Loaded before everything else into one program: ends it (SIGKILL) at the
 * STOP_AT-th call that changes a file of CA keys or the passphrase, or lets the
 * disk be full from the FULL_AT-th such call on. Calls that give room back
 * (rename, unlink) work on a full disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int calls;

static int
number(const char *name)
{
    const char *text = getenv(name);
    return text != NULL ? atoi(text) : 0;
}

/* 1: the call fails for want of room */
static int
count(const char *path, int takes_room)
{
    if (strstr(path, "/ca/") == NULL && strstr(path, "passphrase") == NULL)
        return 0;
    calls++;
    if (calls == number("STOP_AT"))
        (void)raise(SIGKILL);
    if (!takes_room || number("FULL_AT") == 0 || calls < number("FULL_AT"))
        return 0;
    errno = ENOSPC;
    return 1;
}

static int
count_fd(int fd)
{
    char name[64], path[4096];
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, sizeof(path) - 1);
    if (n < 0)
        return 0;
    path[n] = '\0';
    return count(path, 1);
}

#define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))

int
open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if ((flags & O_CREAT) != 0 && count(path, 1))
        return -1;
    return REAL(open)(path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if ((flags & O_CREAT) != 0 && count(path, 1))
        return -1;
    return REAL(open64)(path, flags, mode);
}

ssize_t
write(int fd, const void *data, size_t len)
{
    return count_fd(fd) ? -1 : REAL(write)(fd, data, len);
}

int
fsync(int fd)
{
    return count_fd(fd) ? -1 : REAL(fsync)(fd);
}

int
rename(const char *from, const char *to)
{
    (void)count(to, 0);
    return REAL(rename)(from, to);
}

int
unlink(const char *path)
{
    (void)count(path, 0);
    return REAL(unlink)(path);
}
