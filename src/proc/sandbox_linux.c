#include "proc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "proc/table.h"

/* --- Landlock: own constants, since the headers of the build machine may be
 * older than the kernel it runs on (and the other way round) --- */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

enum {
    RULESET_VERSION = 1,
    RULE_PATH_BENEATH = 1,
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_REG = 1 << 8,
    FS_ABI_1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* ABI 2 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3 */
    NET_ALL = 3,            /* ABI 4: bind and connect of TCP */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    SCOPE_ALL = 3, /* ABI 6: abstract sockets and signals beyond the role */
};

struct ruleset {
    uint64_t fs, net, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

static uint64_t
handled_files(int abi)
{
    uint64_t mask = FS_ABI_1;
    if (abi >= 2)
        mask |= FS_REFER;
    if (abi >= 3)
        mask |= FS_TRUNCATE;
    if (abi >= 5)
        mask |= FS_IOCTL_DEV;
    return mask;
}

/* An older kernel refuses a longer structure than it knows. */
static int
create_ruleset(int abi, const struct ruleset *rules)
{
    size_t size = sizeof(rules->fs);
    if (abi >= 4)
        size = offsetof(struct ruleset, scoped);
    if (abi >= 6)
        size = sizeof(*rules);
    return (int)syscall(SYS_landlock_create_ruleset, rules, size, 0);
}

static enum bv_err
allow_beneath(int ruleset, const char *path, uint64_t handled)
{
    bv_auto_close int dir = open(path, O_PATH | O_CLOEXEC);
    if (dir < 0)
        return errno == ENOENT ? BV_OK : BV_E_IO;
    uint64_t wanted = FS_READ_FILE | FS_WRITE_FILE | FS_READ_DIR |
                      FS_REMOVE_FILE | FS_MAKE_REG | FS_TRUNCATE;
    struct path_rule rule = {wanted & handled, dir};
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) <
        0)
        return BV_E_IO;
    return BV_OK;
}

/* confine_files: *ret_abi 0 when this kernel has no Landlock. */
static enum bv_err
confine_files(const char *const *paths, size_t num, int *ret_abi)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
    *ret_abi = abi > 0 ? (int)abi : 0;
    if (abi <= 0)
        return BV_OK;
    const struct ruleset rules = {handled_files((int)abi),
                                  abi >= 4 ? NET_ALL : 0,
                                  abi >= 6 ? SCOPE_ALL : 0};
    bv_auto_close int ruleset = create_ruleset((int)abi, &rules);
    if (ruleset < 0)
        return BV_E_IO;
    for (size_t i = 0; i < num; i++)
        BV_TRY(allow_beneath(ruleset, paths[i], rules.fs));
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return BV_E_IO;
    return BV_OK;
}

/* --- system calls --- */

/* What every role needs: memory, time, random numbers, its channels. */
static const int calls_all[] = {
    SCMP_SYS(brk),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(fstat),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(lseek),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),
    SCMP_SYS(newfstatat),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pread64),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sysinfo),
    SCMP_SYS(time),
    SCMP_SYS(uname),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

/* A door: accept, answer, tell the peer's address, and libuv's own needs. */
static const int calls_door[] = {
    SCMP_SYS(accept4),     SCMP_SYS(accept),      SCMP_SYS(eventfd2),
    SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt),
    SCMP_SYS(pipe2),       SCMP_SYS(setsockopt),  SCMP_SYS(shutdown),
    SCMP_SYS(sendfile),
};

/* Core: SQLite's files, the published files, the control socket. */
static const int calls_core[] = {
    SCMP_SYS(accept4),    SCMP_SYS(access),     SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(fallocate),  SCMP_SYS(fchmod),
    SCMP_SYS(fchown),     SCMP_SYS(fdatasync),  SCMP_SYS(flock),
    SCMP_SYS(fstatfs),    SCMP_SYS(fsync),      SCMP_SYS(ftruncate),
    SCMP_SYS(getcwd),     SCMP_SYS(getdents64), SCMP_SYS(getsockopt),
    SCMP_SYS(lstat),      SCMP_SYS(mkdir),      SCMP_SYS(msync),
    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),    SCMP_SYS(readlink),   SCMP_SYS(readlinkat),
    SCMP_SYS(rename),     SCMP_SYS(renameat),   SCMP_SYS(renameat2),
    SCMP_SYS(stat),       SCMP_SYS(statfs),     SCMP_SYS(statx),
    SCMP_SYS(umask),      SCMP_SYS(unlink),     SCMP_SYS(unlinkat),
    SCMP_SYS(fadvise64),  SCMP_SYS(setsockopt), SCMP_SYS(sync_file_range),
};

/* Harmless questions libraries ask before they cope with the answer "no".
 * They fail instead of ending the process. */
static const int calls_denied[] = {
    SCMP_SYS(access),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(statx),
    SCMP_SYS(socket),
    SCMP_SYS(connect),
    SCMP_SYS(ioctl),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(sched_setaffinity),
    SCMP_SYS(getcwd),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(prctl),
    SCMP_SYS(shmget),
    SCMP_SYS(getrusage),
    SCMP_SYS(chown),
    SCMP_SYS(fchown),
};

static bool
is_in(int call, const int *list, size_t num)
{
    for (size_t i = 0; i < num; i++)
        if (list[i] == call)
            return true;
    return false;
}

static enum bv_err
allow(scmp_filter_ctx ctx, const int *list, size_t num)
{
    for (size_t i = 0; i < num; i++)
        if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, list[i], 0) < 0)
            return BV_E_IO;
    return BV_OK;
}

static enum bv_err
allow_if(scmp_filter_ctx ctx, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, call, 1, condition) < 0
               ? BV_E_IO
               : BV_OK;
}

/* libuv makes descriptors non-blocking with ioctl(2); the configuration's
 * scanner asks whether its input is a terminal, and hears that it is not. */
static enum bv_err
allow_ioctl(scmp_filter_ctx ctx)
{
    BV_TRY(allow_if(ctx, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIONBIO, 0)));
    BV_TRY(allow_if(ctx, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, FIOCLEX, 0)));
    return seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1,
                            SCMP_A1(SCMP_CMP_EQ, TCGETS, 0)) < 0
               ? BV_E_IO
               : BV_OK;
}

/* Not F_SETOWN and F_SETSIG, which send any signal to any process of the same
 * user. The kernel looks at 32 bits of the command. */
static enum bv_err
allow_fcntl(scmp_filter_ctx ctx)
{
    static const unsigned commands[] = {
        F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD,  F_GETFL,
        F_SETFL, F_GETLK,         F_SETLK, F_SETLKW, F_GET_SEALS,
    };
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        BV_TRY(allow_if(ctx, SCMP_SYS(fcntl),
                        SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, commands[i])));
    return BV_OK;
}

/* Memory is never writable and executable, nor made executable. */
static enum bv_err
allow_memory(scmp_filter_ctx ctx)
{
    const struct scmp_arg_cmp no_exec =
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    BV_TRY(allow_if(ctx, SCMP_SYS(mmap), no_exec));
    return allow_if(ctx, SCMP_SYS(mprotect), no_exec);
}

static enum bv_err
allow_role(scmp_filter_ctx ctx, enum proc_role role)
{
    const int *list = NULL;
    size_t num = 0;
    if (role == PROC_DOOR) {
        list = calls_door;
        num = sizeof(calls_door) / sizeof(calls_door[0]);
    }
    if (role == PROC_CORE) {
        list = calls_core;
        num = sizeof(calls_core) / sizeof(calls_core[0]);
    }
    BV_TRY(allow(ctx, list, num));
    if (role == PROC_DOOR)
        BV_TRY(allow_ioctl(ctx));
    size_t denied = sizeof(calls_denied) / sizeof(calls_denied[0]);
    for (size_t i = 0; i < denied; i++) {
        bool is_ioctl = calls_denied[i] == SCMP_SYS(ioctl);
        if (is_in(calls_denied[i], list, num) ||
            (is_ioctl && role == PROC_DOOR))
            continue;
        if (seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOENT), calls_denied[i], 0) <
            0)
            return BV_E_IO;
    }
    return BV_OK;
}

static enum bv_err
fill(scmp_filter_ctx ctx, enum proc_role role)
{
    BV_TRY(allow(ctx, calls_all, sizeof(calls_all) / sizeof(calls_all[0])));
    BV_TRY(allow_memory(ctx));
    BV_TRY(allow_fcntl(ctx));
    /* abort(3) signals this process; no other is within reach. */
    BV_TRY(allow_if(ctx, SCMP_SYS(tgkill),
                    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)));
    /* getrlimit(2) of this process; no limit of any process is changed. */
    if (seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
                         SCMP_A0(SCMP_CMP_EQ, 0, 0),
                         SCMP_A2(SCMP_CMP_EQ, 0, 0)) < 0)
        return BV_E_IO;
    BV_TRY(allow_role(ctx, role));
    /* The list is walked as a tree: a call costs the same whatever its place.
     */
    (void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return seccomp_load(ctx) < 0 ? BV_E_IO : BV_OK;
}

static enum bv_err
confine_calls(enum proc_role role)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (ctx == NULL)
        return BV_E_NO_MEMORY;
    enum bv_err err = fill(ctx, role);
    seccomp_release(ctx);
    return err;
}

enum bv_err
sandbox_enter(enum proc_role role, const char *const *paths, size_t num,
              struct sandbox_state *ret)
{
    if (table_row(role) == NULL || num > SANDBOX_PATHS_MAX)
        return BV_E_USAGE;
    struct sandbox_state state = {0};
    BV_TRY(confine_files(paths, num, &state.files));
    /* A kernel or a container without seccomp: say so, the caller logs it. */
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0) {
        BV_TRY(confine_calls(role));
        state.syscalls = true;
    }
    *ret = state;
    return BV_OK;
}

bool
sandbox_is_built(void)
{
    return true;
}
