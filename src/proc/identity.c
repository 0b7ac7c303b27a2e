#include "proc/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum bv_err
identity_find(const char *user, struct identity *ret)
{
    char buf[4096];
    struct passwd entry, *found = NULL;
    int rc = getpwnam_r(user, &entry, buf, sizeof(buf), &found);
    if (rc != 0 && rc != ENOENT && rc != ESRCH)
        return BV_E_IO;
    if (found == NULL)
        return BV_E_NOT_FOUND;
    *ret = (struct identity){found->pw_uid, found->pw_gid};
    return BV_OK;
}

static bool
is_exactly(const struct identity *who)
{
    uid_t uid[3];
    gid_t gid[3];
    if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 ||
        getresgid(&gid[0], &gid[1], &gid[2]) < 0)
        return false;
    for (int i = 0; i < 3; i++)
        if (uid[i] != who->uid || gid[i] != who->gid)
            return false;
    return true;
}

enum bv_err
identity_drop(const struct identity *who)
{
    if (setgroups(0, NULL) < 0 || setresgid(who->gid, who->gid, who->gid) < 0 ||
        setresuid(who->uid, who->uid, who->uid) < 0)
        return BV_E_REFUSED;
    if (!is_exactly(who))
        return BV_E_REFUSED;
    if (who->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        return BV_E_REFUSED;
    return BV_OK;
}

/* limit lowers a limit; what is already lower stays. */
static enum bv_err
limit(__rlimit_resource_t what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(what, &now) < 0)
        return BV_E_IO;
    rlim_t cap = now.rlim_max < most ? now.rlim_max : most;
    struct rlimit next = {cap, cap};
    return setrlimit(what, &next) < 0 ? BV_E_IO : BV_OK;
}

enum bv_err
identity_harden(unsigned data_mb, unsigned files)
{
    (void)umask(077);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return BV_E_IO;
    BV_TRY(limit(RLIMIT_CORE, 0));
    if (files != 0)
        BV_TRY(limit(RLIMIT_NOFILE, files));
    if (data_mb != 0)
        BV_TRY(limit(RLIMIT_DATA, (rlim_t)data_mb << 20));
    return BV_OK;
}
