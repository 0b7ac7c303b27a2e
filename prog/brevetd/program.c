#include "prog/brevetd/program.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

enum bv_err
program_open(enum proc_role role, int *ret_fd,
             char ret_problem[FILES_PROBLEM_MAX])
{
    char name[64], path[512];
    (void)snprintf(name, sizeof(name), "brevetd-%s", table_role_name(role));
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
