#include "prog/brevetd/family_users.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc/users.h"

/* Core owns its folder, and can get there. */
static enum bv_err
check_folder(const struct config *config, const char *name,
             const struct identity *core, const char *user, char *problem)
{
    char path[CONFIG_PATH_MAX];
    struct stat st;
    BV_TRY(config_path(config, name, path));
    if (stat(path, &st) < 0 && errno == ENOENT)
        return BV_OK; /* its files are elsewhere */
    if (stat(path, &st) < 0) {
        (void)snprintf(problem, FILES_PROBLEM_MAX, "%s: %s", path,
                       strerror(errno));
        return BV_E_BAD_CONFIG;
    }
    if (st.st_uid != core->uid) {
        (void)snprintf(problem, FILES_PROBLEM_MAX,
                       "core runs as %s, but its folder %s is uid %u's; do: "
                       "cd %s && chown -R %s: db crl tls",
                       user, name, (unsigned)st.st_uid, config->dir, user);
        return BV_E_BAD_CONFIG;
    }
    if (users_can_enter(path, core))
        return BV_OK;
    (void)snprintf(problem, FILES_PROBLEM_MAX,
                   "core runs as %s, who cannot get into %s: a folder above is "
                   "closed to it; move the installation, or do chmod o+x",
                   user, path);
    return BV_E_BAD_CONFIG;
}

static enum bv_err
check_folders(const struct files *files, const char *user, char *problem)
{
    static const char *const names[] = {"db", "crl", "tls"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        BV_TRY(
            check_folder(files->config, names[i], &files->core, user, problem));
    return BV_OK;
}

static enum bv_err
one_user(struct users *users, const char *user, char *problem)
{
    struct identity who;
    if (identity_find(user, &who) != BV_OK) {
        (void)snprintf(problem, FILES_PROBLEM_MAX,
                       "there is no user \"%s\"; do: useradd --system %s", user,
                       user);
        return BV_E_BAD_CONFIG;
    }
    for (int role = 0; role < PROC_ANY; role++)
        users->of[role] = who;
    log_warn("missing walls: one user for all roles user=%s", user);
    return BV_OK;
}

static enum bv_err
own_users(struct users *users, char *problem)
{
    char text[FILES_PROBLEM_MAX / 2];
    if (users_find(users, text, sizeof(text)) == BV_OK)
        return BV_OK;
    (void)snprintf(problem, FILES_PROBLEM_MAX,
                   "%s. Or set user in brevet.conf to one user for all roles, "
                   "and have fewer walls",
                   text);
    return BV_E_BAD_CONFIG;
}

enum bv_err
family_users(struct family *family, struct files *files, char *ret_problem)
{
    const char *user = files->config->user;
    bool one = user[0] != '\0';
    struct users users;
    if (geteuid() != 0) {
        log_info("missing walls: started as an ordinary user, so all roles "
                 "share uid=%u",
                 (unsigned)geteuid());
        return BV_OK;
    }
    BV_TRY(one ? one_user(&users, user, ret_problem)
               : own_users(&users, ret_problem));
    for (unsigned i = 0; i < family->num; i++) {
        struct child *child = &family->children[i];
        child->switch_user = true;
        child->user = users.of[child->row->role];
    }
    files->core = users.of[PROC_CORE];
    return check_folders(files, one ? user : table_row(PROC_CORE)->user,
                         ret_problem);
}
