/* A folder whose files change together: each set of them stands in a folder of
 * its own ("pem-7"), the link "current" names the one that counts, and
 * "cert.pem" and the others are links through it. Replacing that one link by
 * rename swaps them all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "prog/brevet-agent/agent.h"

#define SET_NAME_MAX 32

/* "pem-7" -> 7; 0 for anything else. */
static unsigned
number_of(const char *name)
{
    char *end = NULL;
    if (strncmp(name, "pem-", 4) != 0 || name[4] < '1' || name[4] > '9')
        return 0;
    unsigned long n = strtoul(name + 4, &end, 10);
    return *end == '\0' && n < UINT32_MAX ? (unsigned)n : 0;
}

static void
name_of(unsigned number, char name[SET_NAME_MAX])
{
    (void)snprintf(name, SET_NAME_MAX, "pem-%u", number);
}

static unsigned
current_number(int dir)
{
    char name[SET_NAME_MAX];
    ssize_t n = readlinkat(dir, "current", name, sizeof(name) - 1);
    if (n <= 0)
        return 0;
    name[n] = '\0';
    return number_of(name);
}

static int
open_set(int dir, unsigned number)
{
    char name[SET_NAME_MAX];
    name_of(number, name);
    return openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static bool
holds(int set, const struct folder_file *files, size_t num,
      const struct file_mode *secret)
{
    struct file_mode open_mode = {0644, secret->uid, secret->gid};
    for (size_t i = 0; i < num; i++)
        if (!install_is_right(set, files[i].name,
                              files[i].secret ? secret : &open_mode,
                              files[i].content))
            return false;
    return true;
}

/* All that is in it: an interrupted write leaves files of other names. */
static void
empty_set(int set)
{
    DIR *list = fdopendir(set);
    if (list == NULL) {
        (void)close(set);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;)
        (void)unlinkat(set, entry->d_name, 0); /* not "." and ".." */
    (void)closedir(list);
}

static void
remove_set(int dir, unsigned number)
{
    char name[SET_NAME_MAX];
    int set = open_set(dir, number);
    if (set >= 0)
        empty_set(set);
    name_of(number, name);
    (void)unlinkat(dir, name, AT_REMOVEDIR);
}

/* All but two: a program that resolved "current" a moment ago may still be
 * reading the one before. */
static void
remove_old(int dir, unsigned newest, unsigned before)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy < 0 ? NULL : fdopendir(copy);
    if (list == NULL && copy >= 0)
        (void)close(copy);
    if (list == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(list)) != NULL;) {
        unsigned number = number_of(entry->d_name);
        if (number != 0 && number != newest && number != before)
            remove_set(dir, number);
    }
    (void)closedir(list);
}

static bool
write_set(int dir, unsigned number, const struct folder_file *files, size_t num,
          const struct file_mode *secret)
{
    char name[SET_NAME_MAX];
    struct file_mode open_mode = {0644, secret->uid, secret->gid};
    remove_set(dir, number); /* an interrupted attempt's */
    name_of(number, name);
    if (mkdirat(dir, name, 0700) != 0)
        return false;
    bv_auto_close int set = open_set(dir, number);
    bool good = set >= 0 && fchmod(set, 0755) == 0;
    for (size_t i = 0; good && i < num; i++)
        good = file_replace_as(
                   set, files[i].name, files[i].secret ? secret : &open_mode,
                   files[i].content.data, files[i].content.len) == BV_PORT_OK;
    return good;
}

/* A copy made through the links (scp -r) has a folder where a link should be:
 * it goes, with the files in it. */
static bool
rename_over(int dir, const char *temp, const char *name)
{
    if (renameat(dir, temp, dir, name) == 0)
        return true;
    int old =
        errno == EISDIR
            ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            : -1;
    if (old < 0)
        return false;
    empty_set(old);
    return unlinkat(dir, name, AT_REMOVEDIR) == 0 &&
           renameat(dir, temp, dir, name) == 0;
}

/* A link replaced by rename; whatever had the name is gone then. */
static bool
link_to(int dir, const char *name, const char *target)
{
    char temp[64], have[64];
    ssize_t n = readlinkat(dir, name, have, sizeof(have));
    if (n == (ssize_t)strlen(target) && memcmp(have, target, (size_t)n) == 0)
        return true;
    (void)snprintf(temp, sizeof(temp), ".%s.new", name);
    (void)unlinkat(dir, temp, 0);
    if (symlinkat(target, dir, temp) == 0 && rename_over(dir, temp, name))
        return true;
    int kept = errno;
    (void)unlinkat(dir, temp, 0);
    errno = kept;
    return false;
}

static bool
link_files(int dir, const struct folder_file *files, size_t num)
{
    char target[64];
    for (size_t i = 0; i < num; i++) {
        (void)snprintf(target, sizeof(target), "current/%s", files[i].name);
        if (!link_to(dir, files[i].name, target))
            return false;
    }
    return fsync(dir) == 0;
}

bool
folder_write(int dir, const struct folder_file *files, size_t num,
             const struct file_mode *secret, bool *ret_changed)
{
    char name[SET_NAME_MAX];
    unsigned before = current_number(dir), next = before + 1;
    bv_auto_close int set = before == 0 ? -1 : open_set(dir, before);
    if (set >= 0 && holds(set, files, num, secret))
        return link_files(dir, files, num);
    name_of(next, name);
    if (!write_set(dir, next, files, num, secret) || fsync(dir) != 0 ||
        !link_to(dir, "current", name) || fsync(dir) != 0 ||
        !link_files(dir, files, num))
        return false;
    remove_old(dir, next, before);
    *ret_changed = true;
    return true;
}
