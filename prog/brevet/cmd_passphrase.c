/* brevet passphrase change: seals every key of the installation anew, all of
 * them or none; or the key in one file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "prog/brevet/ca_acts.h"
#include "prog/config/rekey.h"
#include "signer/responder.h"

struct change {
    struct ca_files *files;
    const struct command_call *call;
    char fresh[INSTALL_SECRET_MAX];
    char paths[REKEY_FILES_MAX][CONFIG_PATH_MAX]; /* absolute */
    size_t num;
    int lock;
};

/* --- secrets --- */

static enum bv_err
take_secrets(struct change *c)
{
    struct ca_files *files = c->files;
    const char *old = ca_act_text(c->call, "old-passphrase-file", NULL);
    const char *fresh = ca_act_text(c->call, "new-passphrase-file", NULL);
    if (old != NULL || files->config == NULL)
        BV_TRY(ca_files_secret_at(files, old,
                                  "The passphrase as it is: ", files->secret));
    else
        BV_TRY(ca_files_secret(files));
    BV_TRY(ca_files_secret_new(files, fresh, "The new passphrase: ", c->fresh));
    return strcmp(files->secret, c->fresh) != 0
               ? BV_OK
               : ca_files_bad(files, BV_E_REFUSED,
                              "the new passphrase is the old one");
}

/* --- sealing anew --- */

static enum bv_err
reseal_key(struct change *c, struct span text, struct sink *out)
{
    bv_auto(key) struct key *key = NULL, *again = NULL;
    BV_TRY(key_open(text, span_str(c->files->secret), &key));
    BV_TRY(key_seal(key, span_str(c->fresh), out));
    BV_TRY(key_open(sink_view(out), span_str(c->fresh), &again));
    return key_match(key, again) ? BV_OK : BV_E_CRYPTO;
}

static enum bv_err
reseal_responder(struct change *c, struct span text, struct sink *out)
{
    uint8_t buf[LIMIT_CERT];
    struct sink memory = SINK_ARRAY(buf);
    bv_auto(key) struct key *key = NULL;
    struct span cert;
    BV_TRY(responder_unseal(text, span_str(c->files->secret), &memory, &key,
                            &cert));
    return responder_seal(key, cert, span_str(c->fresh), out);
}

typedef enum bv_err reseal_fn(struct change *c, struct span text,
                              struct sink *out);

static enum bv_err
new_passphrase(struct change *c, struct span text, struct sink *out)
{
    (void)text;
    sink_str(out, c->fresh);
    sink_str(out, "\n");
    return BV_OK;
}

static enum bv_err
write_aside(const struct stat *like, const char *path, struct span text)
{
    (void)unlink(path);
    bv_auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fchmod(fd, like->st_mode & 0700) < 0 ||
        (geteuid() == 0 && fchown(fd, like->st_uid, like->st_gid) < 0))
        return disk_error();
    return disk_write(fd, text);
}

/* The successor lies beside it, for its owner and with its rights. */
static enum bv_err
add(struct change *c, const char *name, reseal_fn *reseal, bool optional)
{
    uint8_t buf[RESPONDER_FILE_MAX], made[RESPONDER_FILE_MAX];
    char aside[CONFIG_PATH_MAX + 8];
    struct sink out = SINK_ARRAY(made);
    struct span text = SPAN_EMPTY;
    struct stat st;
    if (c->num == REKEY_FILES_MAX)
        return ca_files_bad(c->files, BV_E_TOO_MANY, "too many keys");
    char *path = c->paths[c->num];
    BV_TRY(config_path(c->files->config, name, path));
    for (size_t i = 0; i < c->num; i++)
        if (strcmp(c->paths[i], path) == 0)
            return BV_OK;
    if (optional && access(path, F_OK) != 0)
        return BV_OK;
    BV_TRY(ca_files_read(c->files, path, buf, sizeof(buf), &text));
    if (stat(path, &st) < 0)
        return BV_E_IO;
    enum bv_err err = reseal(c, text, &out);
    if (err != BV_OK)
        return ca_files_bad(c->files, err, "%s: %s", path, key_open_text(err));
    (void)snprintf(aside, sizeof(aside), "%s" REKEY_SUFFIX, path);
    c->num++;
    err = write_aside(&st, aside, sink_view(&out));
    explicit_bzero(made, sizeof(made));
    return err == BV_OK
               ? BV_OK
               : ca_files_bad(c->files, err, "%s: %s", aside, err_text(err));
}

static enum bv_err
add_all(struct change *c)
{
    const struct config *config = c->files->config;
    char ocsp[LIMIT_SHORT_NAME + 16];
    for (size_t i = 0; i < config->core.num_cas; i++) {
        if (!config->cas[i].offline)
            BV_TRY(add(c, config->ca_files[i].key + strlen("file:"), reseal_key,
                       false));
        (void)snprintf(ocsp, sizeof(ocsp), "ca/ocsp-%s.pem",
                       config->cas[i].name);
        BV_TRY(add(c, ocsp, reseal_responder, true));
    }
    BV_TRY(add(c, "ca/log.key", reseal_key, false));
    if (config->passphrase_from != CONFIG_SECRET_FILE)
        return BV_OK;
    return add(c, config->passphrase_name, new_passphrase, false);
}

static void
drop_all(const struct change *c)
{
    char aside[CONFIG_PATH_MAX + 8];
    for (size_t i = 0; i < c->num; i++) {
        (void)snprintf(aside, sizeof(aside), "%s" REKEY_SUFFIX, c->paths[i]);
        (void)unlink(aside);
    }
}

/* --- one act --- */

/* A running server seals its next responder keys under what it was started
 * with, so it must not run meanwhile. */
static enum bv_err
keep_server_away(struct change *c)
{
    char path[CONFIG_PATH_MAX], pid[24] = "";
    BV_TRY(config_path(c->files->config, "run/brevetd.lock", path));
    c->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->lock < 0)
        return ca_files_bad(c->files, BV_E_IO, "%s: %s", path, strerror(errno));
    if (flock(c->lock, LOCK_EX | LOCK_NB) == 0)
        return BV_OK;
    ssize_t n = pread(c->lock, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return ca_files_bad(c->files, BV_E_REFUSED,
                        "the server runs (pid %s) and holds the passphrase: "
                        "stop it, change the passphrase, start it again",
                        pid);
}

static enum bv_err
decide(struct change *c, struct ledger *ledger)
{
    const char *list[REKEY_FILES_MAX];
    char detail[40];
    for (size_t i = 0; i < c->num; i++)
        list[i] = c->paths[i];
    (void)snprintf(detail, sizeof(detail), "%zu files", c->num);
    BV_TRY(ledger_note(ledger, "passphrase.change", NULL, SPAN_EMPTY, detail));
    enum bv_err err = rekey_decide(c->files->dir, list, c->num);
    return err == BV_OK ? BV_OK
                        : ca_files_bad(c->files, err,
                                       "the change could not be noted in "
                                       "%s/ca: %s",
                                       c->files->dir, err_text(err));
}

static enum bv_err
change_installation(struct change *c)
{
    bv_auto(ledger) struct ledger *ledger = NULL;
    BV_TRY(keep_server_away(c));
    BV_TRY(ledger_open(c->files, &ledger));
    BV_TRY(take_secrets(c));
    enum bv_err err = add_all(c);
    if (err == BV_OK)
        err = decide(c, ledger);
    if (err != BV_OK) {
        drop_all(c);
        return err;
    }
    return rekey_finish(c->files->dir, c->files->problem,
                        sizeof(c->files->problem));
}

static void
tell(const struct change *c)
{
    const struct config *config = c->files->config;
    (void)printf("Sealed anew: %zu files\n", c->num);
    if (config->passphrase_from == CONFIG_SECRET_CREDENTIAL)
        (void)printf("Next: put the new passphrase where the credential \"%s\" "
                     "comes from, then start the server\n",
                     config->passphrase_name);
    else
        (void)printf("Next: start the server\n");
    (void)printf("Backups hold keys under the old passphrase: keep it as long "
                 "as them, or make new ones.\n");
}

/* A key that was exported: no installation is needed. */
static enum bv_err
change_file(struct change *c, const char *path)
{
    uint8_t buf[KEY_PEM_MAX], made[KEY_PEM_MAX];
    struct sink out = SINK_ARRAY(made);
    struct span text = SPAN_EMPTY;
    BV_TRY(ca_files_read(c->files, path, buf, sizeof(buf), &text));
    BV_TRY(take_secrets(c));
    enum bv_err err = reseal_key(c, text, &out);
    if (err != BV_OK)
        return ca_files_bad(c->files, err, "%s: %s", path, key_open_text(err));
    return ca_files_write(c->files, path, 0600, sink_view(&out));
}

static int
run(const struct command_call *call)
{
    struct ca_files files;
    struct change *c = calloc(1, sizeof(*c));
    const char *key = ca_act_text(call, "key", NULL);
    enum bv_err err = BV_OK;
    if (key != NULL)
        ca_files_none(call->dir, &files);
    else
        err = ca_files_open(call->dir, &files);
    if (err == BV_OK && c == NULL)
        err = BV_E_NO_MEMORY;
    if (err == BV_OK) {
        *c = (struct change){.files = &files, .call = call, .lock = -1};
        err = key != NULL ? change_file(c, key) : change_installation(c);
    }
    if (err != BV_OK)
        (void)fprintf(stderr, "brevet passphrase change: %s\n",
                      files.problem[0] != '\0' ? files.problem : err_text(err));
    else if (key == NULL)
        tell(c);
    if (c != NULL && c->lock >= 0)
        (void)close(c->lock);
    if (c != NULL)
        explicit_bzero(c->fresh, sizeof(c->fresh));
    free(c);
    ca_files_close(&files);
    if (err == BV_OK)
        return COMMAND_OK;
    return err == BV_E_REFUSED || err == BV_E_NOT_FOUND ? COMMAND_REFUSED
                                                        : COMMAND_FAILED;
}

static const struct command_option options[] = {
    {"old-passphrase-file", NULL, COMMAND_PATH, "FILE",
     "its first line opens the keys; else as the configuration says"},
    {"new-passphrase-file", NULL, COMMAND_PATH, "FILE",
     "its first line is the new one; else it is asked for"},
    {"key", NULL, COMMAND_PATH, "FILE",
     "only the key in this file, as export-root wrote it"},
    {.name = NULL}};

const struct command cmd_passphrase[] = {
    {.group = "passphrase",
     .action = "change",
     .summary = "seal all keys under a new passphrase (offline)",
     .run = run,
     .example = "brevet passphrase change\n"
                "brevet passphrase change --key /media/root.key\n",
     .options = options},
    {.group = NULL},
};
