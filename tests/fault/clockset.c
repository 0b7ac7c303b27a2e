/* Preloaded beside clockshift.c: who waits to hear that the wall clock was set
 * hears it when the file of the shift is written, as timerfd_create(2) has it
 * for TFD_TIMER_CANCEL_ON_SET: the descriptor becomes readable, and read(2)
 * fails with ECANCELED. Only one such descriptor, and it never runs out. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int clock_fd = -1;
static bool armed;

int
timerfd_create(int id, int flags)
{
    if (id != CLOCK_REALTIME)
        return (int)syscall(SYS_timerfd_create, id, flags);
    clock_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return clock_fd;
}

int
timerfd_settime(int fd, int flags, const struct itimerspec *new,
                struct itimerspec *old)
{
    if (fd != clock_fd)
        return (int)syscall(SYS_timerfd_settime, fd, flags, new, old);
    armed = (flags & TFD_TIMER_ABSTIME) != 0 &&
            (flags & TFD_TIMER_CANCEL_ON_SET) != 0 &&
            inotify_add_watch(fd, SHIFT_FILE, IN_MODIFY) >= 0;
    return 0;
}

ssize_t
read(int fd, void *out, size_t cap)
{
    char events[4096];
    if (fd != clock_fd || fd < 0)
        return syscall(SYS_read, fd, out, cap);
    if (syscall(SYS_read, fd, events, sizeof(events)) <= 0)
        return -1; /* EAGAIN */
    errno = armed ? ECANCELED : EAGAIN;
    return -1;
}
