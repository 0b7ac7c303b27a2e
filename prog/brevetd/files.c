#include "prog/brevetd/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "proc/bundle.h"
#include "prog/brevetd/callers.h"
#include "prog/config/prompt.h"
#include "signer/signer.h"

/* The largest file of one CA or manufacturer: a CRL of a manufacturer. */
#define FILE_MAX (8u << 20)

static enum bv_err bad(char *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum bv_err
bad(char *problem, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(problem, FILES_PROBLEM_MAX, format, ap);
    va_end(ap);
    return BV_E_BAD_CONFIG;
}

/* --- reading --- */

struct content {
    uint8_t *data;
    size_t len;
};

static void
content_free(struct content *content)
{
    if (content->data != NULL)
        explicit_bzero(content->data, content->len);
    free(content->data);
    content->data = NULL;
}
#define auto_content __attribute__((cleanup(content_free))) struct content

static enum bv_err
read_all(int fd, size_t cap, struct content *ret)
{
    auto_content got = {malloc(cap + 1), 0};
    if (got.data == NULL)
        return BV_E_NO_MEMORY;
    while (got.len <= cap) {
        ssize_t n = read(fd, got.data + got.len, cap + 1 - got.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return BV_E_IO;
        if (n == 0) {
            *ret = got;
            got.data = NULL;
            return BV_OK;
        }
        got.len += (size_t)n;
    }
    return BV_E_TOO_LARGE;
}

/* open_own opens what the operator put there. NOT_FOUND without a word,
 * everything else with a sentence. */
static enum bv_err
open_own(const char *path, int *ret_fd, char *problem)
{
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (*ret_fd < 0 && errno == ENOENT)
        return BV_E_NOT_FOUND;
    if (*ret_fd < 0)
        return bad(problem, "%s cannot be opened: %s", path, strerror(errno));
    return BV_OK;
}

enum bv_err
files_open_cores(const struct files *files, const char *path, int *ret_fd,
                 char *problem)
{
    struct stat st;
    bv_auto_close int fd = identity_open(&files->core, path, O_RDONLY, 0);
    if (fd < 0 && errno == ENOENT)
        return BV_E_NOT_FOUND;
    if (fd < 0 || fstat(fd, &st) < 0)
        return bad(problem, "%s cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return bad(problem, "%s is not a file", path);
    *ret_fd = fd;
    fd = -1;
    return BV_OK;
}

static enum bv_err
read_fd(int fd, const char *path, struct content *ret, char *problem)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return bad(problem, "%s cannot be opened: %s", path, strerror(errno));
    size_t cap = S_ISREG(st.st_mode) ? (size_t)st.st_size : 65536;
    if (cap > FILE_MAX)
        return bad(problem, "%s is larger than %u octets", path, FILE_MAX);
    enum bv_err err = read_all(fd, cap, ret);
    if (err != BV_OK)
        return bad(problem, "%s cannot be read: %s", path, err_text(err));
    return BV_OK;
}

static enum bv_err
read_file(const char *path, struct content *ret, char *problem)
{
    bv_auto_close int fd = -1;
    BV_TRY(open_own(path, &fd, problem));
    return read_fd(fd, path, ret, problem);
}

enum bv_err
files_read(const char *path, const char *dir, struct files *ret, char *problem)
{
    auto_content text = {0};
    enum bv_err err = read_file(path, &text, problem);
    if (err == BV_E_NOT_FOUND)
        return bad(problem,
                   "there is no configuration at %s; \"brevet init --dir %s\" "
                   "makes an installation",
                   path, dir);
    BV_TRY(err);
    struct config *config;
    BV_TRY(config_parse(span_of(text.data, text.len), path, dir, &config,
                        problem, FILES_PROBLEM_MAX));
    *ret = (struct files){
        .text = (char *)text.data,
        .text_len = text.len,
        .config = config,
        .core = {geteuid(), getegid()},
    };
    text.data = NULL;
    return BV_OK;
}

void
files_done(struct files *files)
{
    free(files->text);
    config_free(files->config);
    explicit_bzero(files, sizeof(*files));
}

/* --- modes --- */

static bool
is_trusted_owner(uid_t owner)
{
    return owner == 0 || owner == geteuid() || geteuid() == 0;
}

static enum bv_err
check_secret(const char *path, char *problem)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno == ENOENT ? bad(problem, "%s is missing", path)
                               : bad(problem, "%s: %s", path, strerror(errno));
    if (!is_trusted_owner(st.st_uid))
        return bad(problem, "%s belongs to another user (uid %u)", path,
                   (unsigned)st.st_uid);
    if (S_ISREG(st.st_mode) && (st.st_mode & 077) != 0)
        return bad(problem,
                   "%s can be read by others (mode %04o); do: chmod 600 %s",
                   path, (unsigned)(st.st_mode & 07777), path);
    return BV_OK;
}

static enum bv_err
check_directory(const struct config *config, const char *name, mode_t forbidden,
                char *problem)
{
    char path[CONFIG_PATH_MAX];
    BV_TRY(config_path(config, name, path));
    struct stat st;
    if (stat(path, &st) < 0)
        return bad(problem, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return bad(problem, "%s is not a directory", path);
    if (!is_trusted_owner(st.st_uid))
        return bad(problem, "%s belongs to another user (uid %u)", path,
                   (unsigned)st.st_uid);
    if ((st.st_mode & forbidden) != 0)
        return bad(problem, "%s is open to others (mode %04o); do: chmod %s %s",
                   path, (unsigned)(st.st_mode & 07777),
                   forbidden == 077 ? "700" : "755", path);
    return BV_OK;
}

static enum bv_err
check_key(const struct config *config, size_t i, char *problem)
{
    if (config->cas[i].offline)
        return BV_OK;
    char path[CONFIG_PATH_MAX];
    BV_TRY(
        config_path(config, config->ca_files[i].key + strlen("file:"), path));
    return check_secret(path, problem);
}

struct modes {
    const struct config *config;
    files_mode_fn *found; /* NULL: the first problem ends it */
    void *user;
    char *problem;
};

static enum bv_err
step(const struct modes *m, enum bv_err err)
{
    if (err == BV_OK || m->found == NULL)
        return err;
    m->found(m->user, m->problem);
    return BV_OK;
}

static enum bv_err
check_secret_named(const struct modes *m, const char *name)
{
    char path[CONFIG_PATH_MAX];
    BV_TRY(config_path(m->config, name, path));
    return step(m, check_secret(path, m->problem));
}

enum bv_err
files_each_mode(const struct files *files, files_mode_fn *found, void *user,
                char *problem)
{
    static const struct {
        const char *name;
        mode_t forbidden;
    } folders[] = {{".", 022}, {"ca", 022}, {"db", 077}, {"run", 022}};
    const struct config *config = files->config;
    const struct modes m = {config, found, user, problem};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        BV_TRY(step(&m, check_directory(config, folders[i].name,
                                        folders[i].forbidden, problem)));
    for (size_t i = 0; i < config->core.num_cas; i++)
        BV_TRY(step(&m, check_key(config, i, problem)));
    BV_TRY(check_secret_named(&m, "ca/log.key"));
    return config->passphrase_from == CONFIG_SECRET_FILE
               ? check_secret_named(&m, config->passphrase_name)
               : BV_OK;
}

enum bv_err
files_check_modes(const struct files *files, char *problem)
{
    return files_each_mode(files, NULL, NULL, problem);
}

/* --- what the signer wants kept --- */

static bool
is_ca(const struct config *config, struct span name)
{
    for (size_t i = 0; i < config->core.num_cas; i++)
        if (span_eq_str(name, config->cas[i].name))
            return true;
    return false;
}

enum bv_err
files_keep(const struct files *files, struct span body, char *problem)
{
    char path[CONFIG_PATH_MAX], file[LIMIT_SHORT_NAME + 16];
    struct span name, text;
    uint8_t service;
    BV_TRY(span_u8(&body, &service));
    BV_TRY(span_bytes(&body, &name));
    BV_TRY(span_bytes(&body, &text));
    BV_TRY(span_end(body));
    if (!is_ca(files->config, name) ||
        (service != SIGNER_OCSP && service != SIGNER_SCEP))
        return BV_E_BAD_MESSAGE;
    (void)snprintf(file, sizeof(file), "ca/%s-%.*s.pem",
                   service == SIGNER_OCSP ? "ocsp" : "scep", (int)name.len,
                   (const char *)name.data);
    BV_TRY(config_path(files->config, file, path));
    if (disk_replace(path, 0600, text) != BV_OK)
        return bad(problem, "%s cannot be written: %s", path, strerror(errno));
    return BV_OK;
}

/* --- the status map --- */

enum bv_err
files_map(const struct files *files, int *ret_fd, char *problem)
{
    char path[CONFIG_PATH_MAX];
    BV_TRY(config_path(files->config, "db/status.map", path));
    int fd = identity_open(&files->core, path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0)
        return bad(
            problem,
            "%s cannot be written: %s; make its folder writable for core "
            "and start again",
            path, strerror(errno));
    (void)close(fd);
    return files_open_cores(files, path, ret_fd, problem);
}

/* --- the passphrase --- */

enum bv_err
files_prompt(struct files *files, char *problem)
{
    if (files->config->passphrase_from != CONFIG_SECRET_PROMPT)
        return BV_OK;
    enum bv_err err = prompt_secret("Passphrase of the CA keys: ", files->typed,
                                    sizeof(files->typed));
    if (err == BV_E_UNAVAILABLE)
        return bad(problem, "the passphrase is to be typed in, but there is no "
                            "terminal");
    return err == BV_OK ? BV_OK : bad(problem, "no passphrase was typed in");
}

bool
files_is_services_credential(const struct files *files)
{
    return files->config->passphrase_from == CONFIG_SECRET_CREDENTIAL &&
           getenv("CREDENTIALS_DIRECTORY") == NULL;
}

static enum bv_err
passphrase_path(const struct config *config, char path[CONFIG_PATH_MAX],
                char *problem)
{
    if (config->passphrase_from == CONFIG_SECRET_FILE)
        return config_path(config, config->passphrase_name, path);
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (dir == NULL)
        return bad(problem, "the passphrase is a systemd credential, but "
                            "CREDENTIALS_DIRECTORY is not set");
    int n =
        snprintf(path, CONFIG_PATH_MAX, "%s/%s", dir, config->passphrase_name);
    return n < 0 || n >= CONFIG_PATH_MAX ? BV_E_TOO_LARGE : BV_OK;
}

enum bv_err
files_passphrase(const struct files *files, char ret[FILES_SECRET_MAX],
                 char *problem)
{
    char path[CONFIG_PATH_MAX];
    BV_TRY(passphrase_path(files->config, path, problem));
    auto_content content = {0};
    enum bv_err err = read_file(path, &content, problem);
    if (err == BV_E_NOT_FOUND)
        return bad(problem, "the passphrase file %s is missing", path);
    BV_TRY(err);
    size_t len = 0;
    while (len < content.len && content.data[len] != '\n' &&
           content.data[len] != '\r')
        len++;
    if (len == 0 || len >= FILES_SECRET_MAX)
        return bad(problem, "the first line of %s is empty or too long", path);
    memcpy(ret, content.data, len);
    ret[len] = '\0';
    return BV_OK;
}

static enum bv_err
add_passphrase(const struct files *files, int fd, char *problem)
{
    char secret[FILES_SECRET_MAX];
    if (files->config->passphrase_from == CONFIG_SECRET_PROMPT)
        return bundle_add(fd, "passphrase", span_str(files->typed));
    enum bv_err err = files_passphrase(files, secret, problem);
    if (err == BV_OK)
        err = bundle_add(fd, "passphrase", span_str(secret));
    explicit_bzero(secret, sizeof(secret));
    return err;
}

/* --- bundles --- */

struct maker {
    const struct files *files;
    int fd;
    char *problem;
};

static enum bv_err
add_content(const struct maker *m, const char *kind, const char *name,
            const char *path, const struct content *content)
{
    char label[BUNDLE_NAME_MAX];
    (void)snprintf(label, sizeof(label), "%s%s", kind, name);
    enum bv_err err =
        bundle_add(m->fd, label, span_of(content->data, content->len));
    if (err != BV_OK)
        return bad(m->problem, "%s: %s", path, err_text(err));
    return BV_OK;
}

/* add puts a file in under kind:name. optional: a missing one is left out. */
static enum bv_err
add(const struct maker *m, const char *kind, const char *name, const char *file,
    bool optional)
{
    char path[CONFIG_PATH_MAX];
    BV_TRY(config_path(m->files->config, file, path));
    auto_content content = {0};
    enum bv_err err = read_file(path, &content, m->problem);
    if (err == BV_E_NOT_FOUND && optional)
        return BV_OK;
    if (err == BV_E_NOT_FOUND)
        return bad(m->problem, "%s is missing", path);
    BV_TRY(err);
    return add_content(m, kind, name, path, &content);
}

/* The certificate that core renews, and keeps in a folder of its own. */
static enum bv_err
add_cores_tls(const struct maker *m)
{
    char path[CONFIG_PATH_MAX];
    bv_auto_close int fd = -1;
    auto_content content = {0};
    BV_TRY(
        config_path(m->files->config, m->files->config->core.tls_path, path));
    enum bv_err err = files_open_cores(m->files, path, &fd, m->problem);
    if (err == BV_E_NOT_FOUND)
        return BV_OK;
    BV_TRY(err);
    BV_TRY(read_fd(fd, path, &content, m->problem));
    return add_content(m, "tls", "", path, &content);
}

static enum bv_err
add_ca(const struct maker *m, size_t i)
{
    const struct config_ca *files = &m->files->config->ca_files[i];
    const char *name = m->files->config->cas[i].name;
    BV_TRY(add(m, "ca:", name, files->certificate, false));
    for (unsigned j = 0; j < files->num_chain; j++) {
        char label[LIMIT_SHORT_NAME + 16];
        (void)snprintf(label, sizeof(label), "%s:%u", name, j);
        BV_TRY(add(m, "chain:", label, files->chain[j], false));
    }
    for (unsigned j = 0; j < files->num_cross; j++) {
        char label[LIMIT_SHORT_NAME + 16];
        (void)snprintf(label, sizeof(label), "%s:%u", name, j);
        BV_TRY(add(m, "cross:", label, files->cross[j], false));
    }
    return BV_OK;
}

static enum bv_err
add_for_signer(const struct maker *m)
{
    const struct config *config = m->files->config;
    for (size_t i = 0; i < config->core.num_cas; i++) {
        const char *name = config->cas[i].name;
        char ocsp[CONFIG_PATH_MAX], scep[CONFIG_PATH_MAX];
        (void)snprintf(ocsp, sizeof(ocsp), "ca/ocsp-%s.pem", name);
        (void)snprintf(scep, sizeof(scep), "ca/scep-%s.pem", name);
        if (!config->cas[i].offline)
            BV_TRY(add(m, "key:", name,
                       config->ca_files[i].key + strlen("file:"), false));
        BV_TRY(add(m, "ocsp:", name, ocsp, true));
        BV_TRY(add(m, "scep:", name, scep, true));
    }
    BV_TRY(add(m, "key:", "log", "ca/log.key", false));
    return add_passphrase(m->files, m->fd, m->problem);
}

static enum bv_err
add_for_door(const struct maker *m)
{
    const struct config *config = m->files->config;
    BV_TRY(config->tls_own[0] != '\0'
               ? add(m, "tls", "", config->tls_own, false)
               : add_cores_tls(m));
    for (size_t i = 0; i < config->core.num_manufacturers; i++)
        BV_TRY(add(m, "anchors:", config->manufacturers[i].name,
                   config->manufacturer_files[i].certificates, false));
    return BV_OK;
}

/* Shorter keys are refused for their length. */
static bool
is_blocklist(const struct dirent *entry)
{
    static const char head[] = "blacklist.RSA-";
    const char *name = entry->d_name;
    return strncmp(name, head, strlen(head)) == 0 &&
           strtoul(name + strlen(head), NULL, 10) >= 2048;
}

static enum bv_err
add_blocklist(const struct maker *m, const char *path, unsigned *num)
{
    char index[16];
    (void)snprintf(index, sizeof(index), "%u", (*num)++);
    return add(m, "weak:", index, path, false);
}

static enum bv_err
add_blocklists_of(const struct maker *m, const char *path, DIR *dir,
                  unsigned *num)
{
    const struct dirent *entry;
    unsigned before = *num;
    while ((entry = readdir(dir)) != NULL) {
        char file[CONFIG_PATH_MAX + 257];
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (!is_blocklist(entry))
            continue;
        if (strlen(file) >= CONFIG_PATH_MAX)
            return BV_E_TOO_LARGE;
        BV_TRY(add_blocklist(m, file, num));
    }
    return *num > before ? BV_OK
                         : bad(m->problem,
                               "weak-keys: there is no blacklist.RSA-2048 or "
                               "longer in %s",
                               path);
}

static enum bv_err
add_weak_keys(const struct maker *m)
{
    const struct config *config = m->files->config;
    unsigned num = 0;
    for (unsigned i = 0; i < config->num_weak_keys; i++) {
        char path[CONFIG_PATH_MAX];
        BV_TRY(config_path(config, config->weak_keys[i], path));
        if (strcmp(path, CONFIG_WEAK_DEFAULT) == 0 && access(path, F_OK) < 0)
            continue;
        DIR *dir = opendir(path);
        enum bv_err err = dir != NULL ? add_blocklists_of(m, path, dir, &num)
                                      : add_blocklist(m, path, &num);
        if (dir != NULL)
            (void)closedir(dir);
        BV_TRY(err);
    }
    return BV_OK;
}

static enum bv_err
add_maker_crls(const struct maker *m, const char *name,
               const struct config_manufacturer *files)
{
    for (unsigned i = 0; i < files->num_crl; i++) {
        char label[LIMIT_SHORT_NAME + 16];
        (void)snprintf(label, sizeof(label), "%s:%u", name, i);
        BV_TRY(add(m, "crl:", label, files->crl[i], true));
    }
    return BV_OK;
}

static enum bv_err
add_for_core(const struct maker *m)
{
    const struct config *config = m->files->config;
    uint8_t table[8192];
    struct sink out = SINK_ARRAY(table);
    BV_TRY(callers_write(config, &out, m->problem, FILES_PROBLEM_MAX));
    BV_TRY(bundle_add(m->fd, "callers", sink_view(&out)));
    BV_TRY(add(m, "log.pub", "", "ca/log.pub", false));
    BV_TRY(add_weak_keys(m));
    for (size_t i = 0; i < config->core.num_manufacturers; i++) {
        const char *name = config->manufacturers[i].name;
        const struct config_manufacturer *files =
            &config->manufacturer_files[i];
        BV_TRY(add(m, "anchors:", name, files->certificates, false));
        BV_TRY(add_maker_crls(m, name, files));
    }
    return BV_OK;
}

static enum bv_err
add_all(const struct maker *m, enum proc_role role)
{
    const struct config *config = m->files->config;
    BV_TRY(bundle_add(m->fd, "dir", span_str(config->dir)));
    BV_TRY(
        bundle_add(m->fd, "conf", span_of(m->files->text, m->files->text_len)));
    for (size_t i = 0; i < config->core.num_cas; i++)
        BV_TRY(add_ca(m, i));
    if (role == PROC_SIGNER)
        return add_for_signer(m);
    return role == PROC_DOOR ? add_for_door(m) : add_for_core(m);
}

enum bv_err
files_bundle(const struct files *files, enum proc_role role, int *ret_fd,
             char *problem)
{
    bv_auto_close int fd = -1;
    problem[0] = '\0';
    BV_TRY(bundle_create(&fd));
    struct maker maker = {files, fd, problem};
    enum bv_err err = add_all(&maker, role);
    if (err != BV_OK && problem[0] == '\0')
        return bad(problem, "the files do not fit a bundle: %s", err_text(err));
    BV_TRY(err);
    BV_TRY(bundle_seal(fd));
    *ret_fd = fd;
    fd = -1;
    return BV_OK;
}
