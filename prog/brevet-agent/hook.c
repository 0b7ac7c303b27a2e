#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/auto.h"
#include "base/log.h"
#include "prog/brevet-agent/agent.h"

#define ENVIRONMENT_MAX 64

/* Our own environment with three more; strings live as long as text. */
static void
make_environment(const struct identity *identity, const char *reason,
                 char text[3][4200], char *ret_env[ENVIRONMENT_MAX + 4])
{
    size_t n = 0;
    const struct agent_config *config = identity->config;
    const char *cert = config->install_cert != NULL ? config->install_cert
                                                    : config->install_chain;
    for (char **e = environ; *e != NULL && n < ENVIRONMENT_MAX; e++)
        if (strncmp(*e, "NOTIFY_SOCKET=", 14) != 0)
            ret_env[n++] = *e;
    (void)snprintf(text[0], 4200, "BREVET_IDENTITY=%s", config->name);
    (void)snprintf(text[1], 4200, "BREVET_CERT=%s", cert == NULL ? "" : cert);
    (void)snprintf(text[2], 4200, "BREVET_REASON=%s", reason);
    for (size_t i = 0; i < 3; i++)
        ret_env[n++] = text[i];
    ret_env[n] = NULL;
}

static bool
spawn(const char *command, char *const env[], pid_t *ret_pid)
{
    char *const argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
                          (char *)(uintptr_t)command, NULL};
    posix_spawnattr_t attr;
    sigset_t none;
    sigemptyset(&none);
    if (posix_spawnattr_init(&attr) != 0)
        return false;
    /* its own process group, so that a time-out ends its children too */
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
                                              POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    int err = posix_spawn(ret_pid, "/bin/sh", NULL, &attr, argv, env);
    (void)posix_spawnattr_destroy(&attr);
    errno = err;
    return err == 0;
}

/* True when it ended by itself in time. */
static bool
wait_for(pid_t pid, int *ret_status)
{
    bv_auto_close int fd = pidfd_open(pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint64_t end = identity_now_ms() + HOOK_SECONDS * 1000;
    bool in_time = false;
    while (!in_time && identity_now_ms() < end)
        in_time = poll(&p, 1, (int)(end - identity_now_ms())) > 0;
    if (!in_time)
        (void)kill(-pid, SIGKILL);
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        continue;
    return in_time;
}

void
hook_run(const struct identity *identity, const char *reason)
{
    char text[3][4200];
    char *env[ENVIRONMENT_MAX + 4];
    const char *command = identity->config->hook,
               *name = identity->config->name;
    pid_t pid;
    int status = 0;
    if (command == NULL)
        return;
    make_environment(identity, reason, text, env);
    if (!spawn(command, env, &pid))
        log_error("hook cannot be started identity=%s reason=\"%s\"", name,
                  strerror(errno));
    else if (!wait_for(pid, &status))
        log_error("hook stopped after %d s identity=%s", HOOK_SECONDS, name);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        log_info("hook done identity=%s cause=%s", name, reason);
    else
        log_error("hook failed identity=%s status=%d", name,
                  WIFEXITED(status) ? WEXITSTATUS(status)
                                    : 128 + WTERMSIG(status));
}
