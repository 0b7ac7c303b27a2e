#include "prog/config/rekey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/sink.h"
#include "prog/config/config.h"

#define LIST     "ca/passphrase.change"
#define LIST_MAX (REKEY_FILES_MAX * (CONFIG_PATH_MAX + 1) + 8)

enum bv_err
rekey_decide(const char *dir, const char *const *paths, size_t num)
{
    bv_auto_free char *buf = malloc(LIST_MAX);
    char list[CONFIG_PATH_MAX];
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
    for (size_t i = 0; i < num; i++) /* the successors' names, durably */
        BV_TRY(disk_sync_folder(paths[i]));
    enum bv_err err = disk_replace(list, 0600, text);
    if (err != BV_OK)
        (void)unlink(list); /* not durable: not decided */
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
    return disk_sync_folder(path);
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
    if (unlink(list) != 0 || disk_sync_folder(list) != BV_OK)
        return say(ret_problem, cap, list);
    return BV_OK;
}
