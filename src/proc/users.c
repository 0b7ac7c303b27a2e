#include "proc/users.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sink.h"

static void
say_missing(const struct proc_row *rows, const bool *missing, size_t num,
            char *problem, size_t cap)
{
    struct sink out = sink_of(problem, cap - 1);
    sink_str(&out, "each role runs as a system user of its own, and there is "
                   "no such user yet; do: for u in");
    for (size_t i = 0; i < num; i++) {
        if (!missing[i])
            continue;
        sink_str(&out, " ");
        sink_str(&out, rows[i].user);
    }
    sink_str(&out, "; do useradd --system --user-group --shell "
                   "/usr/sbin/nologin $u; done");
    problem[out.len] = '\0';
}

static enum bv_err
check_apart(const struct proc_row *rows, const struct users *users, size_t num,
            char *problem, size_t cap)
{
    for (size_t i = 0; i < num; i++) {
        const struct identity *who = &users->of[rows[i].role];
        if (who->uid == 0) {
            (void)snprintf(problem, cap, "the user %s is root", rows[i].user);
            return BV_E_REFUSED;
        }
        for (size_t j = 0; j < i; j++) {
            if (users->of[rows[j].role].uid != who->uid)
                continue;
            (void)snprintf(problem, cap, "%s and %s are the same user (uid %u)",
                           rows[j].user, rows[i].user, (unsigned)who->uid);
            return BV_E_REFUSED;
        }
    }
    return BV_OK;
}

enum bv_err
users_find(struct users *ret, char *ret_problem, size_t cap)
{
    size_t num;
    const struct proc_row *rows = table_rows(&num);
    struct users users = {0};
    bool missing[PROC_ANY] = {false}, any = false;
    for (size_t i = 0; i < num; i++) {
        missing[i] =
            identity_find(rows[i].user, &users.of[rows[i].role]) != BV_OK;
        any |= missing[i];
    }
    if (any) {
        say_missing(rows, missing, num, ret_problem, cap);
        return BV_E_NOT_FOUND;
    }
    BV_TRY(check_apart(rows, &users, num, ret_problem, cap));
    *ret = users;
    return BV_OK;
}

bool
users_can_enter(const char *dir, const struct identity *who)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(identity_drop(who) == BV_OK && access(dir, X_OK) == 0 ? 0 : 1);
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}
