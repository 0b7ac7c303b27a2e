/* What the parent reads from disk for its roles: each file's mode is checked,
 * and each role gets the files it needs and no others. Blobs in a bundle:
 *
 *     dir, conf                 all: the directory, the configuration's text
 *     ca:NAME  chain:NAME:I     all: PEM of a CA and of what is above it
 *     cross:NAME:I              all: PEM of what is told beside them
 *     key:NAME  key:log  ocsp:NAME  scep:NAME  passphrase   signer
 *     tls  anchors:MANUFACTURER                       door
 *     callers  anchors:MANUFACTURER  crl:MANUFACTURER:I
 *     log.pub  weak:I                                 core */
#ifndef BREVETD_FILES_H
#define BREVETD_FILES_H

#include "proc/channel.h"
#include "proc/identity.h"
#include "prog/config/config.h"

#define FILES_PROBLEM_MAX 800
/* Longest passphrase; what follows a line's end in its file does not count. */
#define FILES_SECRET_MAX 1024

/* An installation as the parent holds it: text and meaning. */
struct files {
    char *text; /* of the configuration */
    size_t text_len;
    struct config *config;
    struct identity core; /* as whom core runs; from files_read: as ourselves */
    /* only when it was typed in: it cannot be read again */
    char typed[FILES_SECRET_MAX];
};

/* files_read reads and checks the configuration at path for directory dir. */
enum bv_err files_read(const char *path, const char *dir, struct files *ret,
                       char *ret_problem) BV_CHECKED;
void files_done(struct files *files);

/* files_check_modes: directories only their owner writes, keys and passphrase
 * only their owner reads. BAD_CONFIG with what to do in ret_problem. */
enum bv_err files_check_modes(const struct files *files,
                              char *ret_problem) BV_CHECKED;
/* files_each_mode does the same and hands every problem to found, not only
 * the first. */
typedef void files_mode_fn(void *user, const char *problem);
enum bv_err files_each_mode(const struct files *files, files_mode_fn *found,
                            void *user, char *ret_problem) BV_CHECKED;
/* files_is_services_credential: the passphrase is a systemd credential and this
 * is not the service, who alone is given it. */
bool files_is_services_credential(const struct files *files);
/* files_passphrase reads the passphrase's first line; the caller wipes it. */
enum bv_err files_passphrase(const struct files *files,
                             char ret[FILES_SECRET_MAX],
                             char *ret_problem) BV_CHECKED;
/* files_prompt asks for the passphrase on the terminal, where the
 * configuration wants that; else does nothing. */
enum bv_err files_prompt(struct files *files, char *ret_problem) BV_CHECKED;

/* files_keep writes the text of MSG_KEEP to ca/ocsp-CA.pem or ca/scep-CA.pem,
 * durably and at
 * once (0600). BAD_CONFIG with a sentence; BAD_MESSAGE when there is no such
 * CA: the signer may cause no other file to be written. */
enum bv_err files_keep(const struct files *files, struct span body,
                       char *ret_problem) BV_CHECKED;

/* files_open_cores opens a file of a folder that core may write, for reading,
 * as core: it is not trusted to point root anywhere else, or to let it wait.
 * NOT_FOUND; BAD_CONFIG with a sentence. */
enum bv_err files_open_cores(const struct files *files, const char *path,
                             int *ret_fd, char *ret_problem) BV_CHECKED;
/* files_map opens the status map for its readers; when there is none it makes
 * one, empty and core's to fill. BAD_CONFIG with a sentence. */
enum bv_err files_map(const struct files *files, int *ret_fd,
                      char *ret_problem) BV_CHECKED;

/* files_bundle makes the sealed bundle of a role; the caller closes it. */
enum bv_err files_bundle(const struct files *files, enum proc_role role,
                         int *ret_fd, char *ret_problem) BV_CHECKED;

#endif
