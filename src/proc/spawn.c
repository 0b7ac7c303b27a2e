#include "proc/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "proc/table.h"

#define PROGRAM_FD (SPAWN_FD + 1) /* closed by the exec */

static void
close_above(unsigned first)
{
    if (syscall(SYS_close_range, first, ~0u, 0u) == 0)
        return;
    long most = sysconf(_SC_OPEN_MAX);
    for (long fd = (long)first; fd < most; fd++)
        (void)close((int)fd);
}

static void
default_signals(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    for (int sig = 1; sig < NSIG; sig++)
        (void)signal(sig, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Everything but 0, 1, 2, the channel and the program is closed. */
static void
arrange(int program, int fd)
{
    int kept = program >= 0 ? fcntl(program, F_DUPFD_CLOEXEC, PROGRAM_FD + 1)
                            : open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (kept < 0 || (fd != SPAWN_FD && dup2(fd, SPAWN_FD) < 0) ||
        (kept != PROGRAM_FD && dup3(kept, PROGRAM_FD, O_CLOEXEC) < 0))
        _exit(71);
    (void)fcntl(SPAWN_FD, F_SETFD, 0);
    close_above(PROGRAM_FD + 1);
}

/* child never returns: it becomes the role or ends. Only calls that are safe
 * between fork and exec of a single-threaded process. */
static _Noreturn void
child(int program, int fd, const char *role_text, const struct identity *who,
      pid_t parent)
{
    arrange(program, fd);
    default_signals();
    if (who != NULL && identity_drop(who) != BV_OK)
        _exit(77);
    /* After the change of user, which clears it. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(71);
    char option[] = SPAWN_ROLE_OPTION, name[] = "brevetd";
    char role[32];
    (void)snprintf(role, sizeof(role), "%s", role_text);
    char *argv[] = {name, option, role, NULL};
    char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", journal[128];
    char *env[3] = {path, NULL, NULL};
    const char *stream = getenv("JOURNAL_STREAM");
    if (stream != NULL) {
        (void)snprintf(journal, sizeof(journal), "JOURNAL_STREAM=%s", stream);
        env[1] = journal;
    }
    (void)fexecve(PROGRAM_FD, argv, env);
    _exit(72);
}

enum bv_err
spawn_role(int program, enum proc_role role, unsigned index,
           const struct identity *who, pid_t *ret_pid, int *ret_fd)
{
    int fds[2];
    BV_TRY(channel_pair(fds));
    bv_auto_close int ours = fds[0];
    bv_auto_close int theirs = fds[1];
    char text[32];
    (void)snprintf(text, sizeof(text), "%s/%u", table_role_name(role), index);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return BV_E_NO_MEMORY;
    if (pid == 0)
        child(program, theirs, text, who, parent);
    *ret_pid = pid;
    *ret_fd = ours;
    ours = -1;
    return BV_OK;
}
