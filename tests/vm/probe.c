/* probe PID PATH r|w: makes a running process open a path, and says what came
 * of it: "opened", or the error's name. It is stopped, made to call openat(2)
 * with its own credentials and walls but the system call filter, which is
 * suspended meanwhile (it would hide what Landlock says), and goes on as if
 * nothing had been. For root on x86-64. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_INSN 0x050f
/* Below what the ABI lets a function use under its stack pointer. */
#define SCRATCH 1024
/* How long to wait for a process at work: a minute. */
#define TRIES    600
#define PAUSE_US 100000

static pid_t target;

static void
die(const char *what)
{
    perror(what);
    exit(2);
}

static void
ask(enum __ptrace_request request, void *addr, void *data, const char *what)
{
    if (ptrace(request, target, addr, data) < 0)
        die(what);
}

static void
wait_stop(void)
{
    int status;
    if (waitpid(target, &status, 0) != target || !WIFSTOPPED(status))
        die("waitpid");
}

static void
poke(uint64_t at, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i += sizeof(long)) {
        long word = 0;
        memcpy(&word, text + i,
               len - i < sizeof(word) ? len - i : sizeof(word));
        ask(PTRACE_POKEDATA, (void *)(at + i), (void *)word, "POKEDATA");
    }
}

/* A process at work is let go and stopped again until it waits in a system
 * call: there its place is known. */
static void
stop_in_a_call(struct user_regs_struct *ret)
{
    for (int i = 0; i < TRIES; i++) {
        ask(PTRACE_INTERRUPT, NULL, NULL, "INTERRUPT");
        wait_stop();
        ask(PTRACE_GETREGS, NULL, ret, "GETREGS");
        errno = 0;
        long insn =
            ptrace(PTRACE_PEEKTEXT, target, (void *)(ret->rip - 2), NULL);
        if (errno == 0 && (insn & 0xffff) == SYSCALL_INSN &&
            (long)ret->orig_rax >= 0)
            return;
        ask(PTRACE_CONT, NULL, NULL, "CONT");
        (void)usleep(PAUSE_US);
    }
    (void)fprintf(stderr, "probe: it never waits\n");
    exit(2);
}

/* One system call in the target, at the place it was stopped. */
static long
call(const struct user_regs_struct *regs, long number, uint64_t a, uint64_t b,
     uint64_t c, uint64_t d)
{
    struct user_regs_struct r = *regs;
    r.rip -= 2;
    r.orig_rax = (uint64_t)-1; /* nothing to be restarted */
    r.rax = (uint64_t)number;
    r.rdi = a;
    r.rsi = b;
    r.rdx = c;
    r.r10 = d;
    ask(PTRACE_SETREGS, NULL, &r, "SETREGS");
    ask(PTRACE_SINGLESTEP, NULL, NULL, "SINGLESTEP");
    wait_stop();
    ask(PTRACE_GETREGS, NULL, &r, "GETREGS");
    return (long)r.rax;
}

static long
open_there(const char *path, int flags)
{
    struct user_regs_struct regs;
    stop_in_a_call(&regs);
    uint64_t at = (regs.rsp - SCRATCH) & ~UINT64_C(7);
    char kept[SCRATCH / 2];
    for (size_t i = 0; i < sizeof(kept); i += sizeof(long)) {
        long word = ptrace(PTRACE_PEEKDATA, target, (void *)(at + i), NULL);
        memcpy(kept + i, &word, sizeof(word));
    }
    poke(at, path, strlen(path) + 1);
    long fd =
        call(&regs, SYS_openat, (uint64_t)AT_FDCWD, at, (uint64_t)flags, 0600);
    if (fd >= 0)
        (void)call(&regs, SYS_close, (uint64_t)fd, 0, 0, 0);
    poke(at, kept, sizeof(kept));
    ask(PTRACE_SETREGS, NULL, &regs, "SETREGS");
    return fd;
}

int
main(int argc, char **argv)
{
    if (argc != 4 || strlen(argv[2]) >= SCRATCH / 2) {
        (void)fprintf(stderr, "usage: probe PID PATH r|w\n");
        return 2;
    }
    target = (pid_t)strtol(argv[1], NULL, 10);
    long options = PTRACE_O_SUSPEND_SECCOMP;
    ask(PTRACE_SEIZE, NULL, (void *)options, "SEIZE");
    long fd =
        open_there(argv[2], argv[3][0] == 'w' ? O_RDWR | O_CREAT : O_RDONLY);
    ask(PTRACE_DETACH, NULL, NULL, "DETACH");
    (void)puts(fd >= 0 ? "opened" : strerrorname_np((int)-fd));
    return 0;
}
