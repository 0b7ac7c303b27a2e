#include "prog/config/rekey.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sink.h"
#include "prog/config/config.h"

#define LIST     "ca/passphrase.change"
#define LIST_MAX (REKEY_FILES_MAX * (CONFIG_PATH_MAX + 1) + 8)

static enum bv_err
sync_folder_of(const char *path)
{
    char copy[CONFIG_PATH_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", path);
    bv_auto_close int fd =
        open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? BV_OK : BV_E_IO;
}

static enum bv_err
write_list(const char *path, struct span text)
{
    (void)unlink(path);
    bv_auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len ||
        fsync(fd) != 0)
        return errno == ENOSPC || errno == EDQUOT ? BV_E_DISK_FULL : BV_E_IO;
    return BV_OK;
}

enum bv_err
rekey_decide(const char *dir, const char *const *paths, size_t num)
{
    bv_auto_free char *buf = malloc(LIST_MAX);
    char list[CONFIG_PATH_MAX], aside[CONFIG_PATH_MAX];
    struct span text;
    if (buf == NULL)
        return BV_E_NO_MEMORY;
    struct sink out = sink_of(buf, LIST_MAX);
    for (size_t i = 0; i < num; i++) {
        sink_str(&out, paths[i]);
        sink_str(&out, "\n");
    }
    sink_str(&out, "end\n");
    BV_TRY(sink_done(&out, &text));
    (void)snprintf(list, sizeof(list), "%s/" LIST, dir);
    (void)snprintf(aside, sizeof(aside), "%s/" LIST ".new", dir);
    for (size_t i = 0; i < num; i++) /* the successors' names, durably */
        BV_TRY(sync_folder_of(paths[i]));
    enum bv_err err = write_list(aside, text);
    if (err == BV_OK && rename(aside, list) != 0)
        err = BV_E_IO;
    if (err != BV_OK) {
        (void)unlink(aside);
        return err;
    }
    err = sync_folder_of(list);
    if (err != BV_OK)
        (void)unlink(list);
    return err;
}

/* A successor that is not there any more has been moved already. */
static enum bv_err
take_successor(const char *path)
{
    char aside[CONFIG_PATH_MAX + 8];
    (void)snprintf(aside, sizeof(aside), "%s" REKEY_SUFFIX, path);
    if (rename(aside, path) != 0 && errno != ENOENT)
        return BV_E_IO;
    return sync_folder_of(path);
}

static enum bv_err
say(char *problem, size_t cap, const char *path)
{
    (void)snprintf(problem, cap,
                   "a change of the passphrase was decided and cannot be "
                   "ended: %s: %s",
                   path, strerror(errno));
    return BV_E_IO;
}

static enum bv_err
take_all(char *text, char *problem, size_t cap)
{
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL && rest != NULL;
         line = strsep(&rest, "\n")) {
        if (strcmp(line, "end") == 0)
            return BV_OK;
        if (take_successor(line) != BV_OK)
            return say(problem, cap, line);
    }
    (void)snprintf(problem, cap, LIST " is damaged");
    return BV_E_IO;
}

enum bv_err
rekey_finish(const char *dir, char *ret_problem, size_t cap)
{
    char list[CONFIG_PATH_MAX];
    bv_auto_free char *text = calloc(1, LIST_MAX + 1);
    if (text == NULL)
        return BV_E_NO_MEMORY;
    (void)snprintf(list, sizeof(list), "%s/" LIST, dir);
    bv_auto_close int fd = open(list, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return BV_OK;
    if (fd < 0 || read(fd, text, LIST_MAX) < 0)
        return say(ret_problem, cap, list);
    BV_TRY(take_all(text, ret_problem, cap));
    if (unlink(list) != 0 || sync_folder_of(list) != BV_OK)
        return say(ret_problem, cap, list);
    return BV_OK;
}
