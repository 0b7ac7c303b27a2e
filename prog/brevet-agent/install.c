/* Files for the programs that use an identity: folders whose files change
 * together (folder.c), and single files: all are written, then each is put in
 * its place by rename, the key before the certificate. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/log.h"
#include "base/sink.h"
#include "device/port/posix/file.h"
#include "prog/brevet-agent/agent.h"
#include "wire/pem.h"

#define FILE_MAX 65536

static bool
find_owner(const char *owner, struct file_mode *mode)
{
    char user[128];
    if (owner == NULL)
        return true;
    (void)snprintf(user, sizeof(user), "%s", owner);
    char *group = strchr(user, ':');
    if (group != NULL)
        *group++ = '\0';
    const struct passwd *pw = user[0] != '\0' ? getpwnam(user) : NULL;
    if (user[0] != '\0' && pw == NULL)
        return false;
    if (pw != NULL) {
        mode->uid = pw->pw_uid;
        mode->gid = pw->pw_gid;
    }
    if (group == NULL || *group == '\0')
        return true;
    const struct group *gr = getgrnam(group);
    if (gr != NULL)
        mode->gid = gr->gr_gid;
    return gr != NULL;
}

static bool
find_mode(const char *text, struct file_mode *mode)
{
    char *end = NULL;
    if (text == NULL)
        return true;
    unsigned long bits = strtoul(text, &end, 8);
    mode->mode = (mode_t)bits;
    return end != text && *end == '\0' && bits <= 0777;
}

static bool
is_of(int dir, const char *name, const struct file_mode *mode)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           (st.st_mode & 07777) == mode->mode &&
           (mode->uid == (uid_t)-1 || mode->uid == st.st_uid) &&
           (mode->gid == (gid_t)-1 || mode->gid == st.st_gid);
}

bool
install_is_right(int dir, const char *name, const struct file_mode *mode,
                 struct span content)
{
    bv_auto_free uint8_t *have = malloc(FILE_MAX);
    size_t len = 0;
    bool right = have != NULL && (mode == NULL || is_of(dir, name, mode)) &&
                 file_read(dir, name, have, FILE_MAX, &len) == BV_PORT_OK &&
                 span_eq(span_of(have, len), content);
    if (have != NULL)
        explicit_bzero(have, FILE_MAX);
    return right;
}

/* --- what could not be written, for status --- */

#define ERROR_FILE "install-error"

static void
note_error(const struct identity *identity, const char *path,
           const char *reason)
{
    char text[WHY_TEXT_MAX];
    int n = snprintf(text, sizeof(text), "%s: %s", path, reason);
    size_t len = n < 0                      ? 0
                 : (size_t)n < sizeof(text) ? (size_t)n
                                            : sizeof(text) - 1;
    int dir = bv_posix_dirfd(identity->posix);
    log_error("install failed identity=%s path=%s reason=\"%s\"",
              identity->config->name, path, reason);
    if (!install_is_right(dir, ERROR_FILE, NULL, span_of(text, len)))
        (void)file_replace(dir, ERROR_FILE, text, len);
}

static void
forget_error(const struct identity *identity)
{
    struct stat st;
    int dir = bv_posix_dirfd(identity->posix);
    if (fstatat(dir, ERROR_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
        (void)file_erase(dir, ERROR_FILE);
}

void
install_error(const struct identity *identity, char *out, size_t cap)
{
    size_t len = 0;
    if (file_read(bv_posix_dirfd(identity->posix), ERROR_FILE, out, cap - 1,
                  &len) != BV_PORT_OK)
        len = 0;
    out[len] = '\0';
}

/* --- single files --- */

/* Key and certificate come first, side by side: a program that starts between
 * two renames would find a pair that does not fit. */
#define TARGETS_MAX 4
#define TARGETS_LEN (3 * FILE_MAX)

struct target {
    const struct file_mode *mode;
    const char *path;
    struct span content;
    char *copy; /* of path, which basename cuts */
    const char *name;
    int dir;
    bool prepared;
};

struct targets {
    struct target list[TARGETS_MAX];
    size_t num;
    struct sink *out;
};

/* What was put since the one before is its content. */
static bool
add(struct targets *targets, const struct file_mode *mode, const char *path,
    size_t begin)
{
    const struct sink *out = targets->out;
    targets->list[targets->num++] =
        (struct target){.mode = mode,
                        .path = path,
                        .content = span_of(out->data + begin, out->len - begin),
                        .dir = -1};
    return !out->failed;
}

static bool
add_key_and_cert(struct targets *targets, struct identity *identity,
                 const struct file_mode *secret,
                 const struct file_mode *open_mode)
{
    const struct agent_config *config = identity->config;
    struct sink *out = targets->out;
    size_t begin = out->len;
    bool combined = config->install_key != NULL &&
                    config->install_cert != NULL &&
                    strcmp(config->install_key, config->install_cert) == 0;
    if (config->install_key != NULL && !material_key(identity, out))
        return false;
    if (combined) {
        if (!material_leaf(identity, out))
            return false;
        material_path(identity, out);
    }
    if (config->install_key != NULL &&
        !add(targets, secret, config->install_key, begin))
        return false;
    begin = out->len;
    return config->install_cert == NULL || combined ||
           (material_leaf(identity, out) &&
            add(targets, open_mode, config->install_cert, begin));
}

static bool
add_chain(struct targets *targets, struct identity *identity,
          const struct file_mode *open_mode)
{
    const struct agent_config *config = identity->config;
    struct sink *out = targets->out;
    size_t begin = out->len;
    if (config->install_chain != NULL) {
        if (!material_leaf(identity, out))
            return false;
        material_path(identity, out);
        if (!add(targets, open_mode, config->install_chain, begin))
            return false;
    }
    begin = out->len;
    if (config->install_ca == NULL)
        return true;
    material_roots(identity, out);
    material_path(identity, out);
    return add(targets, open_mode, config->install_ca, begin);
}

/* A folder in the place of the file is what a rename alone would meet. */
static bool
is_no_folder(const struct target *target)
{
    struct stat st;
    if (fstatat(target->dir, target->name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(st.st_mode))
        return true;
    errno = EISDIR;
    return false;
}

static bool
prepare(struct target *target)
{
    bv_auto_free char *for_dir = strdup(target->path);
    target->copy = strdup(target->path);
    if (for_dir == NULL || target->copy == NULL)
        return false;
    target->name = basename(target->copy);
    target->dir = open(dirname(for_dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target->dir < 0)
        return false;
    if (install_is_right(target->dir, target->name, target->mode,
                         target->content))
        return true;
    target->prepared = is_no_folder(target) &&
                       file_prepare_as(target->dir, target->name, target->mode,
                                       target->content.data,
                                       target->content.len) == BV_PORT_OK;
    return target->prepared;
}

static void
forget(struct targets *targets)
{
    for (size_t i = 0; i < targets->num; i++) {
        struct target *target = &targets->list[i];
        if (target->prepared)
            file_discard(target->dir, target->name);
        if (target->dir >= 0)
            (void)close(target->dir);
        free(target->copy);
    }
}

static bool
prepare_all(const struct identity *identity, struct targets *targets)
{
    for (size_t i = 0; i < targets->num; i++)
        if (!prepare(&targets->list[i])) {
            note_error(identity, targets->list[i].path, strerror(errno));
            return false;
        }
    return true;
}

static bool
commit_all(const struct identity *identity, struct targets *targets,
           bool *ret_changed)
{
    for (size_t i = 0; i < targets->num; i++) {
        struct target *target = &targets->list[i];
        if (!target->prepared)
            continue;
        target->prepared = false;
        if (file_commit(target->dir, target->name) != BV_PORT_OK) {
            note_error(identity, target->path, strerror(errno));
            return false;
        }
        *ret_changed = true;
    }
    return true;
}

/* All are written before one is renamed: what cannot be written leaves the old
 * key beside its certificate. */
static bool
install_files(struct identity *identity, const struct file_mode *secret,
              struct sink *out, bool *ret_changed)
{
    const struct file_mode open_mode = {0644, secret->uid, secret->gid};
    struct targets targets = {.out = out};
    out->len = 0;
    bool good = add_key_and_cert(&targets, identity, secret, &open_mode) &&
                add_chain(&targets, identity, &open_mode) &&
                prepare_all(identity, &targets) &&
                commit_all(identity, &targets, ret_changed);
    forget(&targets);
    return good;
}

/* --- folders --- */

static bool
fill_folder(struct identity *identity, int dir, const struct file_mode *secret,
            struct sink *out, bool *ret_changed)
{
    static const char *const names[] = {"key.pem", "ca.pem", "chain.pem",
                                        "cert.pem"};
    struct folder_file files[4];
    size_t ends[5] = {0};
    out->len = 0;
    if (!material_key(identity, out))
        return false;
    ends[1] = out->len;
    material_roots(identity, out);
    ends[2] = out->len;
    material_path(identity, out);
    ends[3] = out->len;
    if (!material_leaf(identity, out))
        return false;
    material_path(identity, out);
    ends[4] = out->len;
    for (size_t i = 0; i < 4; i++)
        files[i] = (struct folder_file){
            names[i], i == 0,
            span_of(out->data + ends[i], ends[i + 1] - ends[i])};
    return !out->failed && folder_write(dir, files, 4, secret, ret_changed);
}

static bool
install_folders(struct identity *identity, const struct file_mode *secret,
                struct sink *out, bool *ret_changed)
{
    const struct agent_config *config = identity->config;
    static const struct file_mode ours = {0600, (uid_t)-1, (gid_t)-1};
    const char *path = "its own folder";
    bool good = (config->pem != NULL && strcmp(config->pem, "no") == 0) ||
                fill_folder(identity, bv_posix_dirfd(identity->posix), &ours,
                            out, ret_changed);
    if (good && config->install_dir != NULL) {
        path = config->install_dir;
        bv_auto_close int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        good = dir >= 0 && fill_folder(identity, dir, secret, out, ret_changed);
    }
    if (!good)
        note_error(identity, path, strerror(errno));
    return good;
}

bool
install_owner_fits(const struct agent_config *config)
{
    struct file_mode mode;
    return find_owner(config->install_owner, &mode);
}

bool
install_mode_fits(const struct agent_config *config)
{
    struct file_mode mode;
    return find_mode(config->install_mode, &mode);
}

bool
install_all(struct identity *identity, bool *ret_changed)
{
    const struct agent_config *config = identity->config;
    struct file_mode secret = {0600, (uid_t)-1, (gid_t)-1};
    *ret_changed = false;
    if (!find_owner(config->install_owner, &secret) ||
        !find_mode(config->install_mode, &secret)) {
        note_error(identity, "install owner or mode",
                   "no such owner, or not an octal mode");
        return false;
    }
    uint8_t *text = malloc(TARGETS_LEN);
    if (text == NULL)
        return false;
    struct sink out = sink_of(text, TARGETS_LEN);
    bool good = install_folders(identity, &secret, &out, ret_changed) &&
                install_files(identity, &secret, &out, ret_changed);
    explicit_bzero(text, TARGETS_LEN);
    free(text);
    if (good)
        forget_error(identity);
    return good;
}
