/* Each attempt runs in a child, which the wall may kill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proc/identity.h"
#include "proc/sandbox.h"

enum outcome { DONE = 0, DENIED = 1, SETUP = 2, KILLED = 3 };

static char inside[] = "/tmp/brevet-sandbox-XXXXXX";
static int landlock;

static enum outcome
in_role(enum proc_role role, enum outcome (*attempt)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        struct sandbox_state state;
        const char *paths[] = {inside};
        bool core = role == PROC_CORE;
        if (identity_harden(0, 0) != BV_OK ||
            sandbox_enter(role, paths, core ? 1 : 0, &state) != BV_OK)
            _exit(SETUP);
        _exit((int)attempt());
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        assert_int_equal(WTERMSIG(status), SIGSYS);
        return KILLED;
    }
    return (enum outcome)WEXITSTATUS(status);
}

static enum outcome
try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? DONE : DENIED;
}

static enum outcome
try_open(void)
{
    return open("/etc/passwd", O_RDONLY) >= 0 ? DONE : DENIED;
}

static enum outcome
try_create(void)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/db", inside);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 4096) < 0 || fdatasync(fd) < 0)
        return DENIED;
    return unlink(path) == 0 ? DONE : DENIED;
}

static enum outcome
try_exec(void)
{
    char *argv[] = {NULL};
    (void)execve("/bin/true", argv, argv);
    return DENIED;
}

static enum outcome
try_fork(void)
{
    return fork() >= 0 ? DONE : DENIED;
}

static enum outcome
try_code(void)
{
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map != MAP_FAILED ? DONE : DENIED;
}

static enum outcome
try_parents_limits(void)
{
    struct rlimit none = {0, 0};
    return prlimit(getppid(), RLIMIT_NOFILE, &none, NULL) == 0 ? DONE : DENIED;
}

/* A descriptor's signals may go to any process of the same user. */
static enum outcome
try_signals(void)
{
    return fcntl(0, F_SETOWN, getppid()) == 0 ? DONE : DENIED;
}

static enum outcome
try_descriptors(void)
{
    int flags = fcntl(0, F_GETFL), copy = fcntl(0, F_DUPFD_CLOEXEC, 3);
    return flags >= 0 && copy >= 3 && fcntl(0, F_SETFL, flags) == 0 ? DONE
                                                                    : DENIED;
}

static enum outcome
try_own_limits(void)
{
    struct rlimit now;
    return getrlimit(RLIMIT_NOFILE, &now) == 0 ? DONE : DENIED;
}

static enum outcome
try_ordinary(void)
{
    char *p = malloc(1 << 20);
    int fds[2] = {-1, -1};
    if (p == NULL)
        return DENIED;
    p[0] = 1;
    free(p);
    (void)fds;
    return write(2, "", 0) == 0 ? DONE : DENIED;
}

static void
every_role_can_do_its_work(void **state)
{
    assert_int_equal(in_role(PROC_DOOR, try_ordinary), DONE);
    assert_int_equal(in_role(PROC_SIGNER, try_ordinary), DONE);
    assert_int_equal(in_role(PROC_CORE, try_ordinary), DONE);
    assert_int_equal(in_role(PROC_CORE, try_create), DONE);
}

static void
nobody_starts_programs_or_writes_code(void **state)
{
    const enum proc_role roles[] = {PROC_DOOR, PROC_SIGNER, PROC_CORE};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(in_role(roles[i], try_exec), KILLED);
        assert_int_equal(in_role(roles[i], try_fork), KILLED);
        assert_int_equal(in_role(roles[i], try_code), KILLED);
        assert_int_equal(in_role(roles[i], try_socket), DENIED);
        assert_int_equal(in_role(roles[i], try_parents_limits), KILLED);
        assert_int_equal(in_role(roles[i], try_own_limits), DONE);
        assert_int_equal(in_role(roles[i], try_signals), KILLED);
        assert_int_equal(in_role(roles[i], try_descriptors), DONE);
    }
}

static void
files_are_out_of_reach(void **state)
{
    assert_int_equal(in_role(PROC_DOOR, try_open), DENIED);
    assert_int_equal(in_role(PROC_SIGNER, try_open), DENIED);
    assert_int_equal(in_role(PROC_DOOR, try_create), DENIED);
    if (landlock > 0)
        assert_int_equal(in_role(PROC_CORE, try_open), DENIED);
}

static void
only_roles_are_confined(void **state)
{
    struct sandbox_state ret;
    assert_int_equal(sandbox_enter(PROC_PARENT, NULL, 0, &ret), BV_E_USAGE);
}

int
main(void)
{
    long abi = syscall(444, NULL, 0, 1); /* landlock_create_ruleset */
    landlock = abi > 0 ? (int)abi : 0;
    if (mkdtemp(inside) == NULL)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_can_do_its_work),
        cmocka_unit_test(nobody_starts_programs_or_writes_code),
        cmocka_unit_test(files_are_out_of_reach),
        cmocka_unit_test(only_roles_are_confined),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(inside);
    return failed;
}
