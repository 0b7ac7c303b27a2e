/* Preloaded into every process of a test's daemon: the clocks are off by as
 * many seconds as the file says, the wall clock by its first number, those that
 * count a machine's life by its second. The file is mapped, so that they move
 * while the processes run and no role has to open anything inside its sandbox.
 * (libfaketime reads its settings from the environment, which the roles do not
 * inherit.) Who waits for a time is not woken by its coming; any event does.
 *
 * A sanitized program wants its own library first of all. It looks at the name:
 * call this one …libasan.so. */
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift;

__attribute__((constructor)) static void
open_shift(void)
{
    int fd = open(SHIFT_FILE, O_RDONLY | O_CLOEXEC);
    void *at =
        fd < 0 ? MAP_FAILED
               : mmap(NULL, 2 * sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED)
        shift = at;
    if (fd >= 0)
        close(fd);
}

int
clock_gettime(clockid_t id, struct timespec *ret)
{
    int rc = (int)syscall(SYS_clock_gettime, id, ret);
    bool is_wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    bool is_life = id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE ||
                   id == CLOCK_BOOTTIME;
    if (rc == 0 && shift != NULL && (is_wall || is_life))
        ret->tv_sec += shift[is_wall ? 0 : 1];
    return rc;
}

int
gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    ret->tv_sec = now.tv_sec;
    ret->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t
time(time_t *ret)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL)
        *ret = now.tv_sec;
    return now.tv_sec;
}
