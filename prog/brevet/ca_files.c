#include "prog/brevet/ca_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "prog/config/prompt.h"
#include "prog/config/rekey.h"
#include "prog/config/secret.h"
#include "wire/pem.h"

enum bv_err
ca_files_bad(struct ca_files *files, enum bv_err err, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(files->problem, sizeof(files->problem), format, ap);
    va_end(ap);
    return err;
}

/* --- files --- */

static enum bv_err
full_path(struct ca_files *files, const char *path, char ret[CONFIG_PATH_MAX])
{
    int n = path[0] == '/'
                ? snprintf(ret, CONFIG_PATH_MAX, "%s", path)
                : snprintf(ret, CONFIG_PATH_MAX, "%s/%s", files->dir, path);
    return n > 0 && n < CONFIG_PATH_MAX
               ? BV_OK
               : ca_files_bad(files, BV_E_TOO_LARGE, "%s: too long", path);
}

enum bv_err
ca_files_read(struct ca_files *files, const char *path, uint8_t *buf,
              size_t cap, struct span *ret)
{
    char full[CONFIG_PATH_MAX];
    BV_TRY(full_path(files, path, full));
    bv_auto_close int fd = open(full, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, cap);
    if (n < 0)
        return ca_files_bad(files, errno == ENOENT ? BV_E_NOT_FOUND : BV_E_IO,
                            "%s: %s", full, strerror(errno));
    if ((size_t)n == cap)
        return ca_files_bad(files, BV_E_TOO_LARGE, "%s is too large", full);
    *ret = span_of(buf, (size_t)n);
    return BV_OK;
}

enum bv_err
ca_files_write(struct ca_files *files, const char *path, mode_t mode,
               struct span bytes)
{
    char full[CONFIG_PATH_MAX];
    BV_TRY(full_path(files, path, full));
    enum bv_err err = disk_replace(full, mode, bytes);
    return err == BV_OK
               ? BV_OK
               : ca_files_bad(files, err, "%s: %s", full, strerror(errno));
}

enum bv_err
ca_files_certs(struct ca_files *files, const char *path, struct sink *memory,
               struct span *certs, size_t cap, size_t *ret_num)
{
    static uint8_t buf[CA_FILES_TEXT];
    struct span text = SPAN_EMPTY;
    size_t num = 0;
    BV_TRY(ca_files_read(files, path, buf, sizeof(buf), &text));
    while (num < cap && pem_is(text, PEM_CERTIFICATE)) {
        enum bv_err err =
            pem_find(&text, PEM_CERTIFICATE, memory, &certs[num++]);
        if (err != BV_OK)
            return ca_files_bad(
                files, err, "%s holds a certificate that cannot be read", path);
    }
    *ret_num = num;
    return num > 0 ? BV_OK
                   : ca_files_bad(files, BV_E_BAD_MESSAGE,
                                  "%s holds no certificate (PEM)", path);
}

/* --- the installation --- */

/* Relative paths count from dir, so dir itself must not be one. */
static enum bv_err
absolute(struct ca_files *files, const char *dir)
{
    char here[CONFIG_PATH_MAX] = "";
    if (dir[0] != '/' && getcwd(here, sizeof(here)) == NULL)
        return ca_files_bad(files, BV_E_IO, "the working directory: %s",
                            strerror(errno));
    int n = snprintf(files->root, sizeof(files->root), "%s%s%s", here,
                     dir[0] != '/' ? "/" : "", dir);
    if (n < 0 || (size_t)n >= sizeof(files->root))
        return ca_files_bad(files, BV_E_TOO_LARGE, "%s: too long", dir);
    files->dir = files->root;
    return BV_OK;
}

enum bv_err
ca_files_open(const char *dir, struct ca_files *ret)
{
    static uint8_t buf[CONFIG_TEXT_MAX + 1];
    struct span text = SPAN_EMPTY;
    *ret = (struct ca_files){.dir = dir};
    BV_TRY(absolute(ret, dir));
    dir = ret->dir;
    BV_TRY(rekey_finish(dir, ret->problem, sizeof(ret->problem)));
    BV_TRY(full_path(ret, "brevet.conf", ret->conf));
    BV_TRY(ca_files_read(ret, ret->conf, buf, sizeof(buf), &text));
    return config_parse(text, ret->conf, dir, &ret->config, ret->problem,
                        sizeof(ret->problem));
}

void
ca_files_none(const char *dir, struct ca_files *ret)
{
    *ret = (struct ca_files){.dir = dir};
}

void
ca_files_close(struct ca_files *files)
{
    config_free(files->config);
    explicit_bzero(files->secret, sizeof(files->secret));
    files->config = NULL;
}

enum bv_err
ca_files_find(struct ca_files *files, const char *name, size_t *ret_index)
{
    for (size_t i = 0; i < files->config->core.num_cas; i++) {
        if (strcmp(files->config->cas[i].name, name) != 0)
            continue;
        *ret_index = i;
        return BV_OK;
    }
    return ca_files_bad(files, BV_E_NOT_FOUND, "there is no CA \"%s\" in %s",
                        name, files->conf);
}

/* --- keys --- */

enum bv_err
ca_files_secret_at(struct ca_files *files, const char *path,
                   const char *question, char ret[INSTALL_SECRET_MAX])
{
    struct span text = SPAN_EMPTY;
    if (path == NULL || path[0] == '\0') {
        if (prompt_secret(question, ret, INSTALL_SECRET_MAX) == BV_OK)
            return BV_OK;
        return ca_files_bad(files, BV_E_UNAVAILABLE,
                            "a passphrase is needed: there is no terminal to "
                            "ask on, and no option names a file that has it");
    }
    BV_TRY(ca_files_read(files, path, (uint8_t *)ret, INSTALL_SECRET_MAX - 1,
                         &text));
    ret[text.len] = '\0';
    ret[strcspn(ret, "\r\n")] = '\0';
    return ret[0] != '\0' ? BV_OK
                          : ca_files_bad(files, BV_E_BAD_CONFIG,
                                         "the first line of %s is empty", path);
}

static enum bv_err
ask_again(struct ca_files *files, const char *secret)
{
    char again[INSTALL_SECRET_MAX];
    enum bv_err err =
        ca_files_secret_at(files, NULL, "The same again: ", again);
    bool same = err == BV_OK && strcmp(secret, again) == 0;
    explicit_bzero(again, sizeof(again));
    BV_TRY(err);
    return same ? BV_OK
                : ca_files_bad(files, BV_E_REFUSED, "the two are not the same");
}

enum bv_err
ca_files_secret_new(struct ca_files *files, const char *path,
                    const char *question, char ret[INSTALL_SECRET_MAX])
{
    BV_TRY(ca_files_secret_at(files, path, question, ret));
    if (path == NULL || path[0] == '\0')
        BV_TRY(ask_again(files, ret));
    ca_files_weigh(ret);
    return BV_OK;
}

void
ca_files_weigh(const char *secret)
{
    if (secret_is_weak(secret))
        (void)fprintf(stderr,
                      "brevet: warning: this passphrase is easily found by "
                      "whoever gets hold of a sealed key;\n"
                      "  " SECRET_ADVICE "\n");
}

enum bv_err
ca_files_secret(struct ca_files *files)
{
    const struct config *config = files->config;
    const char *path = NULL;
    char credential[CONFIG_PATH_MAX];
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (files->secret[0] != '\0')
        return BV_OK;
    if (config->passphrase_from == CONFIG_SECRET_FILE)
        path = config->passphrase_name;
    if (config->passphrase_from == CONFIG_SECRET_CREDENTIAL && dir != NULL) {
        (void)snprintf(credential, sizeof(credential), "%.200s/%.200s", dir,
                       config->passphrase_name);
        path = credential;
    }
    return ca_files_secret_at(files, path,
                              "Passphrase of the CA keys: ", files->secret);
}

enum bv_err
ca_files_key(struct ca_files *files, size_t ca, struct key **ret_key)
{
    uint8_t buf[KEY_PEM_MAX];
    struct span text = SPAN_EMPTY;
    const char *path = files->config->ca_files[ca].key;
    if (files->config->cas[ca].offline)
        return ca_files_bad(files, BV_E_REFUSED,
                            "the key of \"%s\" is not on this machine",
                            files->config->cas[ca].name);
    path += strncmp(path, "file:", 5) == 0 ? 5 : 0;
    BV_TRY(ca_files_read(files, path, buf, sizeof(buf), &text));
    BV_TRY(ca_files_secret(files));
    enum bv_err err = key_open(text, span_str(files->secret), ret_key);
    return err == BV_OK
               ? BV_OK
               : ca_files_bad(files, err, "%s: %s", path, key_open_text(err));
}
