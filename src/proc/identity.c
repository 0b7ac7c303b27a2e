#include "proc/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

/* No program this process becomes may have a capability again. Refused where
 * the service manager has kept CAP_SETPCAP back; no_new_privs holds then. */
static void
empty_bounding_set(void)
{
    for (unsigned long cap = 0; cap < 64; cap++)
        (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* A role needs none, not even one that runs as root. */
static enum bv_err
drop_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    const struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return syscall(SYS_capset, &head, none) < 0 ? BV_E_IO : BV_OK;
}

enum bv_err
identity_drop(const struct identity *who)
{
    empty_bounding_set();
    if (setgroups(0, NULL) < 0 || setresgid(who->gid, who->gid, who->gid) < 0 ||
        setresuid(who->uid, who->uid, who->uid) < 0)
        return BV_E_REFUSED;
    if (!is_exactly(who))
        return BV_E_REFUSED;
    if (who->uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
        return BV_E_REFUSED;
    return BV_OK;
}

/* become_for_files: the file system sees this user from now on. The calls say
 * only what was before, so they are asked once more. */
static bool
become_for_files(uid_t uid, gid_t gid)
{
    (void)setfsgid(gid);
    (void)setfsuid(uid);
    return setfsgid((gid_t)-1) == (int)gid && setfsuid((uid_t)-1) == (int)uid;
}

int
identity_open(const struct identity *who, const char *path, int flags,
              mode_t mode)
{
    flags |= O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
    if (geteuid() != 0)
        return open(path, flags, mode);
    bool ours = become_for_files(who->uid, who->gid);
    int fd = ours ? open(path, flags, mode) : -1;
    int why = ours ? errno : EPERM;
    if (!become_for_files(0, getegid()))
        abort(); /* the next file would be opened as somebody else */
    errno = why;
    return fd;
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
    BV_TRY(drop_capabilities());
    BV_TRY(limit(RLIMIT_CORE, 0));
    if (files != 0)
        BV_TRY(limit(RLIMIT_NOFILE, files));
    if (data_mb != 0)
        BV_TRY(limit(RLIMIT_DATA, (rlim_t)data_mb << 20));
    return BV_OK;
}
