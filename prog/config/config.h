/* The configuration file, brevet.conf, read and checked into plain structs.
 *
 * libconfuse does the syntax; schema.c is the one table of all keys, used by
 * the reader, by the checks and by `brevetd --print-config-reference`. An
 * unknown key, a key set twice, a value out of range and settings that
 * contradict each other are errors with "file:line". Nothing is opened here:
 * the parent reads the files named in it, roles get them in their bundle.
 * Relative paths count from the installation's directory. */
#ifndef BREVET_CONFIG_CONFIG_H
#define BREVET_CONFIG_CONFIG_H

#include <stdio.h>

#include "base/auto.h"
#include "base/log.h"
#include "core/core.h"
#include "net/net.h"

#define CONFIG_PATH_MAX          CORE_PATH_MAX
#define CONFIG_CAS_MAX           16
#define CONFIG_MANUFACTURERS_MAX 16
#define CONFIG_MAKER_CRLS_MAX    8
#define CONFIG_PROFILES_MAX      32
#define CONFIG_LABELS_MAX        32
#define CONFIG_LISTEN_MAX        8
#define CONFIG_CALLERS_MAX       16
#define CONFIG_TEXT_MAX          (256 * 1024) /* the file itself */
#define CONFIG_ADDRESS_MAX       128
#define CONFIG_USER_MAX          64
#define CONFIG_WEAK_MAX          8
/* Where Debian's package openssl-blacklist puts them; may be missing. */
#define CONFIG_WEAK_DEFAULT "/usr/share/openssl-blacklist"

/* A CA: where its files are; `core` holds the rest (its spans are empty). */
struct config_ca {
    char certificate[CONFIG_PATH_MAX];
    char chain[LIMIT_CHAIN][CONFIG_PATH_MAX]; /* its issuer first */
    unsigned num_chain;
    char cross[LIMIT_CROSS][CONFIG_PATH_MAX];
    unsigned num_cross;
    char key[CONFIG_PATH_MAX]; /* "file:PATH", or "none": offline */
};

struct config_manufacturer {
    char certificates[CONFIG_PATH_MAX]; /* PEM, its trust anchors */
    char crl[CONFIG_MAKER_CRLS_MAX][CONFIG_PATH_MAX]; /* PEM or DER */
    unsigned num_crl;
};

enum config_secret {
    CONFIG_SECRET_FILE,
    CONFIG_SECRET_CREDENTIAL,
    CONFIG_SECRET_PROMPT
};

typedef char config_address[CONFIG_ADDRESS_MAX];
typedef char config_user[CONFIG_USER_MAX];
typedef char config_file[CONFIG_PATH_MAX];

/* Everything. The names in `core` point into this same struct. */
struct config {
    char dir[CONFIG_PATH_MAX]; /* absolute or as given; no final slash */
    enum log_level log_level;
    unsigned doors;
    config_user user; /* one user for all roles; "": one for each */
    char passphrase[CONFIG_PATH_MAX + 16]; /* as written */
    enum config_secret passphrase_from;
    char passphrase_name[CONFIG_PATH_MAX]; /* path, or name of credential */

    config_address https[CONFIG_LISTEN_MAX], http[CONFIG_LISTEN_MAX];
    unsigned num_https, num_http;
    char tls_own[CONFIG_PATH_MAX]; /* operator's own PEM; "": made by core */
    char control[CONFIG_PATH_MAX];
    config_user admins[CONFIG_CALLERS_MAX], operators[CONFIG_CALLERS_MAX],
        readers[CONFIG_CALLERS_MAX];
    unsigned num_admins, num_operators, num_readers;
    config_file weak_keys[CONFIG_WEAK_MAX]; /* blocklists, or their folders */
    unsigned num_weak_keys;

    struct net_limits net;
    bool est_lenient, est_full_chain;     /* front/est/est.h */
    int64_t ocsp_validity, ocsp_backdate; /* seconds */
    unsigned ocsp_signed;                 /* front/status/bound.h */

    struct config_ca ca_files[CONFIG_CAS_MAX];
    struct core_ca cas[CONFIG_CAS_MAX];
    struct config_manufacturer manufacturer_files[CONFIG_MANUFACTURERS_MAX];
    struct core_manufacturer manufacturers[CONFIG_MANUFACTURERS_MAX];
    struct profile profiles[CONFIG_PROFILES_MAX];
    struct core_label labels[CONFIG_LABELS_MAX];
    struct core_config core;
};

/* config_parse reads the text of a configuration. name is what errors call the
 * file. BAD_CONFIG with one sentence, file:line first, in ret_problem. */
enum bv_err config_parse(struct span text, const char *name, const char *dir,
                         struct config **ret_config, char *ret_problem,
                         size_t cap) BV_CHECKED;
void config_free(struct config *config);
BV_AUTO_DEFINE(config, struct config, config_free)

/* config_path writes a path of the configuration as an absolute one.
 * TOO_LARGE when it does not fit. */
enum bv_err config_path(const struct config *config, const char *path,
                        char ret_path[CONFIG_PATH_MAX]) BV_CHECKED;

/* config_print_reference writes every section and key with its type, range,
 * default and meaning: what the manual page is checked against. */
void config_print_reference(FILE *out);

#endif
