#include "prog/brevet/ledger.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/audit_verify.h"
#include "pki/note.h"
#include "prog/brevet/control.h"
#include "store/sqlite.h"
#include "wire/pem.h"

#define CERTS_MAX ((1 + LIMIT_CHAIN) * CONFIG_CAS_MAX)

struct ledger {
    struct ca_files *files;
    bool daemon; /* it is asked; else core is in here, or there is nothing */
    struct store store;
    bool has_store;
    struct core *core;
    struct tlog_vkey vkey;
    uint8_t known_buf[4096];
    struct span known; /* the checkpoint kept beside the database */
    json_t *answer;
    uint8_t memory[CERTS_MAX * LIMIT_CERT];
    struct sink certs;
};

/* --- core in here --- */

static void
take_answer(void *user, unsigned tag, uint64_t id, struct span json)
{
    struct ledger *l = user;
    (void)tag;
    (void)id;
    json_decref(l->answer);
    l->answer = json_loadb((const char *)json.data, json.len, 0, NULL);
}

static enum bv_err
load_ca(struct ledger *l, size_t i)
{
    struct core_ca *ca = &l->files->config->cas[i];
    const struct config_ca *from = &l->files->config->ca_files[i];
    char path[CONFIG_PATH_MAX];
    size_t num;
    BV_TRY(ca_files_certs(l->files, from->certificate, &l->certs, &ca->cert, 1,
                          &num));
    for (unsigned j = 0; j < from->num_chain; j++)
        BV_TRY(ca_files_certs(l->files, from->chain[j], &l->certs,
                              &ca->chain[j], 1, &num));
    ca->num_chain = from->num_chain;
    if (ca->crl_path[0] == '\0')
        return BV_OK;
    BV_TRY(config_path(l->files->config, ca->crl_path, path));
    memcpy(ca->crl_path, path, sizeof(path));
    return BV_OK;
}

static enum bv_err
load_log_key(struct ledger *l)
{
    uint8_t buf[512];
    struct span text = SPAN_EMPTY;
    BV_TRY(ca_files_read(l->files, "ca/log.pub", buf, sizeof(buf), &text));
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    if (note_vkey_parse(text, &l->vkey) != BV_OK)
        return ca_files_bad(l->files, BV_E_BAD_CONFIG,
                            "ca/log.pub does not decode");
    l->files->config->core.log_key = SPAN_ARRAY(l->vkey.key);
    return BV_OK;
}

/* The database must hold what was signed last, wherever that is kept. */
static enum bv_err
load_checkpoint(struct ledger *l)
{
    char path[CONFIG_PATH_MAX];
    BV_TRY(config_path(l->files->config, "db/checkpoint", path));
    if (access(path, F_OK) != 0)
        return BV_OK;
    BV_TRY(ca_files_read(l->files, path, l->known_buf, sizeof(l->known_buf),
                         &l->known));
    l->files->config->core.known_checkpoint = l->known;
    return BV_OK;
}

static enum bv_err
verify_log(struct ledger *l)
{
    const struct audit_verify_options options = {
        .vkey = &l->vkey, .known = l->known, .certs = true};
    struct audit_report report;
    enum bv_err err = audit_verify(&l->store, &options, &report);
    if (err == BV_OK && report.faults == 0)
        return BV_OK;
    return ca_files_bad(l->files, err != BV_OK ? err : BV_E_CORRUPT,
                        "the audit log does not verify, so nothing was done; "
                        "brevet audit verify says what is wrong");
}

static enum bv_err
open_core(struct ledger *l)
{
    struct config *config = l->files->config;
    const struct core_calls calls = {
        .user = l, .admin_reply = take_answer, .tool = true};
    l->certs = SINK_ARRAY(l->memory);
    BV_TRY(load_log_key(l));
    BV_TRY(load_checkpoint(l));
    BV_TRY(verify_log(l));
    for (size_t i = 0; i < config->core.num_cas; i++)
        BV_TRY(load_ca(l, i));
    config->core.tls_path[0] = '\0'; /* it makes none */
    log_open("brevet", LOG_LEVEL_WARN);
    return core_new(&config->core, &l->store, -1, &calls, &l->core,
                    l->files->problem, sizeof(l->files->problem));
}

/* --- whom to ask --- */

static enum bv_err
ask_daemon(struct ledger *l, const char *verb, json_t *args)
{
    json_decref(l->answer);
    l->answer = NULL;
    enum bv_err err = control_call(l->files->dir, verb, args, &l->answer);
    if (err == BV_OK)
        return BV_OK;
    return ca_files_bad(l->files, err == BV_E_UNAVAILABLE ? BV_E_BUSY : err,
                        "the database belongs to a running server that does "
                        "not answer on run/control.sock (%s)",
                        err_text(err));
}

static enum bv_err
open_any(struct ledger *l)
{
    char path[CONFIG_PATH_MAX], problem[400] = "";
    const struct store_sqlite_options options = {.create = false};
    BV_TRY(config_path(l->files->config, "db/brevet.db", path));
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return BV_OK;
    enum bv_err err =
        store_sqlite_open(path, &options, &l->store, problem, sizeof(problem));
    l->has_store = err == BV_OK;
    if (err == BV_OK)
        return open_core(l);
    if (err != BV_E_BUSY)
        return ca_files_bad(l->files, err, "%s", problem);
    l->daemon = true;
    json_t *none = json_object();
    err = ask_daemon(l, "status", none);
    json_decref(none);
    return err;
}

enum bv_err
ledger_open(struct ca_files *files, struct ledger **ret_ledger)
{
    bv_auto(ledger) struct ledger *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return BV_E_NO_MEMORY;
    l->files = files;
    if (files->config != NULL)
        BV_TRY(open_any(l));
    *ret_ledger = BV_STEAL(l);
    return BV_OK;
}

void
ledger_close(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    core_free(ledger->core);
    if (ledger->has_store)
        ledger->store.close(ledger->store.ctx);
    json_decref(ledger->answer);
    free(ledger);
}

bool
ledger_is_there(const struct ledger *ledger)
{
    return ledger->daemon || ledger->core != NULL;
}

bool
ledger_has_daemon(const struct ledger *ledger)
{
    return ledger->daemon;
}

/* --- asking --- */

static enum bv_err
ask_core(struct ledger *l, const char *verb, json_t *args)
{
    struct core_caller caller = {.uid = getuid(), .role = CORE_ROLE_ADMIN};
    const struct passwd *who = getpwuid(getuid());
    json_t *request = json_pack("{s:s, s:O}", "verb", verb, "args", args);
    bv_auto_free char *text =
        request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (text == NULL)
        return BV_E_NO_MEMORY;
    (void)snprintf(caller.name, sizeof(caller.name), "%.60s",
                   who != NULL ? who->pw_name : "?");
    json_decref(l->answer);
    l->answer = NULL;
    core_admin(l->core, &caller, 1, 1, span_str(text));
    return core_commit(l->core);
}

static enum bv_err
err_of_name(const char *name)
{
    for (int err = BV_OK + 1; name != NULL && err < BV_E_COUNT_; err++)
        if (strcmp(name, err_name((enum bv_err)err)) == 0)
            return (enum bv_err)err;
    return BV_E_IO;
}

static enum bv_err
take_result(struct ledger *l, json_t **ret_result)
{
    const char *detail =
        json_string_value(json_object_get(l->answer, "detail"));
    if (json_is_true(json_object_get(l->answer, "ok"))) {
        *ret_result = json_incref(json_object_get(l->answer, "result"));
        return BV_OK;
    }
    return ca_files_bad(
        l->files,
        err_of_name(json_string_value(json_object_get(l->answer, "error"))),
        "%s", detail != NULL ? detail : "there was no answer");
}

enum bv_err
ledger_ask(struct ledger *ledger, const char *verb, json_t *args,
           json_t **ret_result)
{
    enum bv_err err = args == NULL ? BV_E_NO_MEMORY : BV_OK;
    *ret_result = NULL;
    if (err == BV_OK && ledger->daemon)
        err = ask_daemon(ledger, verb, args);
    else if (err == BV_OK && ledger->core != NULL)
        err = ask_core(ledger, verb, args);
    json_decref(args);
    if (err != BV_OK || !ledger_is_there(ledger))
        return err;
    return take_result(ledger, ret_result);
}

enum bv_err
ledger_serial(struct ledger *ledger, uint8_t buf[LIMIT_SERIAL], size_t *ret_len)
{
    json_t *result = NULL;
    *ret_len = 0;
    BV_TRY(ledger_ask(ledger, "ca.number", json_object(), &result));
    enum bv_err err = BV_OK;
    if (result != NULL)
        err = span_unhex(
            span_str(json_string_value(json_object_get(result, "serial"))), buf,
            LIMIT_SERIAL, ret_len);
    json_decref(result);
    return err;
}

enum bv_err
ledger_note(struct ledger *ledger, const char *act, const char *ca,
            struct span cert, const char *detail)
{
    uint8_t buf[2 * LIMIT_CERT];
    struct sink pem = SINK_ARRAY(buf);
    json_t *result = NULL, *args = json_pack("{s:s}", "act", act);
    if (ca != NULL)
        (void)json_object_set_new(args, "name", json_string(ca));
    if (detail != NULL)
        (void)json_object_set_new(args, "detail", json_string(detail));
    if (cert.len > 0) {
        pem_encode(&pem, PEM_CERTIFICATE, cert);
        (void)json_object_set_new(
            args, "pem", json_stringn((const char *)pem.data, pem.len));
    }
    BV_TRY(ledger_ask(ledger, "ca.note", args, &result));
    json_decref(result);
    return BV_OK;
}
