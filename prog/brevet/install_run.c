#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "prog/brevet/install.h"
#include "signer/responder.h"
#include "signer/soft.h"
#include "store/sqlite.h"
#include "wire/pem.h"

/* Rounds of asking and signing; core needs about four. */
#define ROUNDS_MAX 64

struct first_run {
    const char *dir;
    struct config *config;
    struct store store;
    struct signer signer;
    bool has_store, has_signer;
    struct core *core;
    uint8_t certs[(1 + LIMIT_CHAIN) * CONFIG_CAS_MAX][LIMIT_CERT];
    unsigned num_certs;
    char *problem;
};

static enum bv_err
read_text(const struct first_run *r, const char *name, uint8_t *buf, size_t cap,
          struct span *ret)
{
    char path[CONFIG_PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", r->dir, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return BV_E_IO;
    size_t len = fread(buf, 1, cap, file);
    (void)fclose(file);
    *ret = span_of(buf, len);
    return len < cap ? BV_OK : BV_E_TOO_LARGE;
}

static enum bv_err
read_cert(struct first_run *r, const char *name, struct span *ret)
{
    uint8_t buf[4 * LIMIT_CERT];
    struct span text;
    struct sink der = SINK_ARRAY(r->certs[r->num_certs]);
    BV_TRY(read_text(r, name, buf, sizeof(buf), &text));
    r->num_certs++;
    return pem_find(&text, PEM_CERTIFICATE, &der, ret);
}

static enum bv_err
absolute(const struct first_run *r, char path[CORE_PATH_MAX])
{
    char text[CONFIG_PATH_MAX];
    BV_TRY(config_path(r->config, path, text));
    memcpy(path, text, sizeof(text));
    return BV_OK;
}

static enum bv_err
open_ca(struct first_run *r, size_t i)
{
    struct core_ca *ca = &r->config->cas[i];
    const struct config_ca *files = &r->config->ca_files[i];
    BV_TRY(read_cert(r, files->certificate, &ca->cert));
    for (unsigned j = 0; j < files->num_chain; j++)
        BV_TRY(read_cert(r, files->chain[j], &ca->chain[j]));
    ca->num_chain = files->num_chain;
    return absolute(r, ca->crl_path);
}

/* The configuration just written, with its certificates. */
static enum bv_err
open_config(struct first_run *r)
{
    uint8_t buf[16384];
    struct span text;
    BV_TRY(read_text(r, "brevet.conf", buf, sizeof(buf), &text));
    BV_TRY(config_parse(text, "brevet.conf", r->dir, &r->config, r->problem,
                        INSTALL_PROBLEM_MAX));
    for (size_t i = 0; i < r->config->core.num_cas; i++)
        BV_TRY(open_ca(r, i));
    return absolute(r, r->config->core.tls_path);
}

static enum bv_err
open_store(struct first_run *r)
{
    char path[CONFIG_PATH_MAX];
    const struct store_sqlite_options options = {.create = true};
    BV_TRY(config_path(r->config, "db/brevet.db", path));
    BV_TRY(store_sqlite_open(path, &options, &r->store, r->problem,
                             INSTALL_PROBLEM_MAX));
    r->has_store = true;
    return BV_OK;
}

static enum bv_err
open_core(struct first_run *r)
{
    const struct core_calls calls = {0};
    char path[CONFIG_PATH_MAX];
    BV_TRY(config_path(r->config, "db/status.map", path));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return BV_E_IO;
    return core_new(&r->config->core, &r->store, fd, &calls, &r->core,
                    r->problem, INSTALL_PROBLEM_MAX);
}

static enum bv_err
open_signer(struct first_run *r, struct install_keys *keys)
{
    struct {
        const char *name;
        struct key **key;
    } all[] = {
        {"issuing", &keys->ca}, {"root", &keys->root}, {"log", &keys->log}};
    BV_TRY(signer_soft_new(core_signed, r->core, &r->signer));
    r->has_signer = true;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (*all[i].key != NULL)
            BV_TRY(signer_soft_add(&r->signer, all[i].name,
                                   BV_STEAL(*all[i].key)));
    core_set_signer(r->core, &r->signer);
    return BV_OK;
}

static bool
is_done(const struct first_run *r)
{
    uint8_t buf[65536];
    struct span text;
    return read_text(r, "tls/server.pem", buf, sizeof(buf), &text) == BV_OK &&
           read_text(r, "crl/issuing.crl", buf, sizeof(buf), &text) == BV_OK;
}

static enum bv_err
work(struct first_run *r)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        (void)core_tick(r->core, clock_wall());
        signer_soft_run(&r->signer);
        BV_TRY(core_commit(r->core));
        core_piece(r->core);
        if (round > 8 && !core_has_work(r->core) && is_done(r))
            return BV_OK;
    }
    (void)snprintf(r->problem, INSTALL_PROBLEM_MAX,
                   "the first certificates and CRLs were not made");
    return BV_E_UNAVAILABLE;
}

/* The responder's keys, so that a daemon answers OCSP as soon as it starts. */
static enum bv_err
save_responder(struct first_run *r, const char *ca, struct span passphrase)
{
    struct key *key;
    struct span cert;
    uint8_t buf[RESPONDER_FILE_MAX];
    struct sink text = SINK_ARRAY(buf);
    char name[LIMIT_SHORT_NAME + 16];
    if (signer_soft_ocsp(&r->signer, ca, &key, &cert) != BV_OK)
        return BV_OK; /* this CA has none */
    BV_TRY(responder_seal(key, cert, passphrase, &text));
    (void)snprintf(name, sizeof(name), "ca/ocsp-%s.pem", ca);
    return install_write(r->dir, name, 0600, sink_view(&text));
}

static enum bv_err
run_all(struct first_run *r, struct install_keys *keys, struct span passphrase)
{
    BV_TRY(open_config(r));
    BV_TRY(open_store(r));
    BV_TRY(open_core(r));
    BV_TRY(open_signer(r, keys));
    BV_TRY(work(r));
    BV_TRY(save_responder(r, "issuing", passphrase));
    return save_responder(r, "root", passphrase);
}

enum bv_err
install_first_run(const char *dir, struct install_keys *keys,
                  struct span passphrase, char ret_problem[INSTALL_PROBLEM_MAX])
{
    bv_auto_free struct first_run *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return BV_E_NO_MEMORY;
    r->dir = dir;
    r->problem = ret_problem;
    log_open("brevet", LOG_LEVEL_WARN);
    enum bv_err err = run_all(r, keys, passphrase);
    if (r->core != NULL)
        core_set_signer(r->core, NULL);
    core_free(r->core);
    if (r->has_signer)
        r->signer.close(r->signer.ctx);
    if (r->has_store)
        r->store.close(r->store.ctx);
    config_free(r->config);
    return err;
}
