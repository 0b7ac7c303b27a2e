#include "prog/brevetd/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"

static int
open_beside(const char *name)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[len < 0 ? 0 : len] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return -1;
    size_t room = sizeof(path) - (size_t)(slash + 1 - path);
    if ((size_t)snprintf(slash + 1, room, "%s", name) >= room)
        return -1;
    return open(path, O_PATH | O_CLOEXEC);
}

static enum bv_err
open_program(const char *role, int *ret_fd, char ret_problem[FILES_PROBLEM_MAX])
{
    char name[64], path[512];
    (void)snprintf(name, sizeof(name), "brevetd-%s", role);
    (void)snprintf(path, sizeof(path), "%s/%s", BREVET_LIBEXEC, name);
    *ret_fd = open_beside(name);
    if (*ret_fd < 0)
        *ret_fd = open(path, O_PATH | O_CLOEXEC);
    if (*ret_fd >= 0)
        return BV_OK;
    (void)snprintf(ret_problem, FILES_PROBLEM_MAX,
                   "%s is not there: install Brevet again", path);
    return BV_E_BAD_CONFIG;
}

enum bv_err
program_open(enum proc_role role, int *ret_fd,
             char ret_problem[FILES_PROBLEM_MAX])
{
    return open_program(table_role_name(role), ret_fd, ret_problem);
}

int
program_check(const char *config_path, const char *dir, bool as_json)
{
    char problem[FILES_PROBLEM_MAX], name[] = "brevetd-check",
                                     json[] = "--json";
    char *const args[] = {name, (char *)(uintptr_t)config_path,
                          (char *)(uintptr_t)dir, as_json ? json : NULL, NULL};
    bv_auto_close int fd = -1;
    if (open_program("check", &fd, problem) == BV_OK) {
        (void)fexecve(fd, args, environ);
        (void)snprintf(problem, sizeof(problem), "%s: %s", name,
                       strerror(errno));
    }
    (void)fprintf(stderr, "brevetd: %s\n", problem);
    return 1;
}
