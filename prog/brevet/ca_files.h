/* What the offline commands of `brevet ca` share: an installation opened
 * without its daemon, its passphrase, its CAs' keys and certificates, and files
 * replaced durably. One sentence in problem for every failure. */
#ifndef BREVET_CA_FILES_H
#define BREVET_CA_FILES_H

#include "core/ca.h"
#include "pki/key.h"
#include "prog/brevet/install.h"
#include "wire/cert.h"

#define CA_FILES_TEXT 65536 /* of one PEM file */

struct ca_files {
    const char *dir; /* absolute once it is open */
    char root[CONFIG_PATH_MAX];
    struct config *config;
    char conf[CONFIG_PATH_MAX]; /* of the configuration */
    char secret[INSTALL_SECRET_MAX];
    char problem[INSTALL_PROBLEM_MAX];
};

/* ca_files_open reads DIR/brevet.conf, after ending a change of the passphrase
 * that was cut short. Close it in every case. ca_files_none is for a machine
 * without an installation: config is NULL, relative paths count from dir. */
enum bv_err ca_files_open(const char *dir, struct ca_files *ret) BV_CHECKED;
void ca_files_none(const char *dir, struct ca_files *ret);
void ca_files_close(struct ca_files *files);

enum bv_err ca_files_bad(struct ca_files *files, enum bv_err err,
                         const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ca_files_find: the index of a CA; NOT_FOUND. */
enum bv_err ca_files_find(struct ca_files *files, const char *name,
                          size_t *ret_index) BV_CHECKED;
/* ca_files_secret finds the passphrase as the configuration says (once). */
enum bv_err ca_files_secret(struct ca_files *files) BV_CHECKED;
/* ca_files_secret_at reads one from the first line of a file, or asks. */
enum bv_err ca_files_secret_at(struct ca_files *files, const char *path,
                               const char *question,
                               char ret[INSTALL_SECRET_MAX]) BV_CHECKED;
/* ca_files_secret_new does so for one that keys will be sealed under: asked for
 * twice (REFUSED when the two differ), and weighed. */
enum bv_err ca_files_secret_new(struct ca_files *files, const char *path,
                                const char *question,
                                char ret[INSTALL_SECRET_MAX]) BV_CHECKED;
/* ca_files_weigh warns on standard error of a weak passphrase. */
void ca_files_weigh(const char *secret);
/* ca_files_key opens the sealed key of a CA; REFUSED when it is offline. */
enum bv_err ca_files_key(struct ca_files *files, size_t ca,
                         struct key **ret_key) BV_CHECKED;
/* ca_files_certs reads up to cap certificates of a PEM file into memory. */
enum bv_err ca_files_certs(struct ca_files *files, const char *path,
                           struct sink *memory, struct span *certs, size_t cap,
                           size_t *ret_num) BV_CHECKED;
/* ca_files_read reads a whole file; relative paths are of the installation. */
enum bv_err ca_files_read(struct ca_files *files, const char *path,
                          uint8_t *buf, size_t cap,
                          struct span *ret) BV_CHECKED;
/* ca_files_write replaces a file: written aside, synced, renamed. */
enum bv_err ca_files_write(struct ca_files *files, const char *path,
                           mode_t mode, struct span bytes) BV_CHECKED;

#endif
