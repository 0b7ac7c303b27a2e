/* brevet-agent's inside: what the configuration says, and one identity at
 * work. config.c reads; identity.c runs the device library; install.c and
 * hook.c hand the result to the programs that use it; run.c is the service;
 * main.c the commands. */
#ifndef BREVET_AGENT_AGENT_H
#define BREVET_AGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/sink.h"
#include "brevet/device.h"
#include "brevet/openssl.h"
#include "brevet/posix.h"
#include "device/port/posix/file.h"

#define AGENT_IDENTITIES_MAX 64
#define AGENT_CONFIG         "/etc/brevet/agent.conf"
#define AGENT_STATE_DIR      "/var/lib/brevet-agent"

/* Exit statuses, as in brevet-agent(1). */
enum agent_exit {
    AGENT_OK = 0,
    AGENT_USAGE = 1,   /* options or configuration */
    AGENT_REFUSED = 2, /* the server refuses this device or its request */
    AGENT_PENDING = 3, /* an operator must approve first */
    AGENT_NETWORK = 4, /* no answer, or the server cannot now */
    AGENT_TRUST = 5,   /* the server or its answer is not to be trusted */
    AGENT_LOCAL = 6,   /* keys, files, disk */
    AGENT_NONE = 7,    /* status: an identity is missing or has expired */
};

/* One section of the configuration; strings are owned, NULL when not given. */
struct agent_config {
    char *name, *url, *id, *dir;
    char *claim_file; /* "-" : standard input */
    char *ca_file, *ca_fingerprint;
    char *factory_cert, *factory_key;
    char *key_type, *renew_at, *binding;
    char *sans[BV_SAN_COUNT_MAX];
    size_t num_sans;
    char *reuse_key; /* "yes": renewals keep the key */
    char *pem;       /* "no": no PEM files beside the state in dir */
    char *install_dir;
    char *install_cert, *install_key, *install_chain, *install_ca;
    char *install_owner, *install_mode;
    char *hook;
};

/* config_load reads a file; identities are appended. False after saying on
 * standard error what is wrong, with file and line. */
bool config_load(const char *path, struct agent_config *identities,
                 size_t *num_identities);
/* config_set: one "--option value" of the command line. False: unknown. */
bool config_set(struct agent_config *config, const char *option,
                const char *value);
void config_done(struct agent_config *config);
/* config_merge takes what config lacks from another one. */
void config_merge(struct agent_config *config, const struct agent_config *from);
/* config_place: the folder of an identity of this name, where none is given. */
void config_place(struct agent_config *config, const char *name);
/* config_settle makes paths independent of the current folder. */
void config_settle(struct agent_config *config);
/* config_each visits what is given, except name and SANs. section: "" or
 * "install". */
typedef void config_visit(void *ctx, const char *section, const char *option,
                          const char *value);
void config_each(const struct agent_config *config, config_visit *visit,
                 void *ctx);
/* config_clash: two identities, or two settings of one, name the same folder or
 * file to write; true after saying which. Only cert and key of one identity may
 * be the same path, and written alike. */
bool config_clash(const struct agent_config *configs, size_t num);
/* config_is_kept: belongs into identity.conf. */
bool config_is_kept(const char *section, const char *option, const char *value);

/* The program that is told of changes; all zero when none runs. */
struct hook {
    pid_t pid;
    int fd;
    uint64_t end_ms;
    const char *reason, *queued;
    bool stopping;
};

struct identity {
    const struct agent_config *config;
    enum agent_exit shut; /* why it is not open; AGENT_OK: it is */
    struct bv_posix *posix;
    struct bv_openssl *openssl;
    struct bv_device device;
    struct bv_config settings;
    uint8_t *work;
    char host[254], path[401];
    uint8_t fingerprint[32];
    struct bv_bytes anchors[BV_TRUST_MAX];
    struct bv_san sans[BV_SAN_COUNT_MAX];
    uint8_t addresses[BV_SAN_COUNT_MAX][16];
    char claim[201];
    struct hook hook;
    uint64_t next_ms;  /* CLOCK_BOOTTIME: when a step is due */
    bool lacking;      /* a target could not be written */
    uint64_t again_ms; /* when installs or hook are tried again; 0: no need */
    uint32_t again_pause; /* seconds */
};

/* What an identity is opened for. READ: only look; nothing is locked, written
 * or asked for; posix is NULL if there is no folder. SERVE: the process before
 * us may still be dying; wait a moment. */
enum identity_use { IDENTITY_READ, IDENTITY_ONCE, IDENTITY_SERVE };

/* identity_open reads what the configuration names and takes the directory.
 * False after saying what is wrong; shut then tells settings that cannot work
 * (AGENT_USAGE) from what may pass: files, disk, a lock, a user who is not
 * there yet (AGENT_LOCAL). Nothing but config and shut may be used of such an
 * identity. identity_close is fine on a zeroed struct. */
bool identity_open(struct identity *identity, const struct agent_config *config,
                   enum identity_use use);
void identity_close(struct identity *identity);
/* identity_step does what can be done now and handles what happened (installs,
 * hook, log line). Returns the last event; sets next_ms. */
enum bv_event identity_step(struct identity *identity);
/* identity_repair writes what of the installed files is missing or damaged, and
 * runs the hook if something was, or if it did not end well before. False when
 * a file could not be written; identity_again then tries after a pause that
 * grows from 5 s to 1 h. */
bool identity_repair(struct identity *identity);
void identity_again(struct identity *identity);
/* identity_exit: the exit status that fits the last failure. */
enum agent_exit identity_exit(const struct identity *identity);
/* identity_why: one sentence with all that is known of the last failure, the
 * server's own words included; identity_advice: what can be done about it, ""
 * when that is not known. */
#define WHY_TEXT_MAX 600
const char *identity_advice(const struct identity *identity);
void identity_why(const struct identity *identity, char *out, size_t cap);
uint64_t identity_now_ms(void);

/* saved_write keeps what the identity was told in its folder, 0600, as
 * identity.conf; saved_load fills what config lacks from it. No such file is
 * fine. False after saying what is wrong. */
bool saved_write(const struct identity *identity);
bool saved_load(const char *dir, struct agent_config *config);

/* install_all writes every file the configuration asks for whose content is
 * not already right. *ret_changed: at least one was written. */
bool install_all(struct identity *identity, bool *ret_changed);
/* install_error reads what install_all could not write at last, and why; ""
 * when all was well. */
void install_error(const struct identity *identity, char *out, size_t cap);
/* install_owner_fits: the owner exists, now. install_mode_fits: the mode is
 * one. */
bool install_owner_fits(const struct agent_config *config);
bool install_mode_fits(const struct agent_config *config);
/* install_is_right: the file has this content, and is of this owner and mode
 * (NULL: any). */
bool install_is_right(int dir, const char *name, const struct file_mode *mode,
                      struct span content);

/* folder_write makes these the files of a folder, all at one moment: a reader
 * that opens "current" once and the files below it sees a set that belongs
 * together. Nothing is written when they are there already. False with
 * errno; then the old set still counts. secret: owner, and mode of the secret
 * ones; the rest is 0644. */
struct folder_file {
    const char *name;
    bool secret;
    struct span content;
};
bool folder_write(int dir, const struct folder_file *files, size_t num,
                  const struct file_mode *secret, bool *ret_changed);

/* What is handed over, as PEM: the key (the caller wipes), the certificate
 * alone, the CA certificates between it and a root, and the roots (all trust
 * anchors). Only between steps (bv_device_trust). */
bool material_key(struct identity *identity, struct sink *out);
bool material_leaf(struct identity *identity, struct sink *out);
void material_path(struct identity *identity, struct sink *out);
void material_roots(struct identity *identity, struct sink *out);

/* hook_start starts the hook, or notes that it must run once more after the one
 * that is running; nobody waits for it. reason (a constant): "enrolled",
 * "renewed", "trust", "repaired". hook_step looks whether it has ended, ends it
 * after HOOK_SECONDS with its children, logs how it ended; true while one is
 * running. hook_fd is readable at its end; -1 when none runs. hook_finish
 * waits; hook_hurry, before it, leaves HOOK_STOP_SECONDS, and what is queued to
 * the next start. */
/* hook_expect notes in the identity's folder that the hook must run, before
 * what it tells of is done; hook_is_due: it has not ended well since. So
 * neither a kill nor a power cut loses it. */
#define HOOK_SECONDS      60
#define HOOK_STOP_SECONDS 5
void hook_expect(const struct identity *identity, const char *reason);
bool hook_is_due(const struct identity *identity);
void hook_start(struct identity *identity, const char *reason);
bool hook_step(struct identity *identity);
int hook_fd(const struct identity *identity);
void hook_hurry(struct identity *identity);
void hook_finish(struct identity *identity);

/* run_service: until SIGTERM or SIGINT. Identities that are shut are opened
 * again after a pause that grows from 5 s to 1 h. */
enum agent_exit run_service(struct identity *identities, size_t num);

/* The last attempt, kept in the identity's folder ("last") for status: when,
 * how it ended ("renewed", "attempt failed" …) and why. A write that fails is
 * let pass. last_read: all empty when there is none. */
struct last {
    int64_t at;
    char outcome[40], why[WHY_TEXT_MAX];
};
void last_write(const struct identity *identity, const char *outcome,
                const char *why);
void last_read(const struct identity *identity, struct last *ret_last);

/* status_print: for people or as one JSON array. */
enum agent_exit status_print(struct identity *identities, size_t num,
                             bool json);

#endif
