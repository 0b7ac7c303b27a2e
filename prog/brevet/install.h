/* Making an installation on disk: what `brevet init` does once its options are
 * understood. Everything is built in a directory beside the final one and
 * renamed at the end, so a failure leaves nothing behind. */
#ifndef BREVET_INSTALL_H
#define BREVET_INSTALL_H

#include "pki/key.h"
#include "prog/config/config.h"

#define INSTALL_HOSTS_MAX  CORE_HOSTS_MAX
#define INSTALL_SECRET_MAX 1024

struct install_key_kind {
    enum alg_key alg;
    unsigned bits; /* RSA only */
};

struct install {
    const char *dir;
    const char *name;    /* of the organisation */
    const char *country; /* two letters for the CAs' names; NULL: none */
    const char *hosts[INSTALL_HOSTS_MAX];
    size_t num_hosts;
    const char *https[CONFIG_LISTEN_MAX], *http[CONFIG_LISTEN_MAX];
    size_t num_https, num_http;
    const char *user;
    struct install_key_kind root, ca;
    int64_t root_life, ca_life; /* seconds */
    bool external_root;
    char secret[INSTALL_SECRET_MAX];      /* the passphrase */
    char secret_setting[CONFIG_PATH_MAX]; /* its line in brevet.conf */
    bool write_secret;                    /* put it into DIR/passphrase */
};

#define INSTALL_PROBLEM_MAX 600

/* install_make makes it. CONFLICT when dir exists and is not empty; NOT_FOUND
 * or REFUSED when root does this and the users of the roles are missing or
 * cannot reach it; any other error with a sentence. */
enum bv_err install_make(const struct install *install,
                         char ret_problem[INSTALL_PROBLEM_MAX]) BV_CHECKED;

/* install_ca_profile: a built-in profile made to fit a CA key of any kind. */
enum bv_err install_ca_profile(const char *name, int64_t life,
                               struct profile *ret) BV_CHECKED;

/* install_give_away makes what core writes core's, when root does this (user
 * NULL: brevet-core). NOT_FOUND with what to do when there is no such user. */
enum bv_err install_give_away(const char *dir, const char *user,
                              char ret_problem[INSTALL_PROBLEM_MAX]) BV_CHECKED;

/* install_first_run lets core do, with the keys in this process, what a daemon
 * would do first: TLS certificate, CRLs, OCSP certificates, first checkpoint.
 * dir is where the files are now. Takes the keys over. */
struct install_keys {
    struct key *root, *ca, *log; /* of CAs "root" (may be NULL) and "issuing" */
};
enum bv_err install_first_run(const char *dir, struct install_keys *keys,
                              struct span passphrase,
                              char ret_problem[INSTALL_PROBLEM_MAX]) BV_CHECKED;

/* install_write writes a new file durably with this mode. */
enum bv_err install_write(const char *dir, const char *name, mode_t mode,
                          struct span bytes) BV_CHECKED;
/* install_url: "http://HOST:PORT" that certificates point to; "" without an
 * http address. */
void install_url(const struct install *install, char ret_url[CORE_URL_MAX]);

#endif
