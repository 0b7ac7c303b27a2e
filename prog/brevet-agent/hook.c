#include <errno.h>
#include <fcntl.h>
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

static size_t
count_environment(void)
{
    size_t n = 0;
    while (environ[n] != NULL)
        n++;
    return n;
}

/* Our own environment with three more; strings live as long as text. */
static void
make_environment(const struct identity *identity, const char *reason,
                 char text[3][4200], char **ret_env)
{
    size_t n = 0;
    const struct agent_config *config = identity->config;
    const char *cert = config->install_cert != NULL ? config->install_cert
                                                    : config->install_chain;
    const char *folder =
        config->install_dir != NULL ? config->install_dir
        : config->pem == NULL || strcmp(config->pem, "yes") == 0 ? config->dir
                                                                 : NULL;
    for (char **e = environ; *e != NULL; e++)
        if (strncmp(*e, "NOTIFY_SOCKET=", 14) != 0)
            ret_env[n++] = *e;
    (void)snprintf(text[0], 4200, "BREVET_IDENTITY=%s", config->name);
    if (cert != NULL || folder == NULL)
        (void)snprintf(text[1], 4200, "BREVET_CERT=%s",
                       cert == NULL ? "" : cert);
    else
        (void)snprintf(text[1], 4200, "BREVET_CERT=%s/cert.pem", folder);
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
    posix_spawn_file_actions_t files;
    sigset_t none, ignored;
    sigemptyset(&none);
    sigemptyset(&ignored);
    sigaddset(&ignored, SIGPIPE); /* by us; a shell's pipes need it */
    if (posix_spawnattr_init(&attr) != 0)
        return false;
    int err = posix_spawn_file_actions_init(&files);
    /* our input may be where a claim code comes from */
    if (err == 0)
        err = posix_spawn_file_actions_addopen(&files, STDIN_FILENO,
                                               "/dev/null", O_RDONLY, 0);
    /* its own process group, so that a time-out ends its children too */
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP |
                                              POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setsigdefault(&attr, &ignored);
    (void)posix_spawnattr_setpgroup(&attr, 0);
    if (err == 0)
        err = posix_spawn(ret_pid, "/bin/sh", &files, &attr, argv, env);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attr);
    errno = err;
    return err == 0;
}

static void
begin(struct identity *identity, const char *reason)
{
    char text[3][4200];
    struct hook *hook = &identity->hook;
    bv_auto_free char **env = calloc(count_environment() + 4, sizeof(*env));
    if (env == NULL) {
        log_error("hook cannot be started identity=%s reason=\"%s\"",
                  identity->config->name, strerror(errno));
        return;
    }
    make_environment(identity, reason, text, env);
    if (!spawn(identity->config->hook, env, &hook->pid)) {
        log_error("hook cannot be started identity=%s reason=\"%s\"",
                  identity->config->name, strerror(errno));
        hook->pid = 0;
        return;
    }
    hook->fd = pidfd_open(hook->pid, 0);
    hook->reason = reason;
    hook->end_ms = identity_now_ms() + HOOK_SECONDS * 1000;
}

#define DUE_FILE "hook-due"

void
hook_expect(const struct identity *identity, const char *reason)
{
    if (identity->config->hook != NULL &&
        file_replace(bv_posix_dirfd(identity->posix), DUE_FILE, reason,
                     strlen(reason)) != BV_PORT_OK)
        log_warn("a hook that is interrupted will not be repeated identity=%s "
                 "reason=\"%s\"",
                 identity->config->name, strerror(errno));
}

bool
hook_is_due(const struct identity *identity)
{
    char reason[32];
    size_t len = 0;
    return identity->config->hook != NULL && identity->hook.pid == 0 &&
           file_read(bv_posix_dirfd(identity->posix), DUE_FILE, reason,
                     sizeof(reason), &len) == BV_PORT_OK;
}

void
hook_start(struct identity *identity, const char *reason)
{
    if (identity->config->hook == NULL)
        return;
    if (identity->hook.pid != 0)
        identity->hook.queued = reason;
    else
        begin(identity, reason);
}

static void
report(const struct identity *identity, int status, bool in_time)
{
    const char *name = identity->config->name;
    if (!in_time)
        log_error("hook stopped, it took too long; it runs again later "
                  "identity=%s",
                  name);
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        log_info("hook done identity=%s cause=%s", name, identity->hook.reason);
    else
        log_error(
            "hook failed, it runs again later identity=%s status=%d", name,
            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int
hook_fd(const struct identity *identity)
{
    return identity->hook.pid == 0 ? -1 : identity->hook.fd;
}

bool
hook_step(struct identity *identity)
{
    struct hook *hook = &identity->hook;
    int status = 0;
    if (hook->pid == 0)
        return false;
    bool in_time = identity_now_ms() < hook->end_ms;
    if (!in_time)
        (void)kill(-hook->pid, SIGKILL);
    pid_t ended = waitpid(hook->pid, &status, in_time ? WNOHANG : 0);
    if (ended == 0 || (ended < 0 && errno == EINTR))
        return true;
    report(identity, status, in_time);
    bool good = in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (good && hook->queued == NULL) {
        (void)file_erase(bv_posix_dirfd(identity->posix), DUE_FILE);
        identity->again_pause = 0;
    }
    if (!good && hook->queued == NULL)
        identity_again(identity);
    if (hook->fd >= 0)
        (void)close(hook->fd);
    const char *queued = hook->queued;
    bool stopping = hook->stopping;
    *hook = (struct hook){0};
    if (queued != NULL && !stopping)
        begin(identity, queued);
    return hook->pid != 0;
}

void
hook_hurry(struct identity *identity)
{
    uint64_t end_ms = identity_now_ms() + HOOK_STOP_SECONDS * 1000;
    identity->hook.stopping = true;
    if (identity->hook.end_ms > end_ms)
        identity->hook.end_ms = end_ms;
}

void
hook_finish(struct identity *identity)
{
    while (hook_step(identity)) {
        struct pollfd p = {.fd = identity->hook.fd, .events = POLLIN};
        (void)poll(&p, 1, identity->hook.fd >= 0 ? 1000 : 20);
    }
}
